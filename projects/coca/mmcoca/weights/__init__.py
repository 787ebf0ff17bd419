# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .mark import weights_mark
from .matching import check_checkpoint, check_pretrained_parts, check_some_weights
from .mmengine_loading import install_safe_loading
from .open_clip import WeightsError, from_open_clip, to_open_clip
from .reading import find_checkpoint, load_safely, read_state_dict
from .writing import check_target, write_weights

__all__ = [
    'WeightsError',
    'check_checkpoint',
    'check_pretrained_parts',
    'check_some_weights',
    'check_target',
    'find_checkpoint',
    'from_open_clip',
    'install_safe_loading',
    'load_safely',
    'read_state_dict',
    'to_open_clip',
    'weights_mark',
    'write_weights',
]
