# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification of a folder of images with labels of your own."""

from mmcoca.command_line.classify import main

if __name__ == '__main__':
    main()
