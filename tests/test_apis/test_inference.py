# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Our inference functions and their tools, on real drawings."""

import csv
import json
import os
import re
import resource
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from padded import multimodal, unimodal
from safetensors.torch import save_file

from mmcoca.apis import (
    CaptionFileError,
    EmbeddingIndex,
    SearchInferencer,
    ZeroShotClassificationInferencer,
    caption_images,
    class_embeddings,
    classify_images,
    describe_images,
    find_images,
    load_images,
    load_model,
    name_below,
)
from mmcoca.apis.captioning import settings_file, write_settings
from mmcoca.command_line.result_file import result_file
from mmcoca.datasets.shards import ShardSample, write_shard
from mmcoca.errors import UserError


@pytest.fixture(scope='module')
def checkpoint(tiny_config, tmp_path_factory):
    """Weights of the tiny model at its start, in a file."""
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=MODELS.build(tiny_config.model).state_dict()), path)
    return path


@pytest.fixture(scope='module')
def model(tiny_config, checkpoint):
    return load_model(tiny_config.copy(), str(checkpoint), 'cpu')


def test_a_work_directory_stands_for_its_config_and_weights(
    tiny_config, checkpoint, model, tmp_path
):
    work_dir = tmp_path / 'work_dir'
    work_dir.mkdir()
    tiny_config.dump(work_dir / 'config.py')
    shutil.copy(checkpoint, work_dir / 'epoch_1.pth')
    (work_dir / 'last_checkpoint').write_text('elsewhere/epoch_1.pth')
    loaded = load_model(str(work_dir))
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    (work_dir / 'other.py').write_text('')
    with pytest.raises(UserError, match='config.py, other.py: name a config file, then this'):
        load_model(str(work_dir))


@pytest.fixture
def folder(emoji_data, tmp_path):
    """Nine drawings in two folders, one of them cut off."""
    folder = tmp_path / 'images'
    (folder / 'more').mkdir(parents=True)
    drawings = sorted((emoji_data / 'images').rglob('*.png'))[:9]
    for number, drawing in enumerate(drawings):
        shutil.copy(drawing, folder / ('more' if number > 6 else '') / drawing.name)
    broken = folder / drawings[2].name
    broken.write_bytes(broken.read_bytes()[:60])
    (folder / 'notes.txt').write_text('no image')
    return folder


@pytest.fixture
def model_args(repository, emoji_data, checkpoint):
    config = repository / 'configs' / 'coca' / 'coca_tiny_emoji.py'
    option = f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}'
    return [config, checkpoint], ['--cfg-options', option]


def test_images_are_found_and_read_but_for_what_is_broken(model, folder):
    paths = find_images(folder)
    assert len(paths) == 9 and paths == sorted(paths)
    read, unreadable = [], []
    for names, images, failed in load_images(model, paths, batch_size=4):
        assert len(images) == len(names)
        read += names
        unreadable += failed
    assert len(read) == 8 and len(unreadable) == 1 and set(read) | set(unreadable) == set(paths)
    with pytest.raises(FileNotFoundError, match='has no file that ends in .bmp'):
        find_images(folder.parent.joinpath('empty').mkdir() or folder.parent / 'empty')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        find_images(folder / 'nowhere')
    assert find_images(read[0]) == [Path(read[0])]
    assert name_below(Path(read[0]), read[0]) == Path(read[0]).name
    with pytest.raises(FileNotFoundError, match='notes.txt is no folder, and no image'):
        find_images(folder / 'notes.txt')


