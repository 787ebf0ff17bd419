# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What both losses cost over one: CoCa beside a dual encoder and an encoder-decoder of its parts.

The paper's figures for Base are 1.18 times the contrastive and 1.01 times the captioning loss alone
(Table 8).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from captions import draw_captions
from contender import training_step
from mmcoca_contender import sized_config
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from report import Row, Settings
from sizes import SIZES
from torch import nn
from worker import seconds_of
from workers import WARMUP_ROUNDS

from mmcoca.operations import operations_of

BASE = Path(__file__).parents[2] / 'configs' / 'coca' / 'coca_base.py'
KIND = 'COCO-length'


def one_loss_configs(coca: ConfigDict) -> dict[str, ConfigDict]:
    """Configs without what only the other loss needs, as configs/coca/paradigms has them."""
    dual_encoder = ConfigDict(
        coca,
        neck=dict(
            type='mmcoca.ContrastivePooler',
            dims=coca.neck.dims,
            memory_dims=coca.neck.memory_dims,
            num_heads=coca.neck.num_heads,
        ),
        text=dict(coca.text, num_multimodal_layers=0),
        captioning_head=None,
        generation=None,
    )
    return {
        'contrastive alone': dual_encoder,
        'captioning alone': ConfigDict(coca, contrastive_head=None),
    }


def build_models(coca: ConfigDict) -> dict[str, nn.Module]:
    """All three. They share their large parts, as memory for three would not be there."""
    whole = MODELS.build(coca)
    models = {'both losses': whole}
    for name, cfg in one_loss_configs(coca).items():
        models[name] = model = MODELS.build(cfg)
        model.backbone = whole.backbone
        model.text.unimodal = whole.text.unimodal
        if model.captioning_head is not None:
            model.neck = whole.neck
            model.text.multimodal = whole.text.multimodal
            model.captioning_head = whole.captioning_head
    return models


def build_step(model: nn.Module) -> Callable:
    """A training step that takes images and data samples."""
    model.train()

    def losses(images: torch.Tensor, samples: list[DataSample]) -> dict:
        loss, _ = model.parse_losses(model(images, samples, mode='loss'))
        return dict(loss=loss)

    return training_step(model, losses)


def measure(settings: Settings) -> Iterator[Row]:
    """Of open_clip's ViT-B-32, and of CoCa-Base with half the pairs, for which 24 GB suffice."""
    torch.set_num_threads(settings.threads)
    base = Config.fromfile(BASE)
    init_default_scope(base.default_scope)
    small = sized_config(SIZES['ViT-B-32'])
    yield from compare('ViT-B-32', small.model, settings.batch_size, settings.rounds)
    yield from compare('CoCa-Base', base.model, settings.batch_size // 2, settings.rounds)


def compare(name: str, cfg: ConfigDict, num_pairs: int, rounds: int) -> Iterator[Row]:
    """Seconds of a step of each, in turns, and its operations, which are counted first."""
    torch.manual_seed(0)
    steps = {losses: build_step(model) for losses, model in build_models(cfg).items()}
    side = cfg.backbone.img_size
    images = torch.randn(num_pairs, 3, side, side)
    samples = [DataSample(gt_caption=caption) for caption in draw_captions(KIND, num_pairs)]
    operations = {n: [operations_of(step, images, samples) / 1e12] for n, step in steps.items()}
    seconds = {losses: [] for losses in steps}
    for _ in range(WARMUP_ROUNDS + rounds):
        for losses, step in steps.items():
            seconds[losses].append(seconds_of(step, images, samples))
    seconds = {losses: of_rounds[WARMUP_ROUNDS:] for losses, of_rounds in seconds.items()}
    label = f'{name}: training step, {num_pairs} {KIND} captions'
    for alone in ('contrastive alone', 'captioning alone'):
        columns = (alone, 'both losses')  # the first is what the other is compared with
        yield Row(label, 's', {column: seconds[column] for column in columns})
        yield Row(
            f'{label}, operations', 'TFLOP', {column: operations[column]
                                              for column in columns}
        )
