# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Our training step in bfloat16 beside float32, where the processor has instructions for it."""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from captions import draw_captions
from contender import optimizer_of
from mmcoca_contender import sized_config
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from report import Row, Settings
from sizes import SIZES
from torch import Tensor, nn
from worker import seconds_of

from mmcoca.engine import BFloat16OptimWrapper
from mmcoca.engine.bfloat16_optim_wrapper import computes_in_bfloat16

WRAPPERS = {'bfloat16': BFloat16OptimWrapper, 'float32': OptimWrapper}
STEPS = 20  # after which the losses are compared


def build_step(model: nn.Module, wrapper: type[OptimWrapper]) -> Callable[..., float]:
    """A step with the wrapper's context, images (B,3,height,width) and data samples -> the loss."""
    model.train()
    optimizer = wrapper(optimizer=optimizer_of(model))

    def step(images: Tensor, samples: Sequence[DataSample]) -> float:
        with optimizer.optim_context(model):
            losses = model(images, samples, mode='loss')
        loss, _ = model.parse_losses(losses)
        optimizer.update_params(loss)
        return loss.item()

    return step


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds of steps in turns, and the loss after some steps from the same weights."""
    if not computes_in_bfloat16('cpu'):
        print('  not measured: this processor has no bfloat16', file=sys.stderr)
        return
    torch.set_num_threads(settings.threads)
    for size in ('tiny', 'ViT-B-32'):
        torch.manual_seed(0)
        model = MODELS.build(sized_config(SIZES[size]).model)
        steps = {
            name: build_step(copy.deepcopy(model), wrapper)
            for name, wrapper in WRAPPERS.items()
        }
        side = SIZES[size].image_size
        images = torch.randn(settings.batch_size, 3, side, side)
        captions = draw_captions('COCO-length', settings.batch_size)
        samples = [DataSample(gt_caption=caption) for caption in captions]
        losses = {
            name: [step(images, samples)
                   for _ in range(STEPS)][-1:]
            for name, step in steps.items()
        }
        seconds = {name: [] for name in steps}
        for _ in range(settings.rounds):
            for name, step in steps.items():
                seconds[name].append(seconds_of(step, images, samples))
        yield Row(f'{size}: training step, COCO-length captions', 's', seconds)
        yield Row(f'{size}: loss of step {STEPS}', '', losses)
