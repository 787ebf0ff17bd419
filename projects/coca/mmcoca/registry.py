# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Registries of mmcoca: children of MMEngine's, so `type='mmcoca.Class'` is found anywhere.

MMEngine imports `mmcoca.registry` by itself when a config names the scope, and each registry
imports its `locations` when something is first looked up in it: no `custom_imports` are needed.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry
from mmpretrain.registry import TOKENIZER as MMPRETRAIN_TOKENIZER

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='mmcoca', locations=['mmcoca.models'])
TOKENIZER = Registry(
    'tokenizer', parent=MMPRETRAIN_TOKENIZER, scope='mmcoca', locations=['mmcoca.models.text']
)
DATASETS = Registry(
    'dataset', parent=MMENGINE_DATASETS, scope='mmcoca', locations=['mmcoca.datasets']
)
TRANSFORMS = Registry(
    'transform', parent=MMENGINE_TRANSFORMS, scope='mmcoca', locations=['mmcoca.datasets']
)
METRICS = Registry(
    'metric', parent=MMENGINE_METRICS, scope='mmcoca', locations=['mmcoca.evaluation']
)
LOOPS = Registry(
    'loop', parent=MMENGINE_LOOPS, scope='mmcoca', locations=['mmcoca.engine', 'mmcoca.evaluation']
)
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='mmcoca', locations=['mmcoca.engine'])
OPTIMIZERS = Registry(
    'optimizer', parent=MMENGINE_OPTIMIZERS, scope='mmcoca', locations=['mmcoca.engine']
)
OPTIM_WRAPPERS = Registry(
    'optimizer wrapper',
    parent=MMENGINE_OPTIM_WRAPPERS,
    scope='mmcoca',
    locations=['mmcoca.engine']
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmcoca',
    locations=['mmcoca.engine']
)
