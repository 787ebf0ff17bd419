# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Against open_clip_torch itself: its weights, converted, compute what they compute there."""

import pickle
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from in_process import load_module
from mmengine.runner import load_checkpoint
from safetensors.torch import load_file, save_file

from mmcoca.weights import WeightsError, from_open_clip, to_open_clip

CONVERTERS = Path(__file__).parents[2] / 'tools' / 'model_converters'

parity = load_module(CONVERTERS / 'open_clip_parity.py')
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}


def random_images(count, model):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, *model.backbone.img_size, generator=generator)
    return images.to(model.captioning_head.weight.dtype)


def assert_parity(theirs, ours, dtype, batches):
    for texts in batches:
        images = random_images(len(texts), ours)
        differences = parity.compare(theirs, ours, images, texts)
        assert max(differences.values()) <= TOLERANCE[dtype], differences
    assert torch.equal(
        parity.greedy_tokens(theirs, images, 12), parity.our_greedy_tokens(ours, images, 12)
    )


def test_the_texts_are_of_the_lengths_that_matter():
    lengths = open_clip.get_tokenizer('coca_ViT-B-32')(parity.TEXTS).ne(0).sum(dim=1) - 2
    assert {1, 5, 30, 73, 74} <= set(lengths.tolist())
    # "!" before more punctuation is id 0, open_clip's padding.
    token_ids = open_clip.get_tokenizer('coca_ViT-B-32')(['look!» a !~ b'])[0]
    end = int((token_ids == 49407).nonzero())
    assert (token_ids[:end] == 0).any()


@pytest.mark.parametrize(
    'architecture, batches',
    [
        ('coca_ViT-B-32', [[parity.TEXTS[0]], [parity.TEXTS[3]], parity.TEXTS]),
        ('coca_ViT-L-14', [parity.TEXTS]),
    ],
)
def test_parity_at_reduced_depth(architecture, batches):
    pair = parity.build_pair(architecture, torch.float64, layers=1)
    assert_parity(*pair, torch.float64, batches)


@pytest.mark.usefixtures('much_memory')
def test_parity_of_the_whole_vit_b_32():
    assert_parity(*parity.build_pair('coca_ViT-B-32', torch.float32), torch.float32, [parity.TEXTS])


def test_parity_of_the_corrected_cls_mask():
    theirs, ours = parity.build_pair('coca_ViT-B-32', torch.float64, layers=1)
    theirs.text.correct_cls_mask = True
    texts = parity.TEXTS
    images = random_images(len(texts), ours)
    with torch.no_grad():
        token_ids = open_clip.get_tokenizer('coca_ViT-B-32')(texts)
        difference = ours.encode_text(texts) - theirs.encode_text(token_ids)
    assert difference.abs().max() > 1e-3  # the legacy mask is another
    ours.text.unimodal.is_legacy = False
    differences = parity.compare(theirs, ours, images, texts)
    assert max(differences.values()) <= 1e-8, differences


@pytest.fixture(scope='module')
def small_pair():
    return parity.build_pair('coca_ViT-B-32', torch.float32, layers=1)


def test_the_round_trip_is_bit_exact(small_pair):
    theirs, ours = small_pair
    state_dict = theirs.state_dict()
    converted = from_open_clip(state_dict)
    assert set(converted) == set(ours.state_dict())
    back = to_open_clip(converted)
    assert set(back) == set(state_dict)
    for name, tensor in state_dict.items():
        assert torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype, name
        assert back[name].is_contiguous() and back[name].data_ptr() != tensor.data_ptr()
    assert sum(t.numel() for t in converted.values()) == sum(t.numel() for t in state_dict.values())


def test_every_tensor_of_both_published_architectures_is_used_once():
    for name, count in (('coca_ViT-B-32', 629), ('coca_ViT-L-14', 773)):
        settings = open_clip.get_model_config(name)
        settings.pop('custom_text')
        with torch.device('meta'):
            state_dict = open_clip.CoCa(**settings).state_dict()
        assert len(state_dict) == count
        assert set(to_open_clip(from_open_clip(state_dict))) == set(state_dict)


