# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .attentional_pooler import AttentionalPooler, SharedPooler, TaskPoolers

__all__ = ['AttentionalPooler', 'SharedPooler', 'TaskPoolers']
