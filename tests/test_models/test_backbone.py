# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope

from mmcoca.models import CoCaViT
from mmcoca.models.backbones.patch_dropout import PatchDropout


def build(training=False, **options):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    arch = dict(embed_dims=32, num_layers=3, num_heads=4, feedforward_channels=64)
    model = CoCaViT(**(dict(arch=arch, img_size=32, patch_size=8) | options))
    model.init_weights()
    model.train(training)
    return model


@pytest.fixture
def images():
    return torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('options', [dict(qk_norm=True), dict(logit_soft_cap=0.01)])
def test_options_of_the_logits(images, options):
    model, plain = build(attention_cfg=options), build()
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and bool(missing) == ('qk_norm' in options)
    out = model(images)[-1]
    assert not torch.allclose(out, plain(images)[-1])
    for layer in plain.layers:  # mmpretrain's layers with the attention written out

        def attend(query, key, value, dropout_p=0.0):
            if 'qk_norm' in options:  # its gains are 1 and its biases 0 at the start
                query, key = (F.layer_norm(x, x.shape[-1:]) for x in (query, key))
            logits = query @ key.transpose(-2, -1) * query.shape[-1]**-0.5
            if 'logit_soft_cap' in options:
                logits = 0.01 * torch.tanh(logits / 0.01)
            return logits.softmax(dim=-1) @ value

        del layer.attn.scaled_dot_product_attention
        layer.attn.scaled_dot_product_attention = attend
    torch.testing.assert_close(out, plain(images)[-1])


@pytest.mark.parametrize('with_cls_token', [False, True])
def test_patch_dropout_keeps_a_random_part_in_training_alone(images, with_cls_token):
    extra = int(with_cls_token)
    model = build(True, patch_dropout=0.25, with_cls_token=with_cls_token)
    assert model(images)[-1].shape == (5, 12 + extra, 32)
    plain = build(with_cls_token=with_cls_token)
    assert set(model.state_dict()) == set(plain.state_dict())
    model.eval()
    torch.testing.assert_close(model(images)[-1], plain(images)[-1])

    tokens = torch.arange(5 * (16 + extra)).view(5, -1, 1).float()
    dropout = PatchDropout(0.25, extra)
    kept = dropout(tokens)
    for before, after in zip(tokens.flatten(1).tolist(), kept.flatten(1).tolist()):
        assert after[:extra] == before[:extra]
        assert len(set(after)) == 12 + extra and set(after) <= set(before)
    places = kept[:, extra:, 0] - tokens[:, :1, 0]
    assert not torch.equal(places[0].sort().values, places[1].sort().values)
    assert not torch.equal(kept, dropout(tokens))


def test_drop_path_and_layer_scale_are_mmpretrains(images):
    model = build(True, drop_path_rate=0.9)
    assert not torch.allclose(model(images)[-1], model(images)[-1])
    model.eval()
    torch.testing.assert_close(model(images)[-1], build()(images)[-1])
    # With a scale of 0 (mmpretrain reads an initial 0 as none) every layer is the identity.
    model = build(layer_scale_init_value=0.5)
    names = [name for name, _ in model.named_parameters() if 'gamma' in name]
    assert len(names) == 6
    for name in names:
        scale = model.get_parameter(name)
        assert (scale == 0.5).all()
        torch.nn.init.zeros_(scale)
    embedded = model.patch_embed(images)[0] + model.pos_embed
    torch.testing.assert_close(model(images)[-1], model.ln1(embedded))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(img_size=50), '50 is not a multiple of the patch size 8'),
        (dict(img_size=(32, 50)), r'\(32, 50\) is not a multiple of the patch size 8'),
        (dict(patch_dropout=1.0), r'patch_dropout 1.0 is not within \[0, 1\)'),
        (dict(patch_dropout=0.5, out_type='featmap'), 'featmap'),
        (
            dict(arch=dict(embed_dims=32, num_layers=1, num_heads=5, feedforward_channels=64)
                 ), 'width 32 does not divide into 5 attention heads'
        ),
    ],
)
def test_contradictions_are_named_when_building(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_position_embeddings_are_interpolated_on_load(images):
    """From 32 px to 64 px with one patch size: bicubic over the grid, the class token as it is."""
    for with_cls_token in (False, True):
        extra = int(with_cls_token)
        small = build(with_cls_token=with_cls_token)
        large = build(with_cls_token=with_cls_token, img_size=64)
        large.load_state_dict(small.state_dict())
        grid = small.pos_embed[:, extra:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)
        expected = F.interpolate(grid, size=(8, 8), mode='bicubic', align_corners=False)
        torch.testing.assert_close(large.pos_embed[:, extra:], expected.flatten(2).transpose(1, 2))
        torch.testing.assert_close(large.pos_embed[:, :extra], small.pos_embed[:, :extra])
        torch.testing.assert_close(large.patch_embed.state_dict(), small.patch_embed.state_dict())
        tokens = large(F.interpolate(images, size=(64, 64)))[-1]
        assert tokens.shape == (5, 64 + extra, 32)


@pytest.mark.parametrize('frozen_stages', [0, 1, 3])
def test_frozen_stages_freeze_a_stem_and_the_norms_of_queries_too(images, frozen_stages):
    """Two steps with everything on that differs in training: what is frozen is and gives the same.
    """
    model = build(
        True,
        frozen_stages=frozen_stages,
        stem=dict(type='mmcoca.ConvStem', channels=(8, 16), strides=(2, 2, 2)),
        attention_cfg=dict(qk_norm=True),
        with_cls_token=True,
        pre_norm=True,
        drop_rate=0.5,
        drop_path_rate=0.5,
        patch_dropout=0.5,
        out_type='avg_featmap',
    )
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    head = torch.nn.Linear(32, 1)
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], lr=1.0)
    for _ in range(2):
        head(model.train()(images)[-1]).square().sum().backward()
        optimizer.step()
    frozen = [f'layers.{i}.' for i in range(frozen_stages)]
    frozen += ['patch_embed.', 'pos_embed', 'cls_token', 'pre_norm.'] if frozen_stages else []
    frozen += ['ln1.', 'ln2.'] if frozen_stages == 3 else []
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(tuple(frozen)), name
    is_repeatable = torch.equal(model(images)[-1], model(images)[-1])
    assert is_repeatable == (frozen_stages == 3)


def test_sines_and_cosines_with_an_init_cfg(tmp_path):
    """They stand beside an `init_cfg` for layers, and give way to the weights that one loads."""
    waves = build(pos_embed_init='sincos').pos_embed
    bias = dict(type='Constant', layer='Linear', val=0.5)
    model = build(pos_embed_init='sincos', init_cfg=bias)
    assert torch.equal(model.pos_embed, waves) and (model.layers[0].attn.qkv.weight == 0.5).all()
    other = build()
    torch.save(other.state_dict(), tmp_path / 'other.pth')
    load = dict(type='Pretrained', checkpoint=str(tmp_path / 'other.pth'))
    for init_cfg in (load, [bias, load]):
        for start in ('normal', 'sincos'):
            model = build(pos_embed_init=start, init_cfg=init_cfg)
            for name, parameter in model.named_parameters():
                assert torch.equal(parameter, other.get_parameter(name)), name
