# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs' / 'coca'
NAMES = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts
)


def build_on_meta(name, emoji_data):
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    if 'vocab_file' in cfg.model.tokenizer:
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    with torch.device('meta'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('name', NAMES)
def test_config_parses_and_its_model_builds(name, emoji_data):
    model = build_on_meta(name, emoji_data)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e6


def millions(*modules):
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_base_has_the_parameters_of_table_1(emoji_data):
    model = build_on_meta('coca_base.py', emoji_data)
    assert millions(model) == pytest.approx(383, rel=0.02)
    assert millions(model.backbone) == pytest.approx(86, rel=0.02)
    assert millions(model.text, model.captioning_head) == pytest.approx(297, rel=0.02)
    assert model.backbone.pos_embed.shape[1] == 256


def test_base_recipe_is_the_papers():
    cfg = Config.fromfile(CONFIGS / 'coca_base.py')
    assert cfg.model.contrastive_head.loss.loss_weight == 1.0
    assert cfg.model.captioning_head.loss.loss_weight == 2.0
    assert not cfg.model.contrastive_head.loss.get('ignore_duplicates', False)
    assert cfg.model.neck.mode == 'cascade' and cfg.model.neck.num_queries == 256
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('mmcoca.Adafactor', 8e-4, 0.01)
