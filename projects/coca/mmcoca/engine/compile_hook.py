# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""torch.compile for the losses of a model."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile what a training step computes from images and packed texts, as one graph.

    In a config: default_hooks = dict(compile=dict(type='mmcoca.CompileHook')). MMEngine's own
    `compile` takes the step with its tokenising and its log too, which are no graph.

    Args:
        **options: Of torch.compile, such as mode or dynamic.

    Raises ValueError for a model without `losses`.
    """

    def __init__(self, **options) -> None:
        self.options = options

    def before_train(self, runner: Runner) -> None:
        """Compile."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, 'losses'):
            raise ValueError(f'CompileHook is for models like CoCa, not {type(model).__name__}')
        # Several processes exchange embeddings in between.
        is_one_graph = get_world_size() == 1
        # With micro-batches the losses are put together of parts, each a graph.
        name = 'encode_pairs' if model.micro_batch_size else 'losses'
        compiled = torch.compile(
            getattr(model, name),
            **dict(fullgraph=is_one_graph) | self.options
        )
        setattr(model, name, compiled)
        runner.logger.info('The first steps compile the model, which takes minutes')
