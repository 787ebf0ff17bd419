# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""ONNX files beside the models that they were made of, in onnxruntime."""

import copy
import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from PIL import ExifTags, Image

from mmcoca.apis import load_images, load_model
from mmcoca.apis.onnx_export import export_onnx, quantize_onnx
from mmcoca.apis.onnx_model import OnnxModel
from mmcoca.errors import UserError

NAME = 'coca_small_icons'
TEXTS = ['cat', 'red circle', 'a text of many more words than all of the others have']


@pytest.fixture(scope='module')
def model():
    return load_model(NAME, device='cpu')


@pytest.fixture(scope='module')
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp('onnx')
    files = export_onnx(model, folder)
    assert sorted(files) == sorted(folder.iterdir())
    return folder


def compare(model, exported, images):
    """Embeddings to 1e-4 and the same captions, with several batches and lengths."""
    with torch.no_grad():
        for some in (images, images[:1]):
            expected = model.encode_image(some).numpy()
            np.testing.assert_allclose(exported.encode_image(some.numpy()), expected, atol=1e-4)
        for texts in (TEXTS, TEXTS[:1]):
            token_ids, lengths = model.tokenizer(texts)
            found = exported.encode_text(token_ids.numpy(), lengths.numpy())
            np.testing.assert_allclose(found, model.encode_text(texts).numpy(), atol=1e-4)
        captions = model.generate_captions(images, max_length=model.text.max_length)
        end = [model.tokenizer.end_id]
        expected = [of_image[0].token_ids.tolist() for of_image in captions]
        expected = [ids[:(ids + end).index(*end)] for ids in expected]
        assert exported.caption(images.numpy()) == expected


def test_the_shipped_model_on_drawings(model, folder, drawings):
    ((_, images, _), ) = load_images(model, [str(path) for path, _ in drawings[:12]])
    exported = OnnxModel(folder, num_threads=1)
    compare(model, exported, images)
    assert len({tuple(ids) for ids in exported.caption(images.numpy())}) > 6


def test_weights_of_8_bits_are_near_and_small(model, folder, drawings, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    quantize_onnx(tmp_path)
    ((_, images, _), ) = load_images(model, [str(path) for path, _ in drawings[:12]])
    images = images.numpy()
    found, expected = (OnnxModel(f, 1).encode_image(images) for f in (tmp_path, folder))
    assert 0.98 < (found * expected).sum(axis=1).min() < 0.99999
    for path in folder.glob('*.onnx'):
        assert (tmp_path / path.name).stat().st_size < 0.6 * path.stat().st_size


def test_the_example_needs_no_torch(model, folder, drawings, repository, tmp_path):
    paths = [str(path) for path, _ in drawings[:12]]
    example = repository / 'docs' / 'examples' / 'caption_with_onnx.py'
    code = (
        'import runpy, sys\n'
        "sys.modules |= dict.fromkeys(['torch', 'mmcoca', 'mmengine', 'cv2'])\n"
        'sys.argv = sys.argv[1:]\n'
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, '-c', code, example, folder, *paths],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    rows = [line.split('\t') for line in done.stdout.splitlines()]
    assert [path for path, _ in rows] == paths
    ((_, images, _), ) = load_images(model, paths)
    assert [caption for _, caption in rows] == model.generate(images)


def test_the_example_prepares_images_as_the_model(
    model, folder, drawings, repository, tmp_path, monkeypatch
):
    """Larger and smaller than the model's, flat, transparent, grey, turned, with nothing drawn."""
    with Image.open(drawings[0][0]) as image:
        drawing = image.convert('RGB')
    transparent = Image.new('RGBA', (40, 30))
    transparent.paste((200, 30, 60, 128), (5, 7, 22, 19))
    images = [
        *(drawing.resize((side, side)) for side in (300, 64, 31, 7)),
        drawing.resize((200, 9)),
        transparent,
        drawing.convert('L'),
        Image.new('RGB', (20, 20), 'white'),
    ]
    paths = [str(tmp_path / f'{place}.png') for place in range(len(images))]
    for image, path in zip(images, paths):
        image.save(path)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    paths.append(str(tmp_path / 'turned.png'))
    drawing.crop((0, 0, 48, 64)).save(paths[-1], exif=turned)
    ((read, expected, _), ) = load_images(model, paths)
    assert read == paths
    example = repository / 'docs' / 'examples' / 'caption_with_onnx.py'
    monkeypatch.setattr(sys, 'argv', [str(example), str(folder), *paths])
    found = runpy.run_path(str(example))['images']
    level = 1 / model.data_preprocessor.std.min().item()
    assert abs(found - expected.numpy()).max() <= 1.01 * level


def test_open_clips_architecture(repository, tmp_path):
    """With fewer and narrower layers, at random weights."""
    cfg = Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-b-p32.py')
    init_default_scope(cfg.default_scope)
    arch = dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=128)
    cfg.model.backbone.update(arch=arch, img_size=64)
    cfg.model.neck.update(num_queries=8, memory_dims=64)
    cfg.model.text.update(num_unimodal_layers=2, num_multimodal_layers=2)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    export_onnx(model, tmp_path)
    compare(model, OnnxModel(tmp_path, num_threads=1), torch.randn(5, 3, 64, 64))
    settings = json.loads((tmp_path / 'settings.json').read_text())
    assert settings['image_size'] == [64, 64] and settings['max_length'] == 76


