# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Caption the images of a folder, a line of JSON each; run again, it goes on where it stopped."""

from mmcoca.command_line.caption import main

if __name__ == '__main__':
    main()
