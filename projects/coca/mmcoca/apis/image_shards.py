# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Images of tar shards as a model's config prepares them."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.transforms import Compose
from torch import Tensor
from torch.utils.data import Dataset

from mmcoca.datasets import ImageTextShards
from mmcoca.datasets.shards import Fault
from mmcoca.datasets.transforms import UnreadableImageError
from mmcoca.models import CoCa

from .image_files import pipeline_of


class ImageShards(Dataset):
    """The images of shards for `load_batches`, each with its name: shard and member.

    Of shards with the same name in several folders with as much of those as tells them apart.

    Args:
        model: Whose config's test pipeline prepares them.
        shards: As in `ImageTextShards`, which says what is raised for shards that are none.

    Example:
        >>> images = ImageShards(model, 'data/icons/train')
        >>> names, batch, unreadable = next(load_batches(model, images))
        >>> names[0]
        '00000.tar/000000.png'
    """

    def __init__(self, model: CoCa, shards: str | Sequence[str]) -> None:
        self.pipeline = Compose(pipeline_of(model))
        self.shards = ImageTextShards(shards, max_unreadable=1)

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> tuple[str, Tensor | str]:
        """A name and its image (3,height,width), not yet normalised, or why there is none."""
        name = f'sample {index}'
        try:
            place, content = self.shards.image_file(index)
            name = self.shards.short_place(index, place)
            return name, self.pipeline(dict(img_bytes=content, img_path=place))['inputs']
        except (Fault, UnreadableImageError) as error:
            return name, str(error)
