# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .greedy import greedy_search

__all__ = ['greedy_search']
