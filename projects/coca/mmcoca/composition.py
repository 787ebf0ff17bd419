# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Configs of parts that know nothing of each other: a model, data, a schedule, a task."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmcoca.errors import SettingError

CHANGES = ('architecture', 'task', 'schedule')
# Variables of the data's file that hold what its loaders have.
PIPELINES = ('train_pipeline', 'test_pipeline')


def join(bases: Config) -> None:
    """Join the `_base_` files of a config, in place.

    MMEngine merges a config with its bases, but no two bases with each other: a task's file could
    not change a model that stands beside it. Here it can:

    - `architecture`, `task` and `schedule` hold settings that are merged into those of the other
      files, as MMEngine merges a config into its base. Within them `_keep_=[...]` lets only these
      settings of a dictionary of the base stay; a data set with a `type` takes the place of the
      base's.
    - In a pipeline 'image.load', 'image.train' and 'image.test' stand for the steps of that name in
      the model's `image`, wherever the pipeline has them.
    - `train_pipeline` and `test_pipeline`, for configs that inherit, become those of the loaders.

    Args:
        bases: `_base_`, as a config file sees it below its list of files.

    Example:
        _base_ = ['../coca_base_finetune.py', '../_base_/tasks/snli_ve.py']
        from mmcoca.composition import join

        join(_base_)

    Raises SettingError for steps that no `image` has.
    """
    remove_scope(bases)
    for name in CHANGES:
        changes = bases.pop(name, {})
        keep_only(bases, changes)
        drop_data_sets(bases, changes)
        merged = Config(dict(bases))
        merged.merge_from_dict(changes)
        for key in merged:  # a ConfigDict's update would keep what was deleted
            bases[key] = merged[key]
    remove_key(bases, '_delete_')
    for name in [name for name in bases if name != 'image']:
        bases[name] = with_steps(bases[name], bases.get('image', {}))
    for name in PIPELINES:
        loader = bases.get(name.replace('pipeline', 'dataloader'))
        if name in bases and loader and 'pipeline' in loader['dataset']:
            bases[name] = loader['dataset']['pipeline']


def keep_only(settings: dict, changes: dict) -> None:
    """Take from settings what a `_keep_` of their changes does not name, and each `_keep_`."""
    kept = changes.pop('_keep_', None)
    for name in list(settings) if kept is not None else ():
        if name not in kept:
            del settings[name]
    for name, value in changes.items():
        if isinstance(value, dict):
            keep_only(settings.get(name) if isinstance(settings.get(name), dict) else {}, value)


def drop_data_sets(settings: dict, changes: dict) -> None:
    """Take the data sets from loaders to which changes bring one of another kind."""
    for name, loader in changes.items():
        if name.endswith('_dataloader') and loader and 'type' in loader.get('dataset', {}):
            (settings.get(name) or {}).pop('dataset', None)


def with_steps(value: Any, image: Mapping[str, list[dict]]) -> Any:
    """A setting in whose lists 'image.test' has become the steps of that name."""
    if isinstance(value, dict):
        for name in value:
            value[name] = with_steps(value[name], image)
        return value
    if not isinstance(value, list):
        return value
    steps = []
    for item in value:
        if isinstance(item, str) and item.startswith('image.'):
            name = item.removeprefix('image.')
            if name not in image:
                raise SettingError(
                    f"pipeline step '{item}': the model's `image` has {', '.join(image) or 'none'}"
                )
            steps += copy.deepcopy(list(image[name]))
        else:
            steps.append(with_steps(item, image))
    return steps


def remove_scope(settings: Any) -> None:
    """Take off the scope that `_base_ = 'mmcoca::...'` adds: our configs do without.

    In it mmpretrain's names would not be found, and MMEngine would hand it to collate_fn.
    """
    if isinstance(settings, dict) and settings.get('_scope_') == 'mmcoca':
        del settings['_scope_']
    for value in children(settings):
        remove_scope(value)


def remove_key(settings: Any, key: str) -> None:
    """Take a key out of all dictionaries of a setting."""
    if isinstance(settings, dict):
        settings.pop(key, None)
    for value in children(settings):
        remove_key(value, key)


def children(settings: Any) -> list:
    """The values of a dictionary, or of a list or tuple; none of anything else."""
    if isinstance(settings, dict):
        return list(settings.values())
    return list(settings) if isinstance(settings, (list, tuple)) else []
