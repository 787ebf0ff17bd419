# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The pictures that the demo searches: of a folder, or of tar shards."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from mmcoca.datasets import ImageTextShards
from mmcoca.datasets.shards import Fault
from mmcoca.datasets.shards.shard_names import is_url
from mmcoca.datasets.transforms.load_image import decode_image, read_image

from ..image_files import name_below

SHOWN_SIZE = 128  # pixels to which SVG is drawn


class FolderPictures:
    """Image files below a folder, by the names that `mmcoca embed --images` gives them."""

    option = '--images'

    def __init__(self, source: str) -> None:
        self.source = source

    def files(self) -> list[Path]:
        """What an index is made of: all files below the folder."""
        return sorted(path for path in Path(self.source).rglob('*') if path.is_file())

    def picture(self, name: str) -> np.ndarray:
        """(height,width,3), BGR. Raises UnreadableImageError where the file has gone."""
        path = self._others.get(name, Path(self.source, name))
        return read_image(path, svg_size=SHOWN_SIZE)

    @cached_property
    def _others(self) -> dict[str, Path]:
        """The files whose names are other bytes than UTF-8, by what is written for them."""
        paths = {name_below(path, self.source): path for path in self.files()}
        return {name: path for name, path in paths.items() if Path(self.source, name) != path}

    def title(self, name: str) -> str:
        """What stands below a picture."""
        return name


class ShardPictures:
    """Images of tar shards, by the names that `mmcoca embed --shards` gives them."""

    option = '--shards'

    def __init__(self, source: str) -> None:
        self.source = source
        self._shards = ImageTextShards(source, max_unreadable=1, test_mode=True)
        self._places = {
            self._shards.short_place(place,
                                     self._shards.image_file(place)[0]): place
            for place in range(len(self._shards))
        }

    def files(self) -> list[Path]:
        """What an index is made of: the shards, but for those of a web server."""
        return [Path(name) for name in self._shards.names if not is_url(name)]

    def picture(self, name: str) -> np.ndarray:
        """(height,width,3), BGR."""
        return decode_image(self._shards.image_file(self._places[name])[1], svg_size=SHOWN_SIZE)

    def title(self, name: str) -> str:
        """What stands below a picture: its first caption, or its name."""
        try:
            return self._shards.get_data_info(self._places[name])['gt_caption'][0]
        except Fault:
            return name
