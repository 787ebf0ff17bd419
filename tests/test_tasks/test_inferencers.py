# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmpretrain's inferencers of two images and of questions, with paths and with pixels."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain import NLVRInferencer, VisualQuestionAnsweringInferencer, get_model
from small_tasks import load_small


@pytest.fixture
def paths(drawings):
    return [str(path) for path, _ in drawings[:2]]


def build(name, folder):
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    return get_model(load_small(name, folder))


def test_nlvr_inferencer(folder, paths):
    judge = NLVRInferencer(build('nlvr2/coca_base_nlvr2.py', folder))
    pixels = [cv2.imread(path) for path in paths]
    (of_paths, ), (of_pixels, ) = (judge([(*pair, 'two cats')]) for pair in (paths, pixels))
    assert of_paths['pred_scores'].shape == (2, )
    assert np.array_equal(of_paths['pred_scores'], of_pixels['pred_scores'])


def test_question_answering_inferencer(folder, paths):
    answer = VisualQuestionAnsweringInferencer(build('vqa/coca_base_vqav2_open_ended.py', folder))
    found = [answer(image, 'what?')[0] for image in (paths[0], cv2.imread(paths[0]))]
    assert found[0] == found[1] and isinstance(found[0]['pred_answer'], str)
