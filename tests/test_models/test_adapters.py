# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Models whose linear layers others have replaced compute what these replacements compute."""

import copy

import peft
import pytest
import torch
from mmpretrain.models import LoRAModel
from mmpretrain.structures import DataSample
from torch import nn
from torch.nn.utils import parametrize

CAPTIONS = ['hot pepper', 'person: blond hair', 'cat', 'a red car']
ADAPTED = ['key_value', 'query', 'proj', 'qkv', 'image_projection', 'mlp.0', 'ffn.layers.1']


@torch.no_grad()
def outputs(model, images):
    """Embeddings, captions' log-probabilities by loss, cache and pairs; and the captions."""
    image_tokens = model.pool(images)[1]
    written = model.generate_captions(images, max_length=9)
    pairs = torch.tensor([[0, 0], [0, 1], [1, 0], [3, 2]])
    return dict(
        image=model.encode_image(images),
        text=model.encode_text(CAPTIONS),
        score=model.score(images, CAPTIONS),
        pairs=model.score_pairs(image_tokens, CAPTIONS, pairs),
        written=torch.cat([caption.log_probabilities for (caption, ) in written]),
    )


def randomize(model, ending, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if ending in name:
            nn.init.normal_(parameter, std=0.3, generator=generator)


def eight(images):
    """As many as captions are written by packed weights for."""
    return images.repeat(2, 1, 1, 1)[:8]


def test_pefts_adapters(tiny_model, images):
    plain = outputs(tiny_model, eight(images)[:4])
    adapted = peft.get_peft_model(
        tiny_model, peft.LoraConfig(r=2, target_modules=ADAPTED, lora_dropout=0.0)
    ).eval()
    randomize(adapted, 'lora_B')
    model = adapted.base_model.model
    found = outputs(model, images)
    merged = outputs(copy.deepcopy(adapted).merge_and_unload(), images)
    torch.testing.assert_close(found, merged, atol=1e-4, rtol=1e-3)
    assert all(not torch.allclose(found[key], plain[key], atol=0.01) for key in ('image', 'text'))
    losses = adapted.train()(images, samples_of(CAPTIONS), mode='loss')
    (losses['loss_contrastive'] + losses['loss_captioning']).backward()
    adapters = [p for name, p in adapted.named_parameters() if 'lora_' in name]
    assert adapters and all(p.grad is not None and p.grad.any() for p in adapters)


def samples_of(captions):
    samples = [DataSample() for _ in captions]
    for sample, caption in zip(samples, captions):
        sample.set_field(caption, 'gt_caption')
    return samples


@pytest.mark.parametrize('target', ['.*key_value', '.*proj', '.*query', '.*mlp.0'])
def test_mmpretrains_adapters(tiny_config, tiny_model, images, target):
    adapted = LoRAModel(
        tiny_config.model.to_dict(), alpha=2, rank=2, targets=[dict(type=target)]
    ).eval()
    model = adapted.module
    inner = {
        name.replace('.original_layer', ''): tensor
        for name, tensor in model.state_dict().items()
        if '.lora_' not in name
    }
    randomize(adapted, '.lora_up')
    for name, module in list(model.named_modules()):
        if type(module).__name__ == 'LoRALinear':
            change = module.lora_up.weight @ module.lora_down.weight * module.scaling
            inner[f'{name}.weight'] = inner[f'{name}.weight'] + change.detach()
    tiny_model.load_state_dict(inner)
    torch.testing.assert_close(
        outputs(model, images), outputs(tiny_model, images), atol=1e-4, rtol=1e-3
    )


def test_an_adapter_on_the_classifier_of_an_understanding_head(tiny_model):
    from mmpretrain.models.peft.lora import LoRALinear

    from mmcoca.models import UnderstandingHead

    head = UnderstandingHead(3, 32, 4, num_images=2)
    states, lengths = torch.randn(4, 5, 32), torch.tensor([5, 3, 2, 4])
    expected = head(states, lengths)
    head.classifier = LoRALinear(head.classifier, rank=2)
    torch.testing.assert_close(head(states, lengths), expected)


def test_dynamically_quantized(tiny_model, images):
    quantized = torch.ao.quantization.quantize_dynamic(tiny_model, {nn.Linear})
    assert not isinstance(quantized.text.multimodal.layers[0].cross_attention.proj, nn.Linear)
    found, expected = outputs(quantized, eight(images)[:4]), outputs(tiny_model, images)
    for key in ('image', 'text'):
        assert (found[key] * expected[key]).sum(dim=-1).min() > 0.95
    assert len(quantized.generate(eight(images), max_length=9)) == 8


class Doubled(nn.Module):

    def forward(self, weight):
        return 2 * weight


@pytest.mark.parametrize('kind', ['parametrization', 'hook', 'forward'])
def test_a_projection_that_is_altered_otherwise(tiny_model, images, kind):
    """Its weight twice as large, with the bias as it is."""
    expected = copy.deepcopy(tiny_model)
    for module in expected.modules():
        if hasattr(module, 'key_value'):
            module.key_value.weight.data *= 2
    for module in tiny_model.modules():
        if not hasattr(module, 'key_value'):
            continue
        linear = module.key_value
        if kind == 'parametrization':
            parametrize.register_parametrization(linear, 'weight', Doubled())
        elif kind == 'hook':
            linear.register_forward_hook(lambda own, _, out: 2 * out - own.bias)
        else:
            linear.forward = lambda x, own=linear: nn.functional.linear(x, 2 * own.weight, own.bias)
    images = eight(images)
    with torch.no_grad():
        torch.testing.assert_close(tiny_model.encode_image(images), expected.encode_image(images))
    found, wanted = (
        model.generate_captions(images, max_length=9) for model in (tiny_model, expected)
    )
    for (caption, ), (other, ) in zip(found, wanted):
        torch.testing.assert_close(caption.log_probabilities, other.log_probabilities)
