# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Image files in batches, as a model's config prepares them; what cannot be read is reported."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmcoca.datasets.transforms import UnreadableImageError, is_image_file
from mmcoca.datasets.transforms.svg import svg_problem
from mmcoca.errors import MissingFileError
from mmcoca.models import CoCa

_SHOWN_FILES = 3  # of those that are passed over
logger = logging.getLogger(__name__)  # without handlers Python prints warnings on stderr


def find_images(folder: str | Path) -> list[Path]:
    """Image files in a folder and below, sorted; a warning is logged about what else lies there.
    Of an image file, itself.

    A link to a file counts as one. Hidden files that are no images are not worth a word. SVG files
    are images where they can be drawn.

    Raises FileNotFoundError if there is no such folder, or no image in it; of a file, unless its
    ending is an image's.
    """
    folder = Path(folder)
    if folder.is_file() and is_image_file(folder):
        return [folder]
    if not folder.is_dir():
        if folder.exists():
            raise MissingFileError(f'{folder} is no folder, and no image by its ending')
        raise MissingFileError(f'folder {folder} does not exist')
    paths = sorted(path for path in folder.rglob('*') if not path.is_dir())
    images = [path for path in paths if is_image_file(path)]
    if svg_problem() and any(path.suffix.lower() == '.svg' for path in paths):
        logger.warning('%s', svg_problem())
    if not images:
        raise MissingFileError(
            f"folder {folder} has no file that ends in .bmp, .gif, .jpg, .png or another image's "
            'ending'
        )
    known = set(images)
    others = [path for path in paths if path not in known and not path.name.startswith('.')]
    if others:
        names = ', '.join(name_below(path, folder) for path in others[:_SHOWN_FILES])
        more = ', ...' if len(others) > _SHOWN_FILES else ''
        are = 'file is no image' if len(others) == 1 else 'files are no images'
        logger.warning('%d %s, passed over: %s%s', len(others), are, names, more)
    return images


def name_below(path: Path, folder: str | Path) -> str:
    """A path below a folder, or of a file its name, as `as_text`."""
    return as_text(path.name if path == Path(folder) else path.relative_to(folder))


def as_text(path: str | Path) -> str:
    """A path with bytes that are not UTF-8 as \\xe9 and so on."""
    return os.fsencode(path).decode('utf-8', errors='backslashreplace')


def pipeline_of(model: CoCa) -> list[dict]:
    """The test pipeline of the model's config, of the first data set within MMEngine's wrappers."""
    init_default_scope('mmpretrain')
    dataset = model._config.test_dataloader.dataset
    while 'pipeline' not in dataset:
        dataset = dataset['datasets'][0] if 'datasets' in dataset else dataset['dataset']
    return dataset['pipeline']


class ImageFiles(Dataset):
    """Image files for `load_batches`, each with its path.

    Args:
        model: Whose config's test pipeline prepares them.
    """

    def __init__(self, model: CoCa, paths: Sequence[Path | str]) -> None:
        self.paths = paths
        self.pipeline = Compose(pipeline_of(model))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Path | str, Tensor | str]:
        """A path and its image (3,height,width), not yet normalised, or why there is none."""
        path = self.paths[place]
        try:
            if Path(path).exists() and not Path(path).is_file():
                # Whatever the pipeline does: reading a pipe would not end.
                raise UnreadableImageError(f'image {path} cannot be read: it is no regular file')
            return path, self.pipeline(dict(img_path=str(path)))['inputs']
        except UnreadableImageError as error:
            return path, str(error)
        except Exception as error:  # a decoder may raise anything
            return path, f'image {path} cannot be read: {type(error).__name__} {error}'


def load_images(
    model: CoCa,
    paths: Sequence[Path | str],
    batch_size: int = 16,
    num_workers: int = 0,
) -> Iterator[tuple[list[Path | str], Tensor, list[Path | str]]]:
    """Paths or URLs in batches: those that could be read, their images, those that could not.

    Why one could not is logged as a warning.

    The images (B,3,height,width) are of the model's device and floating type, as its data
    preprocessor leaves them; B may be 0.
    """
    if isinstance(paths, str | Path):
        raise TypeError(f'a list of paths is needed, not one path: [{str(paths)!r}]')
    return load_batches(model, ImageFiles(model, paths), batch_size, num_workers)


def load_batches(
    model: CoCa,
    images_of: Dataset,
    batch_size: int = 16,
    num_workers: int = 0,
) -> Iterator[tuple[list, Tensor, list]]:
    """As `load_images`, of `ImageFiles` or `ImageShards`, whose names are in the place of paths."""
    weights = next(p for p in model.parameters() if p.is_floating_point())
    for items in DataLoader(images_of, batch_size, num_workers=num_workers, collate_fn=list):
        images = [image for _, image in items if isinstance(image, Tensor)]
        batch = torch.zeros(0)
        if images:
            batch = model.data_preprocessor(dict(inputs=torch.stack(images)), False)['images']
        batch = batch.to(weights)  # their device and type
        read = [name for name, image in items if isinstance(image, Tensor)]
        reasons = {name: image for name, image in items if isinstance(image, str)}
        for reason in reasons.values():
            logger.warning('%s', reason)
        yield read, batch, list(reasons)
