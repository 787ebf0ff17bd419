# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Whether a zero-shot model's classes are those of the data set."""

from __future__ import annotations

from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmcoca.errors import SettingError
from mmcoca.labels import class_names
from mmcoca.registry import HOOKS


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Compare the `classes` of a ZeroShotCoCa with the data set's before it is evaluated.

    Their numbers must be equal and, where `classes` names a folder, the names too: published names
    (of ImageNet, CIFAR) differ from the data set's own.

    Raises SettingError where they are not.
    """

    def before_val(self, runner: Runner) -> None:
        """Compare with the validation set."""
        self._compare(runner, runner.val_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        """Compare with the test set."""
        self._compare(runner, runner.test_dataloader.dataset)

    @staticmethod
    def _compare(runner: Runner, dataset: BaseDataset) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        labels = dataset.metainfo.get('classes')
        if labels is None:
            return
        names = class_names(model.classes)
        if len(names) != len(labels):
            raise SettingError(
                f'{model.classes} (model.classes) has {len(names)} classes, but the data set '
                f'{dataset.data_root} {len(labels)}'
            )
        is_folder = isinstance(model.classes, str) and Path(model.classes).is_dir()
        for name, label in zip(names, labels) if is_folder else ():
            if name != label.replace('_', ' '):
                raise SettingError(
                    f"{model.classes} (model.classes) has the class '{name}' where the data set "
                    f"{dataset.data_root} has '{label}'"
                )
