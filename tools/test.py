# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluate a checkpoint as a config says."""

import os

os.environ.setdefault('GOMP_SPINCOUNT', '10000')  # as in train.py

from mmcoca.apis.test import main  # noqa: E402

if __name__ == '__main__':
    main()
