# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import random

import cv2
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

from mmcoca.datasets import CropToContent, RandomAffine, RandomColorMatrix


@pytest.fixture
def image():
    """A coloured ellipse, off centre on white."""
    image = np.full((96, 96, 3), 255, np.uint8)
    cv2.ellipse(image, (60, 30), (20, 8), 0, 0, 360, (30, 160, 220), -1)
    return image


def content(image):
    ys, xs = np.nonzero((image < 248).any(axis=2))
    return xs.min(), xs.max() + 1, ys.min(), ys.max() + 1


def test_crop_centres_the_content_and_keeps_its_pixels(image):
    left, right, top, bottom = content(image)
    cropped = CropToContent(margin=0.1)(dict(img=image))['img']
    side = cropped.shape[0]
    assert cropped.shape == (side, side, 3) and side == (right - left) + 2 * round(0.1 * 41)
    x0, x1, y0, y1 = content(cropped)
    assert (x1 - x0, y1 - y0) == (right - left, bottom - top)
    assert abs(x0 - (side - x1)) <= 1 and abs(y0 - (side - y1)) <= 1
    assert np.array_equal(cropped[y0:y1, x0:x1], image[top:bottom, left:right])


def test_crop_leaves_an_empty_image_alone():
    empty = np.full((8, 8, 3), 255, np.uint8)
    assert np.array_equal(CropToContent()(dict(img=empty))['img'], empty)


def test_affine_without_change_is_the_identity(image):
    same = RandomAffine(rotation=0, scale=(1, 1), translation=0, shear=0)(dict(img=image))['img']
    assert np.array_equal(same, image)


@pytest.mark.parametrize('scale', [0.5, 1.5])
def test_affine_scales_around_the_centre(image, scale):
    image = CropToContent(margin=0.6)(dict(img=image))['img']
    warped = RandomAffine(rotation=0, scale=(scale, scale), translation=0)(dict(img=image))['img']
    before, after = content(image), content(warped)
    assert after[1] - after[0] == pytest.approx(scale * (before[1] - before[0]), abs=2)
    assert warped.shape == image.shape
    assert (after[0] + after[1]) / 2 == pytest.approx((before[0] + before[1]) / 2, abs=1)


def test_affine_turns_within_its_bounds(image):
    image = CropToContent(margin=0.2)(dict(img=image))['img']
    angles = []
    random.seed(0)
    for _ in range(100):
        warped = RandomAffine(rotation=20, scale=(1, 1), translation=0)(dict(img=image))['img']
        points = np.argwhere((warped < 200).any(axis=2))[:, ::-1].astype(np.float32)
        axis = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][0]
        angles.append(np.degrees(np.arctan2(axis[1], axis[0]) + np.pi / 2) % 180 - 90)
    assert 15 < max(angles) < 22 and -22 < min(angles) < -15


def test_color_matrix_without_change_is_the_identity(image):
    assert np.array_equal(RandomColorMatrix(0, 0, 0, 0)(dict(img=image))['img'], image)


def test_grayscale_equals_opencv(image):
    gray = RandomColorMatrix(0, 0, 0, 0, grayscale=1.0)(dict(img=image))['img']
    expected = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert np.abs(gray.astype(int) - expected[..., None]).max() <= 1


def test_contrast_and_brightness_equal_their_definition(image):
    random.seed(3)
    brightness, contrast = random.uniform(0.5, 1.5), random.uniform(0.6, 1.4)
    random.seed(3)
    changed = RandomColorMatrix(0.5, 0.4, 0, 0)(dict(img=image))['img']
    mean = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean()
    expected = brightness * (contrast * image + (1 - contrast) * mean)
    assert np.abs(changed - np.clip(expected, 0, 255)).max() <= 1.5


def test_transforms_resolve_by_name():
    for name in ('CropToContent', 'RandomAffine', 'RandomColorMatrix'):
        assert TRANSFORMS.build(dict(type=f'mmcoca.{name}'))
