# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Labels as captions, so that classified images train as pairs do."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.errors import SettingError
from mmcoca.labels import class_names, prompt_templates
from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LabelsAsText(BaseTransform):
    """Make `gt_caption` of `gt_label`: the names of the classes, in a random order, in a prompt.

    As CoCa uses JFT (paper, section 4.1).

    Args:
        classes: Names by number; or 'imagenet', 'cifar10', 'cifar100', a folder of class folders, a
            file with a name a line.
        prompts: Of which one is drawn, each with {} for the names; or a file; or
            'openai_imagenet', 'openai_simple'.
        separator: Between several names.

    Raises SettingError for classes and prompts that are none.
    """

    def __init__(
        self,
        classes: str | Sequence[str],
        prompts: str | Sequence[str] = ('{}', ),
        separator: str = ', ',
    ) -> None:
        self.classes = class_names(classes)
        self.prompts = prompt_templates(prompts)
        self.separator = separator

    def transform(self, results: dict) -> dict:
        """Add the caption. Raises SettingError where there is no label, or none with its name."""
        if 'gt_label' not in results:
            raise SettingError('LabelsAsText: the data set gives no gt_label')
        labels = np.atleast_1d(results['gt_label']).tolist()
        if not all(0 <= label < len(self.classes) for label in labels):
            raise SettingError(
                f'LabelsAsText: there are {len(self.classes)} classes, but label {max(labels)}'
            )
        names = [self.classes[label] for label in random.sample(labels, len(labels))]
        caption = random.choice(self.prompts).replace('{}', self.separator.join(names))
        return dict(results, gt_caption=caption)
