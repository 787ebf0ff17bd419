# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Reading of a few frames spread over a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS

from .load_image import UnreadableImageError, is_image_file, read_image

MANY_FRAMES = 10**9


class UnreadableVideoError(ValueError):
    """A video could not be read: the message names it."""


@TRANSFORMS.register_module()
class LoadVideoFrames(BaseTransform):
    """Read one frame of each of F equal segments of the video `video_path`.

    Adds `img`, a list of F frames (height,width,3), RGB as mmaction2's decoders give them,
    `img_shape` and `ori_shape`. A video with fewer frames repeats some. A video is a file that
    OpenCV reads or a folder of its frames, which are taken in the order of their numbers.

    Args:
        num_frames: F.
        random_frames: Take a random frame of each segment, for training, not its middle.

    Raises UnreadableVideoError, naming the video, if it cannot be read, has no frames, or has
    frames of several sizes.
    """

    def __init__(self, num_frames: int = 16, random_frames: bool = False) -> None:
        self.num_frames = num_frames
        self.random_frames = random_frames

    def transform(self, results: dict) -> dict:
        """Add the frames."""
        path = Path(results['video_path'])
        places = np.random.rand(self.num_frames) if self.random_frames else 0.5
        places = np.broadcast_to(places, self.num_frames)
        frames = (read_frame_folder if path.is_dir() else read_video_file)(path, places)
        sizes = {frame.shape[:2] for frame in frames}
        if len(sizes) > 1:
            raise UnreadableVideoError(
                f'{path}: the frames of a video have one size, but here {sizes}'
            )
        frames = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]
        shape = frames[0].shape[:2]
        return dict(results, img=frames, img_shape=shape, ori_shape=shape)


def frame_indices(num_available: int, places: np.ndarray) -> np.ndarray:
    """The frame (F,) at a place (F,) within [0, 1) of each of F equal segments of a video."""
    return ((np.arange(len(places)) + places) * num_available / len(places)).astype(int)


def read_frame_folder(folder: Path, places: np.ndarray) -> list[np.ndarray]:
    """Frames (height,width,3), BGR, of a folder of images."""
    images = [path for path in folder.iterdir() if is_image_file(path)]
    if not images:
        raise UnreadableVideoError(f'{folder}: no frames in this folder, as .png or .jpg files')
    images.sort(key=lambda path: (len(path.name), path.name))  # frame 10 comes after frame 9
    try:
        return [read_image(images[index]) for index in frame_indices(len(images), places)]
    except UnreadableImageError as error:
        raise UnreadableVideoError(str(error)) from error


def read_video_file(path: Path, places: np.ndarray) -> list[np.ndarray]:
    """Frames (height,width,3), BGR, of a video file."""
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise UnreadableVideoError(f'{path}: no regular file')
    num_promised = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT))
    if num_promised < 1:  # the file does not say
        num_promised = MANY_FRAMES
    indices = frame_indices(num_promised, places)
    frames, num_found = grab_frames(path, indices)
    if num_found == 0:
        raise UnreadableVideoError(f'{path}: no video that OpenCV reads, or one without frames')
    if num_found <= indices[-1]:  # the file has fewer than it promises: now they are counted
        indices = frame_indices(num_found, places)
        frames, _ = grab_frames(path, indices)
    return [frames[index] for index in indices]


def grab_frames(path: Path, indices: np.ndarray) -> tuple[dict[int, np.ndarray], int]:
    """The frames at rising indices, by index, and the number of frames up to the last of them.

    It goes from frame to frame, so that each is decoded once: OpenCV would jump to an index by
    decoding from the key frame before it.
    """
    capture = cv2.VideoCapture(str(path))
    frames = {}
    for index in range(indices[-1] + 1):
        if not capture.grab():
            return frames, index
        if index in indices:
            frames[index] = capture.retrieve()[1]
    return frames, indices[-1] + 1
