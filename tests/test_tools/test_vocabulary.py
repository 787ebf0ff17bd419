# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Tokenizers trained on a user's captions, and weights carried over to them."""

import json

import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS
from tokenizers import Tokenizer

from mmcoca.models.text import CLIPTokenizer, TextTokenizer, share_kept_whole, train_tokenizer
from mmcoca.weights import change_vocabulary, read_state_dict, tokens_by_meaning, write_weights

CAPTIONS = ['a red cat', 'a red dog', 'two red cats', 'a red cat', 'Grüße an den Hund']
EMBEDDING, OUTPUT = 'text.unimodal.token_embedding.weight', 'captioning_head.weight'


@pytest.fixture
def files(tmp_path):
    """The captions in each of the four formats, an image each."""
    images = [dict(id=i, file_name=f'{i}.png') for i in range(len(CAPTIONS))]
    annotations = [dict(id=i, image_id=i, caption=c) for i, c in enumerate(CAPTIONS)]
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=images, annotations=annotations)))
    lines = [json.dumps(dict(image='x.png', caption=[caption])) for caption in CAPTIONS]
    (tmp_path / 'a.jsonl').write_text('\n'.join(lines))
    for ending, mark in (('csv', ','), ('tsv', '\t')):
        lines = [f'x.png{mark}{caption}' for caption in CAPTIONS]
        (tmp_path / f'a.{ending}').write_text('\n'.join([f'image{mark}caption', *lines]))
    return tmp_path


@pytest.mark.parametrize('ending', ['json', 'jsonl', 'csv', 'tsv'])
def test_a_tokenizer_from_every_format(files, run_tool, ending):
    out = files / 'made' / 'tokenizer.json'
    arguments = [files / f'a.{ending}', '--out', out, '--size', '264']
    done = run_tool('dataset_converters/train_tokenizer.py', *arguments)
    assert done.returncode == 0, done.stderr
    assert out.read_text() == train_tokenizer(CAPTIONS, 264).to_str(pretty=True)
    assert '264 tokens of 5 captions' in done.stdout
    tokenizer = TextTokenizer(str(out))
    words = ' '.join(CAPTIONS).split()
    whole = [word for word in words if len(tokenizer.encode([word])[0]) == 1]
    assert f'{len(whole) / len(words):.1%} of all words' in done.stdout
    assert f'{len(set(whole)) / len(set(words)):.1%} of the different ones' in done.stdout
    (ids, ) = tokenizer.encode([CAPTIONS[-1]])
    assert tokenizer.decode([ids]) == [CAPTIONS[-1]]


def test_of_characters_and_with_other_special_tokens(files, run_tool):
    out = files / 'tokenizer.json'
    options = ['--size', '40', '--characters', '--special-tokens', '[PAD]', '[S]', '[E]']
    done = run_tool(
        'dataset_converters/train_tokenizer.py', files / 'a.csv', '--out', out, *options
    )
    assert done.returncode == 0, done.stderr
    found = Tokenizer.from_file(str(out))
    assert [found.id_to_token(i) for i in range(4)] == ['[PAD]', '[S]', '[E]', '<unk>']
    tokenizer = TextTokenizer(str(out), 20, '[S]', '[E]', '[PAD]')
    (ids, ) = tokenizer.encode(['a red cat'])
    assert tokenizer.decode([ids]) == ['a red cat']
    assert found.token_to_id('<unk>') in tokenizer.encode(['Ω'])[0]


def test_the_users_mistakes_are_one_line(files, run_tool):
    (files / 'bad.csv').write_text('image,caption\nx.png,a cat\nx.png, \n')
    (files / 'there.json').write_text('{}')
    for arguments, message in (
        (['a.csv', '--out', 'b.json', '--size', '200'], '200 tokens is too small: at least 259'),
        (['a.csv', '--out', 'there.json'], 'there.json exists'),
        (['bad.csv', '--out', 'b.json'], 'bad.csv: line 3: the caption is empty'),
        (['none.csv', '--out', 'b.json'], 'none.csv does not exist'),
        (['a.csv', '--out', 'b.json', '--caption-key', 'title'], "no column 'title'"),
    ):
        done = run_tool('dataset_converters/train_tokenizer.py', *arguments, cwd=files)
        assert done.returncode == 1 and 'Traceback' not in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
        assert len(errors) == 1 and message in errors[0]
    assert not (files / 'b.json').exists()
    assert (files / 'there.json').read_text() == '{}'


