# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where only the package is installed: python -m mmcoca.apis.test"""

from mmcoca.command_line.test import main

__all__ = ['main']

if __name__ == '__main__':
    main()