def test_wrong_state_dicts_are_named(small_pair):
    good = small_pair[0].state_dict()
    without = {name: tensor for name, tensor in good.items() if not name.startswith('text_dec')}
    with pytest.raises(WeightsError, match='tensors are missing, first text_decoder.cross_attn.0'):
        from_open_clip(without)
    with pytest.raises(WeightsError, match='1 are unknown, first logit_bias'):
        from_open_clip({**good, 'logit_bias': torch.zeros(())})
    with pytest.raises(WeightsError, match=r'visual.proj is \(512, 9\), .* ask for \(512, 512\)'):
        from_open_clip({**good, 'visual.proj': torch.zeros(512, 9)})
    with pytest.raises(WeightsError, match='visual.class_embedding has 2 dimensions, not 1'):
        from_open_clip({**good, 'visual.class_embedding': torch.zeros(1, 768)})
    extra = {**good, 'text_decoder.resblocks.1.ln_1.weight': torch.zeros(512)}
    with pytest.raises(WeightsError, match='are missing, first text_decoder.cross_attn.1'):
        from_open_clip(extra)
    with pytest.raises(WeightsError, match='are missing'):
        from_open_clip(small_pair[1].state_dict())


@pytest.fixture
def convert(run_tool):
    """A function that runs the converter -> its exit status and stderr."""

    def run(*args):
        done = run_tool('model_converters/open_clip_to_mmcoca.py', *args)
        return done.returncode, done.stderr

    return run


def test_the_converter_runs_as_a_program(small_pair, tmp_path):
    torch.save(small_pair[0].state_dict(), tmp_path / 'model.pt')
    command = [sys.executable, CONVERTERS / 'open_clip_to_mmcoca.py', 'model.pt', 'ours.pth']
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'tensors of model.pt -> ours.pth' in done.stdout
    assert (tmp_path / 'ours.pth').is_file()


def test_the_converter_reads_all_kinds_of_files_and_goes_back(small_pair, convert, tmp_path):
    theirs, ours = small_pair
    state_dict = {name: t.contiguous() for name, t in theirs.state_dict().items()}
    save_file(state_dict, tmp_path / 'model.safetensors')
    torch.save(state_dict, tmp_path / 'model.bin')
    # As open_clip's trainer saves, under DistributedDataParallel.
    wrapped = {f'module.{name}': tensor for name, tensor in state_dict.items()}
    torch.save(dict(epoch=3, name='run', state_dict=wrapped), tmp_path / 'epoch_3.pt')
    for name in ('model.safetensors', 'model.bin', 'epoch_3.pt'):
        checkpoint = tmp_path / 'made' / f'{name}.pth'
        status, errors = convert(tmp_path / name, checkpoint)
        assert status == 0, errors
        for parameter in ours.parameters():
            parameter.data.zero_()
        load_checkpoint(ours, str(checkpoint), strict=True)
        assert not list(checkpoint.parent.glob('*.partial'))
        for target in ('back.safetensors', 'back.pt'):
            status, errors = convert('--reverse', checkpoint, tmp_path / target)
            assert status == 0, errors
            read = load_file if target.endswith('safetensors') else torch.load
            back = read(tmp_path / target)
            assert set(back) == set(state_dict)
            assert all(torch.equal(back[key], tensor) for key, tensor in state_dict.items())
    theirs.load_state_dict(back)


def test_a_target_that_cannot_be_written_leaves_nothing(small_pair, convert, tmp_path, monkeypatch):
    torch.save(small_pair[0].state_dict(), tmp_path / 'model.pt')

    def fail(weights, path):
        Path(path).write_bytes(b'half')
        raise RuntimeError('no space left')

    monkeypatch.setattr(torch, 'save', fail)
    status, errors = convert(tmp_path / 'model.pt', tmp_path / 'x.pth')
    assert status == 1 and 'x.pth cannot be written: no space left' in errors
    assert {path.name for path in tmp_path.iterdir()} == {'model.pt'}


