# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Registries of mmcoca: children of MMEngine's, so `type='mmcoca.Class'` is found anywhere.

MMEngine imports `mmcoca.registry` by itself when a config names the scope, and each registry
imports its `locations` when something is first looked up in it: no `custom_imports` are needed.
"""

from __future__ import annotations

from mmengine.registry import Registry
from mmpretrain import registry as mmpretrain_registry


class PluginRegistry(Registry):
    """A registry of the scope 'mmcoca' that finds mmpretrain's names too.

    A config that inherits ours by `_base_ = 'mmcoca::...'` has our scope wherever it names a type,
    and our configs do not qualify mmpretrain's names. Were mmpretrain's registry the parent, our
    names would be found from there alone.

    Args:
        name: Of the registry in mmpretrain.registry. locations: Modules with our classes.
    """

    def __init__(self, name: str, *locations: str) -> None:
        self.fallback = getattr(mmpretrain_registry, name)
        super().__init__(
            self.fallback.name,
            parent=self.fallback.parent or self.fallback,
            scope='mmcoca',
            locations=list(locations) or ['mmcoca'],
        )

    def get(self, key: str) -> type | None:
        """As in Registry."""
        return super().get(key) or self.fallback.get(key)


MODELS = PluginRegistry('MODELS', 'mmcoca.models')
TOKENIZER = PluginRegistry('TOKENIZER', 'mmcoca.models.text')
DATASETS = PluginRegistry('DATASETS', 'mmcoca.datasets')
TRANSFORMS = PluginRegistry('TRANSFORMS', 'mmcoca.datasets')
METRICS = PluginRegistry('METRICS', 'mmcoca.evaluation')
LOOPS = PluginRegistry('LOOPS', 'mmcoca.evaluation')
HOOKS = PluginRegistry('HOOKS', 'mmcoca.engine')
MODEL_WRAPPERS = PluginRegistry('MODEL_WRAPPERS', 'mmcoca.engine')
OPTIMIZERS = PluginRegistry('OPTIMIZERS', 'mmcoca.engine')
OPTIM_WRAPPERS = PluginRegistry('OPTIM_WRAPPERS', 'mmcoca.engine')
OPTIM_WRAPPER_CONSTRUCTORS = PluginRegistry('OPTIM_WRAPPER_CONSTRUCTORS', 'mmcoca.engine')
DATA_SAMPLERS = PluginRegistry('DATA_SAMPLERS', 'mmcoca.datasets')
# Without classes of ours, for configs that inherit.
EVALUATORS = PluginRegistry('EVALUATORS')
LOG_PROCESSORS = PluginRegistry('LOG_PROCESSORS')
PARAM_SCHEDULERS = PluginRegistry('PARAM_SCHEDULERS')
VISBACKENDS = PluginRegistry('VISBACKENDS')
VISUALIZERS = PluginRegistry('VISUALIZERS')
WEIGHT_INITIALIZERS = PluginRegistry('WEIGHT_INITIALIZERS')
