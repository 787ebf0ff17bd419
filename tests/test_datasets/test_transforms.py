# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import random

import cv2
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from mmcoca.datasets import (
    CropToContent,
    RandomAffine,
    RandomColorMatrix,
    RandomElastic,
    RandomStrokeWidth,
    ResizeShorterSide,
)


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


def test_crop_of_a_thin_line_stays_small():
    """Of 16,000 x 1 pixels: the square around it would be 0.9 GB."""
    for shape in ((1, 16_000), (16_000, 1)):
        cropped = CropToContent()(dict(img=np.zeros((*shape, 3), np.uint8)))['img']
        side = cropped.shape[0]
        assert cropped.shape == (side, side, 3) and side == 2048 + 2 * round(0.045 * 2048)
        left, right, top, bottom = content(cropped)
        assert (bottom - top, right - left) in ((1, 2048), (2048, 1))
        assert (cropped[top:bottom, left:right] == 0).all()


def test_crop_shrinks_only_what_is_longer_than_max_content():
    drawing = np.random.default_rng(0).integers(0, 200, (30, 60, 3), dtype=np.uint8)
    same = CropToContent(max_content=60)(dict(img=drawing))['img']
    assert np.array_equal(same, CropToContent(max_content=10**9)(dict(img=drawing))['img'])
    shrunk = CropToContent(margin=0, max_content=20)(dict(img=drawing))['img']
    means = drawing.reshape(10, 3, 20, 3, 3).mean((1, 3))  # of each 3 x 3 pixels
    assert shrunk.shape == (20, 20, 3) and np.abs(shrunk[5:15] - means).max() <= 0.5


@pytest.mark.parametrize('size', [(40, 30), (31, 57), (640, 10), (10, 640)])
def test_shorter_side_is_resized_as_torchvision_does(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ours = ResizeShorterSide(24)(dict(img=image))['img']
    theirs = Resize(24, InterpolationMode.BICUBIC)(image)
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_shorter_side_of_a_thin_image_keeps_its_middle():
    line = np.zeros((1, 16_000, 3), np.uint8)
    line[:, 7_990:8_010] = 200
    for image in (line, line.swapaxes(0, 1)):
        resized = ResizeShorterSide(224)(dict(img=Image.fromarray(image)))['img']
        assert sorted(resized.size) == [224, 64 * 224]
        whole = np.asarray(resized)
        whole = whole if whole.shape[1] > 224 else whole.swapaxes(0, 1)
        assert (whole[:, 63 * 112:65 * 112] == 200).all() and (whole[:, :20 * 224] == 0).all()


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
    assert np.array_equal(RandomColorMatrix(0, 0, 0)(dict(img=image))['img'], image)


def test_grayscale_equals_opencv(image):
    gray = RandomColorMatrix(0, 0, 0, grayscale=1.0)(dict(img=image))['img']
    expected = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert np.abs(gray.astype(int) - expected[..., None]).max() <= 1


def test_contrast_scales_the_distance_to_white(image):
    random.seed(3)
    contrast = random.uniform(0.5, 1.5)
    random.seed(3)
    changed = RandomColorMatrix(0.5, 0, 0)(dict(img=image))['img']
    expected = 255 - contrast * (255.0 - image)
    assert np.abs(changed - np.clip(expected, 0, 255)).max() <= 0.51


def test_hue_turns_colours_within_bounds_and_leaves_white_and_grey(image):
    image[:8, :8] = 100
    random.seed(0)
    turns = []
    for _ in range(50):
        changed = RandomColorMatrix(0, 0, hue=0.1)(dict(img=image))['img']
        assert (changed[-8:, -8:] == 255).all() and np.abs(changed[:8, :8] - 100.0).max() <= 1
        before, after = (
            cv2.cvtColor(x[30:31, 60:61], cv2.COLOR_BGR2HSV)[0, 0, 0].astype(int) * 2
            for x in (image, changed)
        )
        turns.append((after - before + 180) % 360 - 180)
    assert -50 < min(turns) < -20 and 20 < max(turns) < 50


def test_elastic_moves_points_smoothly_by_its_displacement():
    ramp = np.tile(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (96, 1, 3))
    np.random.seed(0)
    shifts = []
    for _ in range(200):
        warped = RandomElastic(displacement=0.03, fill=0)(dict(img=ramp))['img']
        inner = (warped.astype(float) - ramp)[24:72, 24:72, 0] / 2  # pixels along x
        assert np.abs(np.diff(inner, axis=0)).max() <= 1.5  # no tears
        shifts.append(inner[::16, ::16])
    # Between the grid's points the shift is a mean of its neighbours', hence smaller.
    assert 0.4 * 0.03 * 96 < np.std(shifts) < 1.1 * 0.03 * 96
    same = RandomElastic(displacement=0.0)(dict(img=ramp))['img']
    assert np.array_equal(same, ramp)


def test_stroke_width_changes_by_a_pixel_on_each_side():
    image = np.full((32, 32, 3), 255, np.uint8)
    image[:, 14:18] = 0
    random.seed(0)
    widths = [
        int((RandomStrokeWidth(probability=0.8)(dict(img=image))['img'][16, :, 0] == 0).sum())
        for _ in range(400)
    ]
    assert set(widths) == {2, 4, 6}
    assert all(0.15 < widths.count(width) / 400 < 0.45 for width in (2, 6))


def test_transforms_resolve_by_name():
    for name in (
        'CropToContent',
        'RandomAffine',
        'RandomColorMatrix',
        'RandomElastic',
        'RandomStrokeWidth',
    ):
        assert TRANSFORMS.build(dict(type=f'mmcoca.{name}'))
