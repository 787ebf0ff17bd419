# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""open_clip's training loop, run in the environment of the peers, with a model file of ours.

Usage: open_clip_training.py MODEL_FILE OPTIONS_OF_OPEN_CLIP...
"""

import sys

from package_files import take_process_settings

take_process_settings()  # before torch is loaded

import open_clip  # noqa: E402
from open_clip_train.main import main  # noqa: E402

if __name__ == '__main__':
    open_clip.add_model_config(sys.argv[1])
    main(sys.argv[2:])
