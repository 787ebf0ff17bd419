# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Probabilities of classes are of the weights that the model has, in the precision that they need.
"""

import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmcoca.models.tasks import class_embeddings, classify_images

CLASSES = ['cat', 'hot pepper', 'person', 'red car']
TEMPLATE = 'a {}'


def build(tiny_config, seed=0):
    init_default_scope('mmpretrain')
    cfg = dict(tiny_config.model.to_dict(), classes=CLASSES, templates=TEMPLATE)
    torch.manual_seed(seed)
    return MODELS.build(dict(cfg, type='mmcoca.ZeroShotCoCa')).eval()


def predict(model, images):
    return torch.stack([sample.pred_score for sample in model.predict(images)])


def step_in_evaluation_mode(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    model.encode_text(CLASSES)[0, 0].backward()
    optimizer.step()


def zero_a_norm_through_data(model):
    model.text.unimodal.cls_norm.weight.data[0] = 0


CHANGES = dict(
    load=lambda model, other: model.load_state_dict(other.state_dict()),
    step=lambda model, _: step_in_evaluation_mode(model),
    data=lambda model, _: zero_a_norm_through_data(model),
    double=lambda model, _: model.double(),
    rounded=lambda model, _: model.bfloat16().float(),
    running_average=lambda model, _: model.contrastive_head.text_norm.running_var.mul_(4),
    train=lambda model, _: model.train(),
    classes=lambda model, _: model.classes.reverse(),
)


@pytest.mark.parametrize('change', CHANGES)
def test_classes_are_embedded_anew_when_the_model_changes(tiny_config, images, change):
    model = build(tiny_config)
    encoded = []
    model.text.unimodal.register_forward_hook(lambda *_: encoded.append(1))
    model.classes = list(CLASSES)
    before = predict(model, images)
    torch.testing.assert_close(predict(model, images), before)
    assert len(encoded) == 1  # kept
    CHANGES[change](model, build(tiny_config, seed=1))
    images = images.to(next(model.parameters()).dtype)
    copied = copy.deepcopy(model)  # a head that is trained updates its running averages
    embeddings = class_embeddings(copied, copied.classes, TEMPLATE)
    expected = classify_images(copied, images, embeddings)
    torch.testing.assert_close(predict(model, images), expected)
    if change != 'double':
        assert not torch.equal(expected, before)


def test_probabilities_under_autocast_are_of_float32_products(tiny_config, images):
    model = build(tiny_config)
    with torch.no_grad():
        model.contrastive_head.logit_scale.fill_(4.6)  # as a long training ends
    with torch.autocast('cpu', torch.bfloat16):
        chances = predict(model, images)
        with torch.no_grad():
            image, text = model.encode_image(images), class_embeddings(model, CLASSES, TEMPLATE)
    expected = (torch.tensor(4.6).exp() * image.double() @ text.double().T).softmax(-1)
    assert chances.dtype == torch.float32
    torch.testing.assert_close(chances.double(), expected, atol=1e-5, rtol=1e-4)
    # Those of mmpretrain's retrieval too.
    samples = [DataSample() for _ in images]
    feats = dict(image_feat=image, text_feat=text)
    with torch.autocast('cpu', torch.bfloat16):
        (queries, ) = model.predict_all(feats, samples, cal_t2i=False)
    scores = torch.stack([query.pred_score for query in queries])
    torch.testing.assert_close(scores, image @ text.T)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_models_of_16_bits_encode_classify_score_and_write(tiny_config, images, dtype):
    model, small = build(tiny_config), build(tiny_config).to(dtype)
    small_images = images.to(dtype)
    with torch.no_grad():
        expected, found = model.encode_image(images), small.encode_image(small_images)
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
        assert found.dtype == torch.float32
        chances = predict(small, small_images)
        assert chances.dtype == torch.float32
        torch.testing.assert_close(chances.sum(dim=1), torch.ones(4))
        scores = small.score(small_images, CLASSES)
        assert scores.dtype == torch.float32
        torch.testing.assert_close(scores, model.score(images, CLASSES), atol=0.5, rtol=0)
        pairs = torch.tensor([[i, i] for i in range(4)])
        by_pairs = small.score_pairs(small.pool(small_images)[1], CLASSES, pairs)
        torch.testing.assert_close(by_pairs, scores, atol=0.05, rtol=0)
    for options in (dict(), dict(num_beams=2), dict(do_sample=True, seed=0, top_p=0.9)):
        captions = small.generate_captions(small_images, max_length=6, **options)
        assert all(caption.log_probabilities.dtype == torch.float32 for (caption, ) in captions)
