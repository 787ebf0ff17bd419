# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Embed images of a folder or of shards, or a file of texts, a text a line; for `search`."""

from mmcoca.command_line.embed import main

if __name__ == '__main__':
    main()
