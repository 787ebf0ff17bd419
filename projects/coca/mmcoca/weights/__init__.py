# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .mark import weights_mark
from .matching import check_checkpoint, check_pretrained_parts, check_some_weights
from .mmengine_loading import install_safe_loading
from .open_clip import WeightsError, from_open_clip, to_open_clip
from .reading import find_checkpoint, load_safely, read_state_dict
from .resuming import check_resumable, find_resumable, finished, progress_of, what_is_kept
from .vocabulary import change_vocabulary, tokens_by_meaning, vocabulary_problem
from .writing import check_target, write_weights

__all__ = [
    'WeightsError',
    'change_vocabulary',
    'check_checkpoint',
    'check_pretrained_parts',
    'check_resumable',
    'check_some_weights',
    'check_target',
    'find_checkpoint',
    'find_resumable',
    'finished',
    'from_open_clip',
    'install_safe_loading',
    'load_safely',
    'progress_of',
    'read_state_dict',
    'to_open_clip',
    'tokens_by_meaning',
    'vocabulary_problem',
    'weights_mark',
    'what_is_kept',
    'write_weights',
]
