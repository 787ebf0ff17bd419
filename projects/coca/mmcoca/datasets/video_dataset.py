# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Videos with a class each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmpretrain.datasets import BaseDataset

from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, read_text

VIDEO_ENDINGS = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm', '.wmv')


@DATASETS.register_module()
class VideoDataset(BaseDataset):
    """Items with `video_path` and `gt_label`, for `LoadVideoFrames`.

    With an annotation file, each of its lines is `path label`, as in mmaction2's lists of Kinetics,
    with paths below data_root/data_prefix. Without one, data_root/data_prefix holds a folder for
    each class, whose sorted names are the classes, and in it videos. A video is a file or a folder
    of its frames.

    Args:
        ann_file, data_root, data_prefix, pipeline, test_mode: As in mmpretrain's BaseDataset.

    Raises AnnotationError on loading, naming file and line: a line of another form, videos that do
    not exist, no videos at all; FileNotFoundError without the file or folder.
    """

    def __init__(self, ann_file: str = '', **kwargs) -> None:
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Find the videos and their classes."""
        root = Path(self.img_prefix)
        if self.ann_file:
            videos = listed_videos(self.ann_file, root)
        else:
            self._metainfo['classes'], videos = sorted_videos(root)
        if not videos:
            raise AnnotationError(f'{self.ann_file or root}: no videos in it')
        return [dict(video_path=str(path), gt_label=label) for path, label in videos]


def listed_videos(ann_file: str, root: Path) -> list[tuple[Path, int]]:
    """The videos of an annotation file, all of which exist."""
    videos = []
    for number, line in enumerate(read_text(ann_file).split('\n'), start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(' ')
        if not path or not label.isdecimal():
            raise AnnotationError(
                f"{ann_file} line {number}: '{line}' is not a path and a class number"
            )
        videos.append((root / path, int(label)))
    missing = [path for path, _ in videos if not (path.is_file() or path.is_dir())]
    if missing:
        raise AnnotationError(
            f'{ann_file}: {len(missing)} of {len(videos)} videos do not exist, first {missing[0]}'
        )
    return videos


def sorted_videos(root: Path) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """The names of the class folders, and the videos in them."""
    folders = sorted(path for path in shown(root) if path.is_dir())
    videos = [
        (path, label)
        for label, folder in enumerate(folders)
        for path in sorted(shown(folder))
        if path.is_dir() or path.suffix.lower() in VIDEO_ENDINGS
    ]
    return tuple(folder.name for folder in folders), videos


def shown(folder: Path) -> Iterator[Path]:
    """What a folder holds, but for hidden files and folders, such as macOS's notes on a file."""
    return (path for path in folder.iterdir() if not path.name.startswith('.'))
