# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Image files in batches, as a model's config prepares them; what cannot be read is reported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmcoca.models import CoCa

ENDINGS = {'.bmp', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}


def find_images(folder: str | Path) -> list[Path]:
    """Image files in a folder and below, sorted.

    Raises FileNotFoundError if there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = 'is a file, not a folder' if folder.exists() else 'does not exist'
        raise FileNotFoundError(f'folder {folder} {what}')
    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in ENDINGS)
    if not paths:
        raise FileNotFoundError(
            f'folder {folder} has no file that ends in {", ".join(sorted(ENDINGS))}'
        )
    return paths


def name_below(path: Path, folder: str | Path) -> str:
    """A path below a folder, as text; bytes that are not UTF-8 as \\xe9 and so on."""
    return os.fsencode(path.relative_to(folder)).decode('utf-8', errors='backslashreplace')


class ImageFiles(Dataset):
    """The files as a pipeline packs them, with their place; None for one that cannot be read."""

    def __init__(self, paths: Sequence[Path], pipeline: Sequence[dict]) -> None:
        self.paths = paths
        self.pipeline = Compose(pipeline)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[int, Tensor | None]:
        """A place and its image (3,height,width), not yet normalised."""
        try:
            return place, self.pipeline(dict(img_path=str(self.paths[place])))['inputs']
        except Exception:  # a decoder may raise anything
            return place, None


def load_images(
    model: CoCa,
    paths: Sequence[Path],
    batch_size: int = 16,
    num_workers: int = 0,
) -> Iterator[tuple[list[Path], Tensor, list[Path]]]:
    """Paths in batches: those that could be read, their images, those that could not.

    The images (B,3,height,width) are on the model's device, as its data preprocessor leaves them; B
    may be 0.
    """
    init_default_scope('mmpretrain')
    pipeline = model._config.test_dataloader.dataset.pipeline
    loader = DataLoader(
        ImageFiles(paths, pipeline), batch_size, num_workers=num_workers, collate_fn=list
    )
    for items in loader:
        images = [image for _, image in items if image is not None]
        batch = torch.zeros(0)
        if images:
            batch = model.data_preprocessor(dict(inputs=torch.stack(images)), False)['images']
        read = [paths[place] for place, image in items if image is not None]
        yield read, batch, [paths[place] for place, image in items if image is None]
