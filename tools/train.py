# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train a model from a config."""

from mmcoca.command_line.train import main

if __name__ == '__main__':
    main()
