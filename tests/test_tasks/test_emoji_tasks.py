# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Configs over the default data, with a narrower decoder, on sixteen drawings."""

import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from small_tasks import CONFIGS, evaluate

from mmcoca.command_line import build_training

SIXTEEN = dict(filter_cfg=dict(folder='noto'), indices=range(0, 1434, 90))


def load(name, emoji_data, folder):
    """A config that trains and tests on sixteen drawings of one artist."""
    cfg = Config.fromfile(CONFIGS / name)
    cfg.work_dir = str(folder)
    cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    cfg.model.neck.update(dims=128, num_heads=16)
    cfg.model.text.update(dims=128, num_heads=8, mlp_dims=256)
    cfg.model.contrastive_head.update(dims=128, embed_dims=128)
    cfg.model.captioning_head.dims = 128
    cfg.train_dataloader.dataset.pipeline = cfg.test_pipeline
    for part in ('train', 'val', 'test'):
        loader = cfg[f'{part}_dataloader']
        loader.update(batch_size=16, num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(emoji_data), ann_file='annotations/train.json', **SIXTEEN
        )
    return cfg


def test_fine_tuning_on_one_artist_and_reranking(emoji_data, tmp_path):
    """Both losses are learned, and captions alone leave the contrastive head as it was."""
    cfg = load('captioning/coca_tiny_emoji_one_artist.py', emoji_data, tmp_path)
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model)
    model.init_weights()
    start = {'state_dict': model.state_dict()}
    torch.save(start, tmp_path / 'start.pth')
    cfg.train_cfg.update(max_epochs=60, val_interval=60)
    cfg.param_scheduler = []
    cfg.load_from = str(tmp_path / 'start.pth')
    alone, both = copy.deepcopy(cfg), copy.deepcopy(cfg)
    both.model.contrastive_head.loss.loss_weight = 1.0
    both.model.frozen = []
    metrics = {}
    for name, cfg in dict(alone=alone, both=both).items():
        cfg.work_dir = str(tmp_path / name)
        build_training(cfg.copy()).train()
        rerank = load('retrieval/coca_tiny_emoji_rerank.py', emoji_data, tmp_path / name)
        metrics[name] = evaluate(rerank, str(Path(cfg.work_dir) / 'epoch_60.pth'))
        assert metrics[name]['caption/exact_match'] >= 90
    assert metrics['alone']['t2i/retrieval/Recall@1'] < 50
    for kind in ('retrieval', 'reranked'):
        assert metrics['both'][f'i2t/{kind}/Recall@1'] >= 90
        assert metrics['both'][f't2i/{kind}/Recall@1'] >= 90
    # The captioner finds what a contrastive head that never learned cannot.
    assert metrics['alone']['t2i/reranked/Recall@1'] >= 90
    weights = torch.load(tmp_path / 'alone' / 'epoch_60.pth', weights_only=False)['state_dict']
    for name, tensor in start['state_dict'].items():
        if name.startswith('contrastive_head'):
            assert torch.equal(weights[name], tensor), name
