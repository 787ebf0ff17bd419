# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Makes models known to mmpretrain's list_models and get_model, and configs to `_base_`."""

from pathlib import Path

from mmengine.config.utils import MODULE2PACKAGE
from mmpretrain.apis import ModelHub

from .openmmlab_versions import name_for_mmengine


def find_model_index() -> Path:
    """model-index.yml of the repository, or the copy that an installed package carries."""
    package = Path(__file__).parent
    repository = package.parents[2]
    if (repository / 'projects' / 'coca' / 'metafile.yml').is_file():
        return repository / 'model-index.yml'
    return package / '.mim' / 'model-index.yml'


def register_models() -> None:
    """Register the models, once: a module may be imported again, as notebooks do."""
    MODULE2PACKAGE['mmcoca'] = name_for_mmengine()  # for `_base_ = 'mmcoca::coca/coca_base.py'`
    path = find_model_index()
    if not ModelHub.has('coca_base'):
        ModelHub.register_model_index(path, config_prefix=path.parent)
