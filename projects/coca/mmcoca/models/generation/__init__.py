# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .captions import Caption, check_lengths, generate_captions
from .options import GenerationOptions

__all__ = ['Caption', 'GenerationOptions', 'check_lengths', 'generate_captions']
