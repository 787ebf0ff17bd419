# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Images per second in the training log."""

from __future__ import annotations

import time

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log `images_per_second`, over all processes, data loading included."""

    def __init__(self) -> None:
        self._last_time: float | None = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock anew, so that validation does not count."""
        self._last_time = time.perf_counter()

    def after_val(self, runner: Runner) -> None:
        """Iteration-based loops validate inside their one epoch: start the clock anew."""
        self._last_time = time.perf_counter()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Divide the batch by the time since the last iteration's end."""
        now = time.perf_counter()
        images = len(data_batch['data_samples']) * get_world_size()
        runner.message_hub.update_scalar(
            'train/images_per_second', images / (now - self._last_time)
        )
        self._last_time = now
