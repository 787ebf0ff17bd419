# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Names of classes and prompts around them: published ones, and a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmpretrain.datasets import categories

from mmcoca.errors import SettingError

from .text_files import lines_of

PUBLISHED_CLASSES = dict(
    # The names that OpenAI made for CLIP, in the order of the labels.
    imagenet=categories.IMAGENET_SIMPLE_CATEGORIES,
    cifar10=categories.CIFAR10_CATEGORIES,
    cifar100=categories.CIFAR100_CATEGORIES,
)


def class_names(classes: str | Sequence[str]) -> list[str]:
    """Names as they are; or of 'imagenet', 'cifar10', 'cifar100', a folder, a file.

    A folder has one folder a class, in the order in which mmpretrain's CustomDataset numbers them;
    a file a name a line. Underscores of folders and of CIFAR become spaces.

    Raises SettingError for a string that is none of these, for no names, and for one of a user's
    names given twice (ImageNet has such).
    """
    if not isinstance(classes, str):
        names = list(classes)
    elif classes in PUBLISHED_CLASSES:
        return [name.replace('_', ' ') for name in PUBLISHED_CLASSES[classes]]
    elif Path(classes).is_dir():
        folders = sorted(path.name for path in Path(classes).iterdir() if path.is_dir())
        names = [name.replace('_', ' ') for name in folders]
    elif Path(classes).is_file():
        names = lines_of(classes)
    else:
        raise SettingError(
            f"classes '{classes}': no such file or folder; "
            "name two or more, a folder of class folders, a file with a name "
            f'a line, or one of {", ".join(PUBLISHED_CLASSES)}'
        )
    if not names:
        raise SettingError(f'there is no class in {classes!r}: zero-shot needs at least one class')
    if not all(name.strip() for name in names):
        raise SettingError(f'a class has no name in {names}')
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingError(f"class '{twice}' is named twice")
    return names


def prompt_templates(templates: str | Sequence[str]) -> list[str]:
    """Templates as they are; or of a file, one a line; or published ones.

    'openai_imagenet' are the 80 of CLIP for ImageNet, 'openai_simple' the 7 that served best.

    Raises SettingError for a string that is none of these, and for a template without its {}.
    """
    if not isinstance(templates, str):
        prompts = list(templates)
    elif '{}' in templates:
        prompts = [templates]
    elif Path(templates).is_file():
        prompts = lines_of(templates)
    else:
        prompts = published_templates(templates)
    if not prompts:
        raise SettingError(f'there is no template in {templates!r}: at least one is needed')
    for template in prompts:
        if template.count('{}') != 1:
            raise SettingError(
                f"template '{template}' has {template.count('{}')} places {{}}, not 1"
            )
    return prompts


def published_templates(name: str) -> list[str]:
    """Templates of the name that `prompt_templates` knows. Raises SettingError for another."""
    from open_clip import zero_shot_metadata

    published = dict(
        openai_imagenet=zero_shot_metadata.OPENAI_IMAGENET_TEMPLATES,
        openai_simple=zero_shot_metadata.SIMPLE_IMAGENET_TEMPLATES,
    )
    if name not in published:
        raise SettingError(
            f"templates '{name}': give prompts with a {{}}, a file with a prompt a line, or one of "
            f'{", ".join(published)}'
        )
    return [template('{}') for template in published[name]]
