# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Search embeddings that `embed` wrote with texts, an image, or both."""

from mmcoca.command_line.search import main

if __name__ == '__main__':
    main()