def test_files_that_are_no_coca_give_one_line(small_pair, convert, tmp_path):

    class Payload:

        def __reduce__(self):
            return (Path.touch, (tmp_path / 'executed', ))

    (tmp_path / 'unsafe.pt').write_bytes(pickle.dumps(dict(state_dict=Payload())))
    torch.save(dict(state_dict={'visual.proj': torch.zeros(2)}), tmp_path / 'clip.pt')
    torch.save([1, 2], tmp_path / 'list.bin')
    torch.save(dict(state_dict=[1]), tmp_path / 'inner.bin')
    torch.save({'visual.class_embedding': torch.zeros(2)}, tmp_path / 'plain_clip.pt')
    torch.save({3: torch.zeros(2)}, tmp_path / 'numbers.bin')
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'module.pt')
    (tmp_path / 'text.safetensors').write_text('no weights')
    (tmp_path / 'text.pt').write_text('no weights')
    (tmp_path / 'empty.pt').write_text('')
    save_file({'a': torch.zeros(2)}, tmp_path / 'misnamed.pt')
    (tmp_path / 'folder.pth').mkdir()
    torch.save(small_pair[1].state_dict(), tmp_path / 'ours.pth')
    for args, message in (
        (['nothing.safetensors', 'x.pth'], 'nothing.safetensors does not exist'),
        (['nothing.pt', 'x.pth'], 'nothing.pt does not exist'),
        (['unsafe.pt', 'x.pth'], 'unsafe.pt is refused: it holds more than tensors'),
        (['module.pt', 'x.pth'], 'module.pt is refused: it holds more than tensors'),
        (['plain_clip.pt', 'x.pth'], 'a CLIP, without the text_decoder?'),
        (['numbers.bin', 'x.pth'], 'numbers.bin is not a checkpoint of tensors alone: it has 3'),
        (['text.pt', 'x.pth'], 'text.pt is not a checkpoint: neither torch nor safetensors'),
        (['empty.pt', 'x.pth'], 'empty.pt is not a checkpoint: neither torch nor safetensors'),
        (['misnamed.pt', 'x.pth'], 'misnamed.pt is not a CoCa of open_clip'),
        (['folder.pth', 'x.pth'], 'folder.pth holds no last_checkpoint'),
        (['ours.pth', 'folder.pth'], 'folder.pth is a folder, not a file'),
        (['ours.pth', 'ours.pth'], 'ours.pth is SRC: it would be overwritten'),
        (['ours.pth', 'text.pt/x.pth'], 'text.pt'),
        (['clip.pt', 'x.pth'], 'clip.pt is not a CoCa of open_clip: '),
        (['list.bin', 'x.pth'], 'list.bin is not a checkpoint'),
        (['inner.bin', 'x.pth'], 'inner.bin is not a checkpoint: its state_dict is no dictionary'),
        (['text.safetensors', 'x.pth'], 'text.safetensors is not a checkpoint: neither'),
        (['ours.pth', 'x.pth'], 'ours.pth is a checkpoint of mmcoca: add --reverse'),
        (['--reverse', 'clip.pt', 'x.pt'], 'clip.pt is not a CoCa of mmcoca in the layout of'),
    ):
        status, errors = convert(*(tmp_path / a if '.' in a else a for a in args))
        assert status == 1 and message in errors
        assert errors.startswith('error: ') and errors.count('\n') == 1
        assert not (tmp_path / 'x.pth').exists() and not (tmp_path / 'x.pt').exists()
    assert not (tmp_path / 'executed').exists()
    status, errors = convert(tmp_path / 'ours.pth', tmp_path / 'x.bin')
    assert status == 2 and 'the ending must be one of .safetensors, .pth' in errors