def test_captions_of_a_folder_go_on_where_they_stopped(model, folder, tmp_path):
    paths, out = find_images(folder), tmp_path / 'captions.jsonl'
    options = dict(min_length=3, max_length=8)
    steps = caption_images(model, paths, folder, out, batch_size=2, **options)
    for _ in range(3):  # what was there, and two batches
        next(steps)
    steps.close()
    begun = out.read_text()
    assert 2 <= begun.count('\n') <= 4
    with open(out, 'a') as file:
        file.write('{"image": "half')  # as an interruption may leave it
    done = list(caption_images(model, paths, folder, out, batch_size=4, **options))
    assert sum(count for count, _ in done) == 9
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert out.read_text().startswith(begun)
    assert len({line['image'] for line in lines}) == len(lines) == 8
    for names, images, _ in load_images(model, paths, 16):
        for path, (caption, ) in zip(names, model.generate_captions(images, **options)):
            (line, ) = [x for x in lines if x['image'] == str(path.relative_to(folder))]
            assert line['caption'] == caption.text
            assert line['log_probability'] == pytest.approx(caption.log_probability, abs=1e-3)
    with pytest.raises(CaptionFileError, match='other settings .max_length 8 there, 9 here'):
        list(caption_images(model, paths, folder, out, min_length=3, max_length=9))
    (folder / 'more').rename(folder / 'moved')
    with pytest.raises(CaptionFileError, match='other settings .folder'):
        list(caption_images(model, paths[-1:], folder / 'moved', out, **options))
    for content, name, message in (
        (b'no JSON\n', 'captions.jsonl', 'captions.jsonl, line 1: no caption'),
        (b'{"image": "a.jpg", "caption": "x"}', 'train.jsonl', 'was not begun by this tool'),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CaptionFileError, match=message):
            list(caption_images(model, paths, folder, tmp_path / name, **options))
        assert (tmp_path / name).read_bytes() == content  # as it was
    refused = caption_images(model, paths, folder, tmp_path / 'again.jsonl', banned_words=[''])
    with pytest.raises(ValueError):
        list(refused)
    assert sum(count for count, _ in caption_images(model, paths, folder, tmp_path / 'again.jsonl'))
    with pytest.raises(ValueError, match='max_length 1 is not within'):
        list(caption_images(model, paths, folder, tmp_path / 'new.jsonl', max_length=1))
    assert not (tmp_path / 'new.jsonl').exists()


@pytest.mark.parametrize('content', [b'', b'{"folder": ', b'[1]', b'null', b'\xff'])
def test_settings_of_captions_that_tell_nothing_are_one_line(model, folder, tmp_path, content):
    out, settings = tmp_path / 'captions.jsonl', tmp_path / 'captions.settings.json'
    out.write_text('{"image": "a.jpg", "caption": "x"}\n')
    settings.write_bytes(content)
    with pytest.raises(CaptionFileError, match='does not tell with which settings') as error:
        list(caption_images(model, find_images(folder), folder, out))
    assert '\n' not in str(error.value) and str(settings) in str(error.value)
    assert settings.read_bytes() == content and out.read_text().count('\n') == 1


