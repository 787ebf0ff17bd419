# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What VQA, SNLI-VE and NLVR2 share: the head over the decoder's states, the learning rates."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from padded import multimodal, unimodal
from small_tasks import CONFIGS, load_small

from mmcoca.models import UnderstandingHead


@pytest.fixture
def build(tiny_config):
    """A function that makes a small model with random weights, in float64."""

    def build(num_images=1, **options):
        torch.manual_seed(0)
        head = dict(
            type='mmcoca.UnderstandingHead',
            num_classes=3,
            dims=384,
            num_heads=4,
            num_images=num_images
        )
        cfg = dict(tiny_config.model, type='mmcoca.CoCaForUnderstanding', understanding_head=head)
        return MODELS.build(cfg | options).eval().double()

    return build


TEXTS = ['cat', 'a cat and a dog in the rain', 'two red umbrellas', 'rain']


def test_padding_changes_nothing(build, images):
    model, images = build(), images.double()
    together = model.understand(model.pool_regions(images), TEXTS)
    alone = [
        model.understand(model.pool_regions(image[None]), [text])[0]
        for image, text in zip(images, TEXTS)
    ]
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=1e-9)
    assert (together - together.mean(dim=0)).abs().min() > 1e-6


def test_logits_depend_on_image_and_text(build, images):
    model, images = build(), images.double()
    logits = model.understand(model.pool_regions(images), TEXTS)
    other_images = model.understand(model.pool_regions(images.flip(0)), TEXTS)
    other_texts = model.understand(model.pool_regions(images), TEXTS[::-1])
    for others in (other_images, other_texts):
        assert (others - logits).abs().max(dim=1).values.min() > 1e-6


def test_head_by_hand():
    """One query, one head: a softmax over the tokens of the text, and of no other."""
    torch.manual_seed(0)
    head = UnderstandingHead(num_classes=5, dims=6, num_heads=1).double()
    states = torch.randn(2, 4, 6, dtype=torch.float64)
    logits = head(states, torch.tensor([4, 2]))
    attention = head.pooler.attention
    for row, length in enumerate((4, 2)):
        tokens = states[row, :length]
        key, value = attention.key_value(tokens).chunk(2, dim=-1)
        weights = (attention.query(head.pooler.queries) @ key.T / 6**0.5).softmax(dim=-1)
        expected = head.classifier(head.pooler.norm(attention.proj(weights @ value)))[0]
        torch.testing.assert_close(logits[row], expected)


def test_two_images_are_read_one_by_one_and_concatenated(build, images):
    """In their order, the text with each."""
    model, pairs = build(num_images=2), images.double().view(2, 2, *images.shape[1:])
    logits = model.understand(model.pool_regions(pairs), TEXTS[:2])
    for row, (pair, text) in enumerate(zip(pairs, TEXTS)):
        token_ids, lengths = model.tokenizer([text])
        token_states, _ = unimodal(model.text, token_ids, lengths)
        states = [
            multimodal(model.text, token_states, model.pool_regions(image[None]), lengths)
            for image in pair
        ]
        pooled = [model.understanding_head.pooler(of_image)[0, 0] for of_image in states]
        expected = model.understanding_head.classifier(torch.cat(pooled))
        torch.testing.assert_close(logits[row], expected)


def test_loss_and_prediction(build, images):
    model, images = build(), images.double()
    samples = [DataSample().set_gt_label(label) for label in (2, 0, 1, 1)]
    for sample, text in zip(samples, TEXTS):
        sample.set_field(text, 'text')
    chances = model.understand(model.pool_regions(images), TEXTS).softmax(dim=-1)
    expected = -chances[range(4), [2, 0, 1, 1]].log().mean()
    torch.testing.assert_close(model(images, samples, mode='loss')['loss_label'], expected)
    for sample, row in zip(model(images, samples, mode='predict'), chances):
        torch.testing.assert_close(sample.pred_score, row)
        assert sample.pred_label == row.argmax()


def test_errors(build, images):
    with pytest.raises(ValueError, match='4 images for 3 texts: the understanding head takes 1'):
        model = build()
        model.understand(model.pool_regions(images.double()), TEXTS[:3])
    head = dict(type='mmcoca.UnderstandingHead', num_classes=3, dims=64, num_heads=4)
    with pytest.raises(ValueError, match='understanding head is 64 wide.*decoder is 384'):
        build(understanding_head=head)


@pytest.mark.parametrize(
    'name, head_lr, pretrained_lr',
    [
        ('vqa/coca_base_vqav2.py', 5e-4, 2e-5),
        ('snli_ve/coca_base_snli_ve.py', 1e-3, 5e-5),
        ('nlvr2/coca_base_nlvr2.py', 5e-4, 2e-5),
    ],
)
def test_learning_rates(folder, name, head_lr, pretrained_lr):
    """The new head's and that of all that is pretrained, as the paper prints them; its decay 0.1.
    """
    init_default_scope('mmpretrain')
    model = MODELS.build(load_small(name, folder).model)
    optimizer = build_optim_wrapper(model, Config.fromfile(CONFIGS / name).optim_wrapper).optimizer
    settings = {id(group['params'][0]): group for group in optimizer.param_groups}
    for parameter_name, parameter in model.named_parameters():
        is_new = parameter_name.startswith('understanding_head.')
        if not parameter.requires_grad:
            continue  # what serves the contrastive loss alone
        group = settings[id(parameter)]
        assert group['lr'] == pytest.approx(head_lr if is_new else pretrained_lr)
        assert group['weight_decay'] == 0.1
