# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Makes the models of model-index.yml known to mmpretrain's list_models and get_model."""

from pathlib import Path

from mmpretrain.apis import ModelHub


def find_model_index() -> Path:
    """model-index.yml of the repository, or the copy that an installed package carries."""
    package = Path(__file__).parent
    repository = package.parents[2]
    if (repository / 'projects' / 'coca' / 'metafile.yml').is_file():
        return repository / 'model-index.yml'
    return package / '.mim' / 'model-index.yml'


def register_models() -> None:
    """Register the models, once: a module may be imported again, as notebooks do."""
    path = find_model_index()
    if not ModelHub.has('coca_base'):
        ModelHub.register_model_index(path, config_prefix=path.parent)