def test_settings_of_captions_stay_whole_where_no_new_ones_can_be_written(tmp_path):
    out = tmp_path / 'captions.jsonl'
    write_settings(out, dict(max_length=8))
    whole = settings_file(out).read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))  # bytes, as on a full disk
    try:
        with pytest.raises(OSError):
            write_settings(out, dict(max_length=9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert settings_file(out).read_text() == whole
    assert list(tmp_path.iterdir()) == [settings_file(out)]


@pytest.mark.skipif(sys.platform != 'linux', reason='other file systems refuse such names')
def test_any_name_of_a_file(model, emoji_data, tmp_path):
    """Line separators and bytes that are not UTF-8 neither stop a run nor confuse the next."""
    drawing = next((emoji_data / 'images').rglob('*.png'))
    (tmp_path / 'images').mkdir()
    for name in ('two\u2028lines.png', os.fsdecode(b'caf\xe9.png')):
        shutil.copy(drawing, tmp_path / 'images' / name)
    paths, out = find_images(tmp_path / 'images'), tmp_path / 'captions.jsonl'
    for _ in range(2):
        list(caption_images(model, paths, tmp_path / 'images', out, max_length=4))
    names = [json.loads(line)['image'] for line in out.read_text('utf-8').split('\n')[:-1]]
    assert sorted(names) == ['caf\\xe9.png', 'two\u2028lines.png']


@torch.no_grad()
def test_descriptions_have_embedding_and_attention_in_pixels(model, folder):
    (names, images, _), = load_images(model, find_images(folder), 16)
    options = dict(num_beams=2, num_return_sequences=2, min_length=4, max_length=8)
    descriptions = describe_images(
        model, images, with_embedding=True, with_attention=True, **options
    )
    torch.testing.assert_close(
        torch.stack([description.embedding for description in descriptions]),
        model.encode_image(images)
    )
    expected = model.generate_captions(images, **options)
    for description, captions in zip(descriptions, expected):
        assert [c.text for c in description.captions] == [c.text for c in captions]
        for caption, (words, maps) in zip(description.captions, description.attention):
            assert words == caption.text.split() and maps.shape == (len(words), 32, 32)
            torch.testing.assert_close(maps.sum(dim=(1, 2)), torch.ones(len(words)))
    ended = model.captioning_head.weight[model.tokenizer.end_id].clone()
    norm = model.text.multimodal.norm.bias.clone()
    model.captioning_head.weight[model.tokenizer.end_id] = 10  # a caption without a word
    model.text.multimodal.norm.bias.fill_(10)
    (empty, *_) = describe_images(model, images, with_attention=True, max_length=4)
    model.captioning_head.weight[model.tokenizer.end_id] = ended
    model.text.multimodal.norm.bias.copy_(norm)
    assert empty.captions[0].text == '' and empty.attention[0][0] == []
    assert empty.attention[0][1].shape == (0, 32, 32)
    plain = describe_images(model, images, max_length=4)[0]
    assert plain.embedding is None and plain.attention is None


@torch.no_grad()
def test_score_is_the_log_probability_of_the_text(model, images):
    model = model.double()
    texts = ['hot pepper', 'cat', 'person: blond hair', 'red heart']
    scores = model.score(images.double(), texts)
    regional_tokens = model.pool(images.double())[1]
    for row, text in enumerate(texts):
        token_ids, length = model.tokenizer([text])
        states, _ = unimodal(model.text, token_ids, length)
        states = multimodal(model.text, states, regional_tokens[row, None], length)
        chances = model.captioning_head(states)[0].log_softmax(dim=-1)
        expected = sum(
            chances[place, token] for place, token in enumerate(token_ids[0, 1:].tolist())
        )
        torch.testing.assert_close(scores[row], expected)
    with pytest.raises(ValueError, match='1 texts for 4 images'):
        model.score(images.double(), ['cat'])
    model.float()


@torch.no_grad()
def test_zero_shot_classification_by_hand(model, images):
    classes, templates = ['cat', 'hot pepper', 'red heart'], ['{}', 'a {} here']
    embeddings = class_embeddings(model, classes, templates)
    chances = classify_images(model, images, embeddings)
    for image, row in zip(images, chances):
        logits = []
        for name in classes:
            mean = sum(model.encode_text([t.format(name)])[0] for t in templates)
            similarity = model.encode_image(image[None])[0] @ (mean / mean.norm())
            logits.append(similarity * model.contrastive_head.logit_scale.exp())
        torch.testing.assert_close(row, torch.stack(logits).softmax(dim=0))
    torch.testing.assert_close(class_embeddings(model, classes, templates, 4), embeddings)
    for wrong, message in (
        (([], ['{}']), 'at least one class'),
        ((['cat'], []), 'there is no template'),
        ((['cat', 'cat'], ['{}']), "class 'cat' is named twice"),
        ((['cat'], ['a photo']), 'has 0 places'),
    ):
        with pytest.raises(ValueError, match=message):
            class_embeddings(model, *wrong)


def test_an_index_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UserError, match='cannot be written'):
        EmbeddingIndex(torch.eye(2), ['a', 'b']).save(tmp_path)


def test_search_in_saved_embeddings(tmp_path):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(50, 8, generator=generator), dim=-1)
    EmbeddingIndex(embeddings, [f'ü{i}.png' for i in range(50)]).save(tmp_path / 'a.safetensors')
    index = EmbeddingIndex.load(tmp_path / 'a.safetensors')
    assert torch.equal(index.embeddings, embeddings) and index.names[3] == 'ü3.png'
    queries = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=-1)
    for query, found in zip(queries, index.search(queries, top_k=3)):
        similarities = [float(query @ embedding) for embedding in embeddings]
        order = sorted(range(50), key=lambda i: -similarities[i])[:3]
        assert [name for name, _ in found] == [f'ü{i}.png' for i in order]
        assert [score for _, score in found] == pytest.approx([similarities[i] for i in order])
    assert len(index.search(queries, top_k=99)[0]) == 50
    with pytest.raises(ValueError, match='queries are 5 wide, the embeddings 8'):
        index.search(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="engine 'approximate' is unknown"):
        index.search(queries, engine='approximate')
    save_file(dict(other=torch.zeros(2)), tmp_path / 'other.safetensors')
    with pytest.raises(ValueError, match='other.safetensors is no file of embed.py'):
        EmbeddingIndex.load(tmp_path / 'other.safetensors')


