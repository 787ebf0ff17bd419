# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import importlib
import subprocess
import sys

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.apis import ModelHub
from mmpretrain.registry import MODELS

import mmcoca
from mmcoca.shipped_files import shipped_models
from mmcoca.weights import from_open_clip

NAMES = [
    'coca_2b',
    'coca_base',
    'coca_base_576px',
    'coca_large',
    'coca_open_clip_vit-b-p32',
    'coca_open_clip_vit-l-p14',
    'coca_small_icons',
    'coca_tiny_emoji',
]


def test_models_are_listed_and_import_is_repeatable():
    assert mmpretrain.list_models('*coca*') == NAMES
    importlib.reload(mmcoca)
    assert mmpretrain.list_models('*coca*') == NAMES
    assert 'resnet50_8xb32_in1k' in mmpretrain.list_models()


@pytest.mark.parametrize('name', NAMES)
def test_the_index_says_how_many_parameters_there_are(name, emoji_data):
    model = ModelHub.get(name)
    shipped = f'mmcoca://{name}/model.safetensors' if name in shipped_models() else None
    assert model.weights == shipped  # no dead links
    cfg = model.config
    if 'vocab_file' in cfg.model.tokenizer and shipped is None:
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        built = MODELS.build(cfg.model)
    assert model.metadata.parameters == sum(p.numel() for p in built.parameters())


def test_get_model_loads_a_users_converted_weights(tmp_path, monkeypatch):
    """By name, from another folder, with weights that open_clip made."""
    import open_clip

    settings = open_clip.get_model_config('coca_ViT-B-32')
    settings.pop('custom_text')
    for part in ('vision_cfg', 'text_cfg', 'multimodal_cfg'):
        settings[part]['layers'] = 1
    theirs = open_clip.CoCa(**settings).eval()
    torch.nn.init.normal_(theirs.text_decoder.text_projection)  # open_clip leaves it as it is
    torch.save(dict(state_dict=from_open_clip(theirs.state_dict())), tmp_path / 'weights.pth')
    monkeypatch.chdir(tmp_path)
    arch = dict(
        _delete_=True, embed_dims=768, num_layers=1, num_heads=12, feedforward_channels=3072
    )
    model = mmpretrain.get_model(
        'coca_open_clip_vit-b-p32',
        pretrained='weights.pth',
        backbone=dict(arch=arch),
        text=dict(num_unimodal_layers=1, num_multimodal_layers=1),
    )
    features = model.encode_text(['a photo of a cat', 'dog'])
    token_ids = open_clip.get_tokenizer('coca_ViT-B-32')(['a photo of a cat', 'dog'])
    torch.testing.assert_close(features, theirs.encode_text(token_ids), check_device=False)


def test_a_wheel_carries_configs_and_index(wheel, tmp_path):
    """Installed from a wheel, away from the repository, the models are listed and built."""
    target = tmp_path / 'site'
    command = [sys.executable, '-m', 'pip', 'install', '--no-deps', '--target', str(target)]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = f'''
import sys
sys.path.insert(0, {str(target)!r})
import mmcoca, mmpretrain
from mmpretrain.apis import ModelHub
assert mmcoca.__file__.startswith({str(target)!r}), mmcoca.__file__
assert mmpretrain.list_models('*coca*') == {NAMES!r}
config = ModelHub.get('coca_large').config
assert config.filename.startswith({str(target)!r}) and config.model.text.dims == 1024
import torch
from mmcoca.apis import load_model
model = load_model('coca_small_icons')
assert isinstance(model.generate(torch.zeros(1, 3, 48, 48))[0], str)
'''
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_models_are_listed_by_task_and_say_that_nothing_is_trained(emoji_data, monkeypatch):
    for task in ('Image Caption', 'Image-Text Retrieval'):
        assert mmpretrain.list_models('*coca*', task=task) == NAMES
    monkeypatch.chdir(emoji_data.parents[1])  # where the name's config finds its vocabulary
    with pytest.warns(UserWarning, match='this CoCa has random weights, so that what it says'):
        found = mmpretrain.inference_model('coca_tiny_emoji', np.zeros((32, 32, 3), np.uint8))
    assert isinstance(found['pred_caption'], str)
