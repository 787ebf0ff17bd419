# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A page to play with a model: `python -m mmcoca.apis.demo`."""