def test_faiss_finds_the_same():
    pytest.importorskip('faiss', reason='faiss-cpu is not installed')
    embeddings = torch.nn.functional.normalize(torch.randn(50, 8), dim=-1)
    index = EmbeddingIndex(embeddings, list(map(str, range(50))))
    for exact, approximate in zip(
        index.search(embeddings[:5], 4), index.search(embeddings[:5], 4, 'faiss')
    ):
        assert [name for name, _ in exact] == [name for name, _ in approximate]


@contextmanager
def web_server(folder):
    """The address of a server of the files in a folder."""

    class Quiet(SimpleHTTPRequestHandler):

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_tools_work_and_report_what_is_broken(run_tool, folder, model_args, tmp_path):
    first, last = model_args
    captions, sheet = tmp_path / 'captions.jsonl', tmp_path / 'sheet.html'
    table, index = tmp_path / 'classes.csv', tmp_path / 'images.safetensors'
    length = ['--max-length', '8']
    done = run_tool('inference/caption.py', *first, folder, '--out', captions, *length, *last)
    assert done.returncode == 3, done.stderr
    assert 'cannot be read' in done.stderr and '1 of 9 images could not be read' in done.stderr
    assert len(captions.read_text().splitlines()) == 8
    classes = ['--classes', 'cat', 'dog', '--templates', '{}', '--top-k', '2']
    done = run_tool('inference/classify.py', *first, folder, *classes, '--out', table, *last)
    assert done.returncode == 3, done.stderr
    rows = list(csv.reader(table.read_text().splitlines()))
    assert rows[0] == ['image', 'class', 'probability'] and len(rows) == 1 + 8 * 2
    assert float(rows[1][2]) + float(rows[2][2]) == pytest.approx(1, abs=2e-4)
    done = run_tool('inference/embed.py', *first, '--images', folder, '--out', index, *last)
    assert done.returncode == 3, done.stderr
    name = EmbeddingIndex.load(index).names[4]
    image = ['--image', folder / name, '--top-k', '1']
    done = run_tool('inference/search.py', *first, index, *image, *last)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'query,result,similarity\n{folder / name},{name},1.0000\n'
    strange = tmp_path / os.fsdecode(b'caf\xe9.png')  # no UTF-8
    shutil.copy(folder / name, strange)
    with web_server(folder) as address:
        for image, query in (
            (strange, fr'{tmp_path}/caf\xe9.png'),
            (f'{address}/{name}', f'{address}/{name}'),
        ):
            args = ['--image', image, '--top-k', '1']
            done = run_tool('inference/search.py', *first, index, *args, *last)
            assert done.stdout == f'query,result,similarity\n{query},{name},1.0000\n', done.stderr
    done = run_tool(
        'visualization/caption_sheet.py', *first, folder, '--out', sheet, *length, *last
    )
    assert done.returncode == 3, done.stderr
    page = sheet.read_text()
    assert page.count('class="row"') == 8
    words = sum(len(json.loads(line)['caption'].split()) for line in captions.open())
    assert len(re.findall('<img ', page)) == 8 + words


def test_one_image_and_a_config_of_the_package(run_tool, folder, model_args, tmp_path):
    (_, checkpoint), last = model_args
    image, out = find_images(folder)[0], tmp_path / 'captions.jsonl'
    first = 'mmcoca::coca/coca_tiny_emoji.py', checkpoint, image
    done = run_tool('inference/caption.py', *first, '--out', out, '--max-length', '8', *last)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)['image'] for line in out.read_text().splitlines()] == [image.name]


