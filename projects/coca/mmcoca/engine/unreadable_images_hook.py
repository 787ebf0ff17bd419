# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Reporting of training items that could not be read."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Report skipped items of all processes after each pass over the data; stop past their limit.

    For ImageTextDataset and ImageTextShards, which count what they could not read; other data sets
    are left alone.

    Args:
        interval: Iterations between two looks at the count.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval

    def before_train_epoch(self, runner: Runner) -> None:
        """Count anew."""
        for dataset in counting_datasets(runner.train_dataloader.dataset):
            dataset.fault_log.clear()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Stop as soon as the limit is seen to be passed."""
        if self.every_n_train_iters(runner, self.interval):
            for dataset in counting_datasets(runner.train_dataloader.dataset):
                dataset.check_faults(faults_of_all(dataset))
        # A training counted in steps is one epoch to MMEngine, whatever it visits.
        if isinstance(runner.train_loop, IterBasedTrainLoop
                      ) and self.every_n_train_iters(runner, len(runner.train_dataloader)):
            self._report(runner, runner.iter + 1)
            self.before_train_epoch(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Report count and places, after the limit."""
        self._report(runner, runner.iter)

    @staticmethod
    def _report(runner: Runner, steps: int) -> None:
        for dataset in counting_datasets(runner.train_dataloader.dataset):
            faults = faults_of_all(dataset)
            dataset.check_faults(faults)
            report = dataset.fault_report(faults)
            if report is not None:
                # MMEngine leaves out a warning that it has given.
                runner.logger.warning(f'by step {steps}: {report}')


def faults_of_all(dataset: Any) -> Any:
    """The faults that all processes have counted in a data set."""
    return reduce(add, all_gather_object(dataset.fault_log.faults()))


def counting_datasets(dataset: object) -> list:
    """Each data set once that counts its faults, within wrappers of any depth.

    Wrappers, MMEngine's, mmpretrain's and torch's, hold `datasets` or a `dataset`.
    """
    if hasattr(dataset, 'fault_log'):
        return [dataset]
    parts = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    found = [inner for part in parts if part is not None for inner in counting_datasets(part)]
    return list({id(inner): inner for inner in found}.values())