def test_words_kept_whole():
    tokenizer = train_tokenizer(['cat cat cat dog'], 259 + 3)  # " c", " ca", " cat" at most
    of_all, of_different = share_kept_whole(tokenizer, ['cat cat cat dog'])
    assert (of_all, of_different) == (3 / 4, 1 / 2)


@pytest.fixture
def smaller(tiny_config, files):
    """The tiny model's config with a vocabulary of our captions."""
    train_tokenizer(CAPTIONS, 280).save(str(files / 'small.json'))
    cfg = Config(tiny_config.to_dict())
    cfg.model.tokenizer.vocab_file = str(files / 'small.json')
    cfg.model.text.vocab_size = cfg.model.captioning_head.vocab_size = 280
    return cfg


def test_weights_of_another_vocabulary_are_refused(smaller, tiny_model, tmp_path, run_tool):
    """By both sizes: of MMEngine's loading, of training from them, of testing them."""
    path = tmp_path / 'weights.safetensors'
    write_weights(tiny_model.state_dict(), str(path))
    message = 'a vocabulary of 2048 tokens, the model has 280 .*change_vocabulary.py'
    with pytest.raises(ValueError, match=message):
        MODELS.build(smaller.model).load_state_dict(tiny_model.state_dict(), strict=False)
    smaller.work_dir = str(tmp_path)
    smaller.dump(tmp_path / 'smaller.py')
    for arguments in (
        ['train.py', tmp_path / 'smaller.py', '--cfg-options', f'load_from={path}'],
        ['test.py', tmp_path / 'smaller.py', path],
    ):
        done = run_tool(*arguments)
        (error, ) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
        assert '2048 tokens' in error and '280' in error and 'Traceback' not in done.stderr


def test_tokens_that_both_have_keep_their_rows(
    tiny_config, smaller, tiny_model, tmp_path, run_tool
):
    path, target = tmp_path / 'weights.safetensors', tmp_path / 'changed.safetensors'
    write_weights(tiny_model.state_dict(), str(path))
    for name, cfg in (('old', tiny_config), ('new', smaller)):
        cfg.dump(tmp_path / f'{name}.py')
    arguments = [tmp_path / 'old.py', path, tmp_path / 'new.py', target]
    done = run_tool('model_converters/change_vocabulary.py', *arguments)
    assert done.returncode == 0, done.stderr
    changed = read_state_dict(str(target))
    model = MODELS.build(smaller.model)
    model.load_state_dict(changed)
    old = Tokenizer.from_file(tiny_config.model.tokenizer.vocab_file)
    new = Tokenizer.from_file(smaller.model.tokenizer.vocab_file)
    kept = [i for i in range(280) if old.token_to_id(new.id_to_token(i)) is not None]
    assert f'{len(kept)} of 280 tokens' in done.stdout and 259 <= len(kept) < 280
    torch.manual_seed(0)
    fresh = MODELS.build(smaller.model).state_dict()
    for name in (EMBEDDING, OUTPUT):
        for i in range(280):
            place = old.token_to_id(new.id_to_token(i))
            expected = fresh[name][i] if place is None else tiny_model.state_dict()[name][place]
            assert torch.equal(changed[name][i], expected)
    for name, tensor in tiny_model.state_dict().items():
        if name not in (EMBEDDING, OUTPUT):
            assert torch.equal(changed[name], tensor)
    arguments[2] = tmp_path / 'no'
    done = run_tool('model_converters/change_vocabulary.py', *arguments)
    assert done.returncode == 1 and 'config file' in done.stderr and 'Traceback' not in done.stderr


def test_start_and_end_are_known_whatever_they_are_called(files):
    train_tokenizer(CAPTIONS, 300).save(str(files / 'small.json'))
    ours, clips = TextTokenizer(str(files / 'small.json')), CLIPTokenizer()
    old, new = tokens_by_meaning(clips), tokens_by_meaning(ours)
    rows = torch.arange(49408.0)[:, None]
    fresh = {EMBEDDING: torch.full((300, 1), -1.0)}
    changed, num_kept = change_vocabulary({EMBEDDING: rows}, fresh, old, new)
    assert changed[EMBEDDING][ours.start_id] == clips.start_id
    assert changed[EMBEDDING][ours.end_id] == clips.end_id
    assert num_kept == int((changed[EMBEDDING] >= 0).sum())
    with pytest.raises(ValueError, match='1 wide in the weights, 2 in the new model'):
        change_vocabulary({EMBEDDING: rows}, {EMBEDDING: torch.zeros(300, 2)}, old, new)