def test_workers_are_counted_from_0_and_a_failure_leaves_no_file(
    run_tool, folder, model_args, tmp_path
):
    first, last = model_args
    classify = ('classify.py', [folder, '--classes', 'cat', 'dog', '--out', tmp_path / 'x.csv'])
    embed = ('embed.py', ['--images', folder, '--out', tmp_path / 'x.safetensors'])
    for tool, args in (classify, embed):
        done = run_tool(f'inference/{tool}', *first, *args, '--num-workers', '-1', *last)
        assert done.returncode == 2 and 'Traceback' not in done.stderr
        assert 'error: argument --num-workers: -1 is less than 0' in done.stderr
    with pytest.raises(RuntimeError), result_file(str(tmp_path / 'y.csv')) as file:
        file.write('half')
        raise RuntimeError
    assert not list(tmp_path.glob('[xy].*'))


def test_mistakes_at_the_tools_are_one_line(run_tool, folder, model_args, tmp_path):
    first, last = model_args
    out = tmp_path / 'x.jsonl'
    torch.save(dict(state_dict={'a': torch.zeros(1)}), tmp_path / 'other.pth')
    larger, index = tmp_path / 'larger.pth', tmp_path / 'index.safetensors'
    weights = torch.load(first[1], weights_only=True)['state_dict']
    more = {n.replace('layers.0', 'layers.3'): w for n, w in weights.items()}
    torch.save(dict(state_dict=weights | more), larger)
    EmbeddingIndex(torch.eye(2), ['a', 'b'], 'weights of another').save(index)
    pipe = tmp_path / 'pipe.png'
    os.mkfifo(pipe)
    for tool, args, message in (
        ('caption.py', [*first, tmp_path / 'none', '--out', out], 'none does not exist'),
        ('caption.py', [*first, folder, '--out', tmp_path / 'x.txt'], 'must be .jsonl'),
        ('caption.py', [*first, folder, '--out', out, '--top-p', '0'], 'top_p=0'),
        ('caption.py', [*first, folder, '--out', out, '--max-length', '99'], 'max_length 99'),
        ('caption.py', [first[0], tmp_path / 'other.pth', folder, '--out', out], 'another model'),
        ('classify.py', [*first, folder, '--classes', 'cat', 'cat'], "'cat' is named twice"),
        (
            'classify.py', [*first, folder, '--classes', 'cat', 'dog', '--templates',
                            'x'], 'give prompts with a {}'
        ),
        ('caption.py', [first[1], folder, '--out', out], 'is no config: name its work directory'),
        ('caption.py', ['mmcoca::coca/x.py', first[1], folder, '--out', out], 'mmcoca has none of'),
        ('caption.py', ['mmtest::x.py', first[1], folder, '--out', out], 'mmtest is not installed'),
        ('caption.py', ['coca_small_icon', folder, '--out', out], 'the model coca_small_icons?'),
        ('answer.py', [*first, folder, '--questions', 'what?'], 'a CoCa answers no questions'),
        ('answer.py', [*first, folder, '--questions', ' '], '--questions: one is empty'),
        ('embed.py', [*first, '--texts', tmp_path / 'no.txt', '--out', 'x.safetensors'], 'no.txt'),
        (
            'embed.py',
            [*first, '--images', folder, '--out',
             tmp_path / f'{"x" * 300}.safetensors'], 'File name too long'
        ),
        ('search.py', [*first, tmp_path / 'no.safetensors', '--texts', 'a'], 'does not exist'),
        ('search.py', [*first, index, '--texts', 'a'], 'were made with other weights'),
        ('search.py', [*first, index, '--image', pipe], f'image {pipe} is no regular file'),
        ('caption.py', [first[0], larger, folder, '--out', out], 'tensors more than the config'),
    ):
        done = run_tool(f'inference/{tool}', *args, *last)
        errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
        assert done.returncode == 1 and len(errors) == 1, done.stderr
        assert message in errors[0] and 'Traceback' not in done.stderr
    assert not out.exists()


def test_zero_shot_inferencer(model, folder, tmp_path):
    """As the functions, with mmpretrain's results and pictures."""
    classes, templates = ['cat', 'hot pepper', 'umbrella'], ['{}', 'a drawing of a {}']
    paths = [str(path) for path in find_images(folder) if path.stat().st_size > 60]
    inferencer = ZeroShotClassificationInferencer(model, classes, templates)
    results = inferencer(paths, batch_size=3, show_dir=str(tmp_path / 'pictures'))
    ((_, images, _), ) = load_images(model, [folder / path for path in paths], batch_size=9)
    expected = classify_images(model, images, class_embeddings(model, classes, templates))
    found = torch.stack([torch.from_numpy(result['pred_scores']) for result in results])
    torch.testing.assert_close(found, expected)
    assert [r['pred_class'] for r in results] == [classes[i] for i in expected.argmax(dim=1)]
    assert len(list((tmp_path / 'pictures').iterdir())) == len(paths) == 8
    with pytest.raises(ValueError, match='at least one class'):
        ZeroShotClassificationInferencer(model, [])


