# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The earlier families and the ablations as configs, on sixteen drawings of the default data."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from small_tasks import CONFIGS, evaluate, train_small

from mmcoca.apis.command_line import build_training, load_safely
from mmcoca.datasets import AnnotationError, ImageLabelDataset
from mmcoca.models import ContrastivePooler
from mmcoca.models.generation import GenerationOptions
from mmcoca.models.word_attention import word_attention

DRAWINGS = list(range(0, 2868, 180))  # sixteen, in different groups
FAMILIES = ['single_encoder', 'dual_encoder', 'encoder_decoder']
ABLATIONS = sorted(path.stem for path in (CONFIGS / 'ablations').glob('*.py'))
PROBE = 'classification/coca_tiny_emoji_frozen_group'
IMAGE_TO_TEXT, TEXT_TO_IMAGE = 'i2t/retrieval/Recall@1', 't2i/retrieval/Recall@1'
EXACT = 'caption/exact_match'


def load(name, emoji_data, folder, steps=30):
    """The config, trained and tested on the same drawings, which augmentation leaves as they are.
    """
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.work_dir = str(folder / 'work_dir')
    if 'tokenizer' in cfg.model:
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.update(batch_size=len(DRAWINGS), num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(emoji_data),
            ann_file='annotations/train_dev.json',
            indices=DRAWINGS,
            pipeline=cfg.test_pipeline,
        )
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=steps)
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
    return cfg


def learned(name, emoji_data, folder):
    """The metrics after a short training."""
    cfg = load(name, emoji_data, folder)
    return evaluate(cfg, train_small(cfg))


def test_single_encoder_learns(emoji_data, tmp_path):
    metrics = learned('paradigms/single_encoder_tiny_emoji', emoji_data, tmp_path)
    print(metrics)


def test_dual_encoder_learns(emoji_data, tmp_path):
    metrics = learned('paradigms/dual_encoder_tiny_emoji', emoji_data, tmp_path)
    print(metrics)


def test_encoder_decoder_learns(emoji_data, tmp_path):
    metrics = learned('paradigms/encoder_decoder_tiny_emoji', emoji_data, tmp_path)
    print(metrics)


@pytest.mark.parametrize('name', ABLATIONS)
def test_ablations_learn(name, emoji_data, tmp_path):
    metrics = learned(f'ablations/{name}', emoji_data, tmp_path)
    print(metrics)
