# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmcoca.models.activation_checkpointing import recomputed_parts

PARTS = ['backbone', 'neck', 'text']
SAMPLES = [
    DataSample(gt_caption=text)
    for text in ('hot pepper', 'cat', 'person: blond hair', 'red heart')
]


def build(cfg, **options):
    torch.manual_seed(0)
    return MODELS.build(dict(cfg, **options)).train()


def step(model, images):
    """Losses, gradients, and the bytes that autograd keeps between the passes."""
    kept = {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor):
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)  # of dropout and drop path
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = model(images, SAMPLES, mode='loss')
        model.parse_losses(losses)[0].backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {name: float(value) for name, value in losses.items()}, gradients, sum(kept.values())


@pytest.mark.parametrize('micro_batch_size', [None, 2])
def test_gradients_are_the_same(tiny_config, images, micro_batch_size):
    """With random parts, and in micro-batches too."""
    cfg = copy.deepcopy(tiny_config.model.to_dict())
    cfg['backbone']['drop_path_rate'] = 0.3
    cfg['text']['dropout'] = 0.2
    cfg['micro_batch_size'] = micro_batch_size
    losses, gradients, kept = step(build(cfg), images)
    model = build(cfg, activation_checkpointing=PARTS)
    assert len(recomputed_parts(model)) == 3 + 2 + 2  # layers, poolers, decoder layers
    again, gradients_again, kept_again = step(model, images)
    assert again == losses
    assert gradients.keys() == gradients_again.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_again[name], gradient, rtol=0, atol=0, msg=name)
    if micro_batch_size is None:
        assert kept_again < 0.6 * kept


def test_a_part_alone_and_a_copy(tiny_config, images):
    cfg = tiny_config.model.to_dict()
    model = build(cfg, activation_checkpointing=['text.multimodal'])
    assert len(recomputed_parts(model)) == 1
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    fresh = build(cfg).eval()
    assert other.eval().generate(images, max_length=4) == fresh.generate(images, max_length=4)
    step(other.train(), images)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize('names', ['text', ['encoder']])
def test_mistakes(tiny_config, names):
    with pytest.raises(ValueError, match='use a list of parts, as backbone, neck, text'):
        build(tiny_config.model.to_dict(), activation_checkpointing=names)
