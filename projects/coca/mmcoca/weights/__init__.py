# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .mark import weights_mark
from .matching import check_checkpoint, check_some_weights
from .open_clip import WeightsError, from_open_clip, to_open_clip
from .reading import find_checkpoint, load_safely, read_state_dict
from .resuming import check_resumable, find_resumable, finished, progress_of, what_is_kept

__all__ = [
    'WeightsError',
    'check_checkpoint',
    'check_resumable',
    'check_some_weights',
    'find_checkpoint',
    'find_resumable',
    'finished',
    'from_open_clip',
    'load_safely',
    'progress_of',
    'read_state_dict',
    'to_open_clip',
    'weights_mark',
    'what_is_kept',
]
