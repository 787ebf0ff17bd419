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


@pytest.mark.parametrize(
    'name, encoder, text, total',
    [
        ('coca_base.py', 86, 297, 383),
        ('coca_large.py', 303, 484, 787),
        ('coca_2b.py', 1000, 1100, 2100),
    ],
)
def test_parameters_of_table_1(name, encoder, text, total, emoji_data):
    model = build_on_meta(name, emoji_data)
    # The paper prints 1B, 1.1B and 2.1B for its largest model; its own sizes give 1.18B for the
    # text, so it seems to cut digits.
    tolerance = 0.08 if total == 2100 else 0.02
    assert millions(model.backbone) == pytest.approx(encoder, rel=tolerance)
    assert millions(model.text, model.captioning_head) == pytest.approx(text, rel=tolerance)
    assert millions(model) == pytest.approx(total, rel=tolerance)
    assert model.backbone.pos_embed.shape[1] == 256


def test_base_recipe_is_the_papers():
    cfg = Config.fromfile(CONFIGS / 'coca_base.py')
    assert cfg.model.contrastive_head.loss.loss_weight == 1.0
    assert cfg.model.captioning_head.loss.loss_weight == 2.0
    assert not cfg.model.contrastive_head.loss.get('ignore_duplicates', False)
    assert cfg.model.neck.mode == 'cascade' and cfg.model.neck.num_queries == 256
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr,
            optimizer.weight_decay) == ('mmcoca.Adafactor', 8e-4, 0.01)
