# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS

from mmcoca.weights import check_checkpoint

CONFIGS = Path(__file__).parents[1] / 'configs' / 'coca'
NAMES = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts
)


def build_on_meta(name, emoji_data):
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    if 'vocab_file' in cfg.model.get('tokenizer', {}):
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    with torch.device('meta'):
        return MODELS.build(cfg.model)


# The others are built in test_composition.py.
WITHOUT_TASK = [name for name in NAMES if '/tasks/' not in (CONFIGS / name).read_text()]


@pytest.mark.parametrize('name', WITHOUT_TASK)
def test_config_parses_and_its_model_builds(name, emoji_data):
    model = build_on_meta(name, emoji_data)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e6


def depth(path):
    """Links of the longest chain of `_base_` below a config."""
    bases = Config._get_base_files(str(path))
    return max([1 + depth(path.parent / base) for base in bases], default=0)


@pytest.mark.parametrize('name', NAMES)
def test_chains_are_short_and_configs_fit_on_a_screen(name):
    assert depth(CONFIGS / name) <= 3
    assert len((CONFIGS / name).read_text().splitlines()) <= 80


@pytest.mark.parametrize('name', [name for name in NAMES if not name.startswith('detection')])
def test_checkpoints_are_counted_as_the_training_is(name):
    """Or, where epochs are long, in steps: a training that is stopped loses little."""
    cfg = Config.fromfile(CONFIGS / name)
    loop, hook = cfg.get('train_cfg'), cfg.default_hooks.checkpoint
    if loop and not loop.by_epoch:
        # Tasks complete the fine-tuning configs with their number of steps.
        assert hook.by_epoch is False and hook.interval <= loop.get('max_iters', hook.interval)


def settings_by_parameter():
    """The optim_wrapper of each schedule in which MMEngine's constructor has a paramwise_cfg."""
    for path in sorted((CONFIGS / '_base_' / 'schedules').glob('*.py')):
        cfg = Config.fromfile(path)
        settings = cfg.get('schedule', cfg).get('optim_wrapper', {})
        if 'paramwise_cfg' in settings and 'constructor' not in settings:
            yield pytest.param(settings, id=path.stem)


@pytest.mark.parametrize('settings', list(settings_by_parameter()))
def test_schedules_take_models_with_tied_embeddings(settings, tiny_config):
    init_default_scope('mmpretrain')
    tied = tiny_config.copy()
    tied.merge_from_dict(dict(model=dict(captioning_head=dict(tie_embeddings=True))))
    model = MODELS.build(tied.model)
    optimizer = dict(type='AdamW', lr=settings.optimizer.lr, weight_decay=0.1)
    settings = dict(optimizer=optimizer, paramwise_cfg=settings.paramwise_cfg.to_dict())
    groups = build_optim_wrapper(model, settings).optimizer.param_groups
    taken = [id(parameter) for group in groups for parameter in group['params']]
    assert sorted(taken) == sorted(map(id, model.parameters()))


def millions(*modules):
    """Parameters, a shared one counted once."""
    parameters = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(parameters.values()) / 1e6


@pytest.mark.parametrize(
    'name, encoder, text, total, width',
    [
        ('coca_base.py', 86, 297, 383, 768),
        ('coca_large.py', 303, 484, 787, 1024),
        ('coca_2b.py', 1000, 1100, 2100, 1408),
    ],
)
def test_parameters_of_table_1(name, encoder, text, total, width, emoji_data):
    model = build_on_meta(name, emoji_data)
    assert millions(model.backbone) == pytest.approx(encoder, rel=0.02)
    assert millions(model.text, model.captioning_head) == pytest.approx(text, rel=0.02)
    assert millions(model) == pytest.approx(total, rel=0.02)
    # Table 1 has no poolers: four square matrices each, and their queries.
    assert millions(model.neck) == pytest.approx((8 * width**2 + 257 * width) / 1e6, rel=0.02)
    assert model.backbone.pos_embed.shape[1] == 256


@pytest.mark.parametrize(
    'name, architecture',
    [
        ('open_clip_vit-b-p32.py', 'coca_ViT-B-32'),
        ('open_clip_vit-l-p14.py', 'coca_ViT-L-14'),
    ],
)
def test_parameters_of_open_clip(name, architecture, emoji_data):
    settings = open_clip.get_model_config(architecture)
    settings.pop('custom_text')
    with torch.device('meta'):
        theirs = open_clip.CoCa(**settings)
    ours = build_on_meta(name, emoji_data)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_the_second_stage_is_the_first_at_576_px(emoji_data, tmp_path):
    """Its weights load, position embeddings interpolated, and an image has 1,024 tokens."""

    def build(name):
        cfg = Config.fromfile(CONFIGS / name)
        cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
        cfg.model.backbone.arch = dict(
            embed_dims=768, num_layers=1, num_heads=12, feedforward_channels=64
        )
        init_default_scope(cfg.default_scope)
        return cfg, MODELS.build(cfg.model).eval()

    first_cfg, first = build('coca_base.py')
    second_cfg, second = build('coca_base_576px.py')
    first.init_weights()
    torch.save(dict(state_dict=first.state_dict()), tmp_path / 'first.pth')
    check_checkpoint(str(tmp_path / 'first.pth'), second)
    load_checkpoint(second, str(tmp_path / 'first.pth'), strict=True)
    for name, tensor in first.state_dict().items():
        if name == 'backbone.pos_embed':
            grid = tensor.unflatten(1, (16, 16)).permute(0, 3, 1, 2)
            grid = F.interpolate(grid, size=(32, 32), mode='bicubic')
            tensor = grid.flatten(2).transpose(1, 2)
        torch.testing.assert_close(second.state_dict()[name], tensor)
    with torch.no_grad():
        assert second.backbone(torch.randn(1, 3, 576, 576))[-1].shape == (1, 1024, 768)
    # Nothing but sizes, steps, rate and weights differs.
    first_cfg, second_cfg = first_cfg.to_dict(), second_cfg.to_dict()
    for name in ('train_dataloader', 'test_dataloader'):
        old, new = (cfg[name]['dataset']['pipeline'] for cfg in (first_cfg, second_cfg))
        assert (old[1]['scale'], new[1]['scale']) in [(288, 576), ((288, 288), (576, 576))]
    assert second_cfg['load_from'] and second_cfg['train_cfg']['max_iters'] == 10_000
    assert [s['end'] for s in second_cfg['param_scheduler']] == [200, 10_000]


def test_base_recipe_is_the_papers():
    cfg = Config.fromfile(CONFIGS / 'coca_base.py')
    assert cfg.model.contrastive_head.loss.loss_weight == 1.0
    assert cfg.model.captioning_head.loss.loss_weight == 2.0
    assert not cfg.model.contrastive_head.loss.get('ignore_duplicates', False)
    assert cfg.model.neck.mode == 'cascade' and cfg.model.neck.num_queries == 256
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr,
            optimizer.weight_decay) == ('mmcoca.Adafactor', 8e-4, 0.01)