OWN_DECODER = """
from mmcoca.models.text import AggregatingUnimodalDecoder
from mmcoca.registry import MODELS

@MODELS.register_module()
class SeesPadding(AggregatingUnimodalDecoder):
    'Its mean is over the padding, too: zero in PyTorch, computed in ONNX.'

    def aggregate(self, x, texts):
        return texts.packing.pad(x).mean(dim=1)
"""


@pytest.fixture
def start_of(repository, emoji_data, tmp_path, monkeypatch):
    """A function: the tiny model with another lower half, at random weights, as a command line."""

    def arguments(unimodal):
        config = tmp_path / 'config.py'
        config.write_text(
            f"_base_ = '{repository / 'configs/coca/coca_tiny_emoji.py'}'\n"
            "custom_imports = dict(imports=['sees_padding'])\n"
            'model = dict(backbone=dict(arch=dict(num_layers=1)), '
            f"tokenizer=dict(vocab_file='{emoji_data / 'tokenizer.json'}'), "
            f'text=dict(unimodal=dict({unimodal})))\n'
        )
        cfg = Config.fromfile(config)
        init_default_scope(cfg.default_scope)
        torch.manual_seed(0)
        torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'start.pth')
        return [config, tmp_path / 'start.pth', '--out', tmp_path / 'onnx']

    (tmp_path / 'sees_padding.py').write_text(OWN_DECODER)
    monkeypatch.syspath_prepend(tmp_path)
    return arguments


def test_the_tool_fails_where_what_it_wrote_is_another_model(run_tool, start_of):
    arguments = start_of("type='mmcoca.SeesPadding', num_cls_tokens=1")
    done = run_tool('model_converters/to_onnx.py', *arguments)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert f'error: {arguments[-1]} computes something else than the model' in done.stderr
    assert '8 of 8 greedy captions' in done.stderr and ' of texts' in done.stderr


def test_the_tool_tells_how_near_it_is(run_tool, start_of):
    unimodal = "type='mmcoca.AggregatingUnimodalDecoder', with_text_tokens=True"
    done = run_tool('model_converters/to_onnx.py', *start_of(unimodal))
    assert done.returncode == 0, done.stderr
    assert 'largest difference from PyTorch: ' in done.stdout


def test_models_without_a_head_and_missing_packages(model, tiny_config, tmp_path, monkeypatch):
    cfg = copy.deepcopy(tiny_config)
    cfg.model.captioning_head = None
    cfg.model.generation = None
    cfg.model.text.num_multimodal_layers = 0
    with pytest.raises(UserError, match='with both heads'):
        export_onnx(MODELS.build(cfg.model), tmp_path / 'half')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(UserError, match=r'onnxruntime is missing: pip install "mmcoca\[onnx\]"'):
        OnnxModel(tmp_path)
    assert not (tmp_path / 'half').exists()
