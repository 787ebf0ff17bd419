# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Reporting of training images that could not be read."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Report skipped images at the end of each epoch; stop past the data set's limit.

    For ImageTextDataset, which counts what it could not read; other data sets are left alone.

    Args:
        interval: Iterations between two looks at the count.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Stop as soon as the limit is seen to be passed."""
        if self.every_n_train_iters(runner, self.interval):
            for dataset in self._datasets(runner):
                dataset.check_unreadable()

    def after_train_epoch(self, runner: Runner) -> None:
        """Report the count and the rows, after the limit."""
        for dataset in self._datasets(runner):
            dataset.check_unreadable()
            if dataset.num_unreadable:
                runner.logger.warning(dataset.unreadable_report())

    @staticmethod
    def _datasets(runner: Runner) -> list:
        return counting_datasets(runner.train_dataloader.dataset)


def counting_datasets(dataset: object) -> list:
    """Each data set once that counts its unreadable images, within wrappers of any depth.

    Wrappers, MMEngine's, mmpretrain's and torch's, hold `datasets` or a `dataset`.
    """
    if hasattr(dataset, 'check_unreadable'):
        return [dataset]
    parts = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    found = [inner for part in parts if part is not None for inner in counting_datasets(part)]
    return list({id(inner): inner for inner in found}.values())