def test_search_inferencer(model, folder, tmp_path):
    paths = [path for path in find_images(folder) if path.stat().st_size > 60]
    ((_, images, _), ) = load_images(model, paths, batch_size=9)
    with torch.no_grad():
        index = EmbeddingIndex(model.encode_image(images), [path.name for path in paths])
        similarities = model.encode_text(['hot pepper']) @ index.embeddings.T
    index.save(tmp_path / 'images.safetensors')
    search = SearchInferencer(model, tmp_path / 'images.safetensors')
    results = search([str(path) for path in paths], top_k=2, batch_size=3)
    assert [result['names'][0] for result in results] == index.names
    assert all(result['pred_score'][0] == pytest.approx(1, abs=1e-5) for result in results)
    (result, ) = search(texts='hot pepper', top_k=3)
    best = similarities[0].topk(3)
    assert result['names'] == [index.names[place] for place in best.indices]
    assert result['pred_score'] == pytest.approx(best.values.tolist())
    with pytest.raises(ValueError, match='needs images or texts'):
        search()
    with pytest.raises(ValueError, match='top_k=0 is less than 1'):
        search(texts='cat', top_k=0)


def test_search_for_what_is_like_an_image_and_a_text(model, folder, tmp_path):
    """The same by the inferencer and by hand; one image goes with several texts."""
    paths = [path for path in find_images(folder) if path.stat().st_size > 60]
    ((_, images, _), ) = load_images(model, paths, batch_size=9)
    with torch.no_grad():
        of_images, of_texts = model.encode_image(images), model.encode_text(['cat', 'hot pepper'])
    search = SearchInferencer(model, EmbeddingIndex(of_images, [path.name for path in paths]))
    results = search(str(paths[3]), ['cat', 'hot pepper'], top_k=8)
    sums = of_images[3] + of_texts
    expected = (sums / sums.norm(dim=1, keepdim=True)) @ of_images.T
    for result, scores in zip(results, expected, strict=True):
        best = scores.topk(8)
        assert result['names'] == [paths[place].name for place in best.indices]
        assert result['pred_score'] == pytest.approx(best.values.tolist(), abs=1e-5)
    with pytest.raises(ValueError, match='2 and 3 queries cannot be joined'):
        search([str(path) for path in paths[:3]], ['cat', 'hot pepper'])


def test_shards_are_embedded_as_files_are(folder, run_tool, model_args, tmp_path):
    """Also those whose samples have no caption, but for an image that cannot be read."""
    paths = find_images(folder)
    samples = [
        ShardSample(f'{number:06}', path.read_bytes(), path.suffix, {})
        for number, path in enumerate(paths)
    ]
    write_shard(tmp_path / 'shards' / '00000.tar', samples[:5])
    write_shard(tmp_path / 'shards' / '00001.tar', samples[5:])
    first, last = model_args
    outs = tmp_path / 'files.safetensors', tmp_path / 'shards.safetensors'
    sources = ['--images', folder], ['--shards', tmp_path / 'shards']
    for source, out in zip(sources, outs):
        done = run_tool('inference/embed.py', *first, *source, '--out', out, *last)
        assert done.returncode == 3 and '1 of 9 images could not be read' in done.stderr
    of_files, of_shards = map(EmbeddingIndex.load, outs)
    torch.testing.assert_close(of_shards.embeddings, of_files.embeddings)
    read = [number for number, path in enumerate(paths) if path.stat().st_size > 60]
    assert of_shards.names == [f'{number // 5:05}.tar/{number:06}.png' for number in read]
    query = ['inference/search.py', *first, outs[1], '--image', paths[0], '--texts', 'cat', *last]
    done = run_tool(*query)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(done.stdout.splitlines()))
    assert rows[1][0] == f'{paths[0]} + cat' and len(rows) == 6
