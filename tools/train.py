# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train a model from a config."""

import os

# Threads that wait may spin only shortly: with as many threads as cores, spinning would starve the
# dataloader and whatever else runs. Only the environment, before torch is loaded, can set this.
os.environ.setdefault('GOMP_SPINCOUNT', '10000')

from mmcoca.apis.train import main  # noqa: E402

if __name__ == '__main__':
    main()
