# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Answer questions about each image of a folder, by a model fine-tuned for them."""

from mmcoca.command_line.answer import main

if __name__ == '__main__':
    main()
