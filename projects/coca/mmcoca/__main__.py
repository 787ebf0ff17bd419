# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from mmcoca.command_line.program import main

main()
