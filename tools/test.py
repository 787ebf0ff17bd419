# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluate a checkpoint as a config says."""

from mmcoca.command_line.test import main

if __name__ == '__main__':
    main()
