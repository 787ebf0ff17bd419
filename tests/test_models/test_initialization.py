# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import open_clip
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmcoca.weights import to_open_clip

ARCH = dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=128)


@pytest.fixture
def nan_in_new_memory():
    """Let torch fill memory that nothing has written to with NaN."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize('name', ['coca_tiny_emoji.py', 'coca_base.py', 'open_clip_vit-b-p32.py'])
def test_no_parameter_is_left_uninitialised(name, repository, emoji_data, nan_in_new_memory):
    cfg = Config.fromfile(repository / 'configs' / 'coca' / name).model
    cfg.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    if 'vocab_file' in cfg.tokenizer:
        cfg.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    cfg.backbone.layer_scale_init_value = 0.1
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg)
    for step in ('built', 'initialised'):
        for kind in (model.named_parameters(), model.named_buffers()):
            assert [n for n, tensor in kind if not tensor.isfinite().all()] == [], step
        model.init_weights()


def test_open_clips_text_starts_as_it_does_there(repository):
    """The deviation of each tensor of the unimodal half, against open_clip's own."""
    settings = open_clip.get_model_config('coca_ViT-B-32')
    settings.pop('custom_text')
    torch.manual_seed(0)
    theirs = open_clip.CoCa(**settings)
    cfg = Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-b-p32.py')
    init_default_scope('mmpretrain')
    ours = to_open_clip(MODELS.build(cfg.model).state_dict())
    compared = 0
    for name, tensor in theirs.state_dict().items():
        if name.startswith('text.') and tensor.dim() >= 1 and not name.endswith('bias'):
            expected = float(tensor.std())
            assert float(ours[name].std()) == pytest.approx(expected, rel=0.05), name
            assert float(ours[name].mean()) == pytest.approx(float(tensor.mean()), abs=0.003)
            compared += 1
    assert compared == 4 + 12 * 6 + 1
    assert float(ours['visual.attn_pool.query'].std()) == pytest.approx(1, rel=0.02)
    assert float(ours['text_decoder.text_projection'].std()) == pytest.approx(512**-0.5, rel=0.02)
    assert float(ours['logit_scale']) == pytest.approx(float(theirs.logit_scale))
