# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

CAPTIONS = ['hot pepper', 'person: blond hair', 'cat', 'hot pepper']


def samples_of(captions):
    samples = [DataSample() for _ in captions]
    for sample, caption in zip(samples, captions):
        sample.set_field(caption, 'gt_caption')
    return samples


def parameters_without_gradient(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


def test_gradients_reach_every_parameter(tiny_model, images):
    losses = tiny_model(images, samples_of(CAPTIONS), mode='loss')
    contrastive, captioning = losses['loss_contrastive'], losses['loss_captioning']
    # Positions and rows of the token embedding that no caption uses have no gradient, but the
    # parameters as a whole do.
    assert parameters_without_gradient(tiny_model, contrastive + captioning) == set()
    without = parameters_without_gradient(tiny_model, contrastive)
    assert without and all(n.startswith(('text.multimodal', 'captioning_head')) for n in without)
    without = parameters_without_gradient(tiny_model, captioning)
    assert {n.split('.')[-1] for n in without if 'cls' in n} == {'cls_embedding', 'weight', 'bias'}
    assert all(
        n.startswith(('neck.contrastive_pooler', 'contrastive_head', 'text.unimodal.cls'))
        for n in without
    )


def test_one_forward_serves_both_losses(tiny_model, images):
    calls = []
    for name in ('backbone', 'neck', 'text.unimodal', 'text.multimodal'):
        module = tiny_model.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    tiny_model(images, samples_of(CAPTIONS), mode='loss')
    assert sorted(calls) == ['backbone', 'neck', 'text.multimodal', 'text.unimodal']


def test_losses_do_not_depend_on_padding(tiny_model, images):
    """The captioning loss of a batch is the token-weighted mean of its sentences' losses."""
    tiny_model = tiny_model.double().eval()
    together = tiny_model(images.double(), samples_of(CAPTIONS), mode='loss')['loss_captioning']
    total, count = 0.0, 0
    for image, caption in zip(images.double(), CAPTIONS):
        tokens = int(tiny_model.tokenizer([caption]).lengths) - 1
        loss = tiny_model(image[None], samples_of([caption]), mode='loss')['loss_captioning']
        total, count = total + loss * tokens, count + tokens
    torch.testing.assert_close(together, total / count)


def test_embeddings_are_normalised_and_equal_in_all_modes(tiny_model, images):
    image_embeddings = tiny_model.encode_image(images)
    text_embeddings = tiny_model.encode_text(CAPTIONS)
    assert image_embeddings.shape == text_embeddings.shape
    torch.testing.assert_close(image_embeddings.norm(dim=-1), torch.ones(4))
    torch.testing.assert_close(text_embeddings.norm(dim=-1), torch.ones(4))
    features = tiny_model(images, samples_of(CAPTIONS))
    torch.testing.assert_close(features['image_feat'], image_embeddings)
    torch.testing.assert_close(features['text_feat'], text_embeddings)
    captions = [['hot pepper', 'cat'], 'person: blond hair', ['cat'], 'hot pepper']
    predictions = tiny_model(images, samples_of(captions), mode='predict')
    assert [len(sample.text_features) for sample in predictions] == [2, 1, 1, 1]
    torch.testing.assert_close(
        torch.stack([s.image_feature for s in predictions]), image_embeddings
    )
    torch.testing.assert_close(predictions[0].text_features, text_embeddings[[0, 2]])
    assert [s.pred_caption for s in predictions] == tiny_model.generate(images)


def test_embeddings_do_not_depend_on_the_batch(tiny_model, images):
    """The tiny model's head normalises over batches in training, by running averages after it."""
    tiny_model.train()
    tiny_model(images, samples_of(CAPTIONS), mode='loss')
    head = tiny_model.contrastive_head
    assert head.image_norm.running_mean.abs().sum() > 0
    assert head.text_norm.running_mean.abs().sum() > 0
    tiny_model.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            tiny_model.encode_image(images)[1],
            tiny_model.encode_image(images[1:2])[0]
        )
        torch.testing.assert_close(
            tiny_model.encode_text(CAPTIONS)[1],
            tiny_model.encode_text(CAPTIONS[1:2])[0]
        )


def test_predict_works_without_captions(tiny_model, images):
    predictions = tiny_model(images, mode='predict')
    assert all('pred_caption' in sample and 'text_features' not in sample for sample in predictions)


def test_duplicate_captions_are_no_negatives(tiny_model, images):

    def contrastive(captions):
        return tiny_model(images, samples_of(captions), mode='loss')['loss_contrastive']

    image, text = tiny_model.encode_image(images), tiny_model.encode_text(CAPTIONS)
    logits = image @ text.T * tiny_model.contrastive_head.scale
    logits[0, 3] = logits[3, 0] = -torch.inf  # rows 0 and 3 share their caption
    targets = torch.arange(4)
    expected = torch.nn.functional.cross_entropy(logits, targets) / 2
    expected += torch.nn.functional.cross_entropy(logits.T, targets) / 2
    torch.testing.assert_close(contrastive(CAPTIONS), expected)


@pytest.mark.parametrize('mode', ['cascade', 'parallel'])
def test_pooler_arrangements(tiny_config, images, mode):
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    cfg['neck']['mode'] = mode
    model = MODELS.build(cfg)
    global_tokens, regional_tokens = model.pool(images)
    assert global_tokens.shape == (4, 1, cfg['text']['dims'])
    assert regional_tokens.shape == (4, cfg['neck']['num_queries'], cfg['text']['dims'])
    # In the cascade, what the caption queries learn reaches the contrastive query.
    global_tokens.sum().backward()
    queries = model.neck.captioning_pooler.queries
    assert (queries.grad is not None) == (mode == 'cascade')


def test_dual_encoder_and_encoder_decoder_are_configs(tiny_config, images):
    init_default_scope('mmpretrain')
    dual = tiny_config.model.to_dict()
    del dual['captioning_head']
    dual['text']['num_multimodal_layers'] = 0
    model = MODELS.build(dual)
    assert set(model(images, samples_of(CAPTIONS), mode='loss')) == {
        'loss_contrastive',
        'temperature',
    }
    assert 'pred_caption' not in model(images, mode='predict')[0]
    with pytest.raises(ValueError, match='no captioning_head'):
        model.generate(images)

    captioner = tiny_config.model.to_dict()
    del captioner['contrastive_head']
    model = MODELS.build(captioner)
    assert set(model(images, samples_of(CAPTIONS), mode='loss')) == {'loss_captioning'}
    with pytest.raises(ValueError, match='no contrastive_head'):
        model.encode_image(images)


def test_single_encoder_under_mmpretrain_classifier(images, tiny_config):
    init_default_scope('mmpretrain')
    backbone = dict(tiny_config.model.backbone.to_dict(), out_type='avg_featmap')
    width = backbone['arch']['embed_dims']
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            head=dict(type='LinearClsHead', num_classes=7, in_channels=width),
        )
    )
    predictions = model(images, mode='predict')
    assert [tuple(sample.pred_score.shape) for sample in predictions] == [(7, )] * 4


def test_tied_embeddings_share_one_matrix(tiny_config, images):
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    untied = sum(p.numel() for p in MODELS.build(cfg).parameters())
    cfg['captioning_head']['tie_embeddings'] = True
    model = MODELS.build(cfg)
    saved = untied - sum(p.numel() for p in model.parameters())
    assert saved == cfg['text']['vocab_size'] * cfg['text']['dims']
    assert model.captioning_head.weight is model.text.unimodal.token_embedding.weight
    model(images, samples_of(CAPTIONS), mode='loss')['loss_captioning'].backward()


def test_frozen_parts_do_not_learn(tiny_config, images):
    """Two optimizer steps with dropout on: the frozen parts stay, all else moves."""
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    cfg['frozen'] = ['backbone', 'text.unimodal']
    cfg['text']['dropout'] = 0.5
    cfg['backbone']['drop_path_rate'] = 0.9
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert model.training and not model.backbone.training and not model.text.unimodal.training
    assert model.text.multimodal.training
    torch.testing.assert_close(model.backbone(images)[-1], model.backbone(images)[-1])
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    losses = model.train()(images, samples_of(CAPTIONS), mode='loss')
    sum(loss for name, loss in losses.items() if 'loss' in name).backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        is_frozen = name.startswith(('backbone.', 'text.unimodal.'))
        assert torch.equal(parameter, before[name]) == is_frozen, name
    for name in ('backbon', ''):
        message = f"frozen: no module or parameter is named '{name}', as .*backbone"
        with pytest.raises(ValueError, match=message):
            MODELS.build(dict(cfg, frozen=[name]))
    with pytest.raises(ValueError, match=r"frozen is a list of parts: \['backbone'\]"):
        MODELS.build(dict(cfg, frozen='backbone'))


@pytest.mark.parametrize('options', [dict(qk_norm=True), dict(logit_soft_cap=50.0)])
def test_attention_options_reach_every_part_and_learn(tiny_config, images, options):
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    for part in ('backbone', 'neck', 'text'):
        cfg[part]['attention_cfg'] = options
    model = MODELS.build(cfg)
    names = [name for name, _ in model.named_parameters() if 'key_norm' in name]
    assert len(names) == (2 * (3 + 2 + 3) if 'qk_norm' in options else 0)
    losses = model(images, samples_of(CAPTIONS), mode='loss')
    loss = losses['loss_contrastive'] + losses['loss_captioning']
    assert loss.isfinite() and parameters_without_gradient(model, loss) == set()
    assert len(model.eval().generate(images)) == 4


@pytest.mark.parametrize(
    'change, numbers',
    [
        (dict(text=dict(dims=96)), ('384', '96')),
        (dict(text=dict(memory_dims=96)), ('384', '96')),
        (dict(neck=dict(memory_dims=96)), ('128', '96')),
        (dict(neck=dict(num_heads=7)), ('neck', '384', '7')),
        (dict(neck=dict(attention_cfg=dict(logit_soft_cap=0.0))), ('neck', '0.0')),
        (dict(contrastive_head=dict(init_temperature=0)), ('contrastive_head', '0')),
        (dict(generation=dict(max_length=99)), ('99', '24')),
        (dict(generation=dict(num_beams=3, num_beam_groups=2)), ('3', '2')),
        (dict(contrastive_head=dict(dims=96)), ('384', '96')),
        (dict(text=dict(vocab_size=1000)), ('2048', '1000')),
        (dict(text=dict(max_length=10)), ('24', '10')),
        (dict(text=dict(num_heads=5)), ('384', '5')),
        (dict(backbone=dict(img_size=50, patch_size=8)), ('50', '8')),
        (dict(neck=dict(mode='serial')), ('serial', 'cascade')),
        (dict(text=dict(num_multimodal_layers=0)), ('num_multimodal_layers', '0')),
    ],
)
def test_contradictions_are_named_when_building(tiny_config, change, numbers):
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    for part, options in change.items():
        cfg[part].update(options)
    with pytest.raises(ValueError) as error:
        MODELS.build(cfg)
    assert all(number in str(error.value) for number in numbers)


def test_contradictions_of_open_clips_layout(repository):
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-b-p32.py').model
    for part, options, numbers in (
        ('neck', dict(num_queries=1), ('num_queries 1', )),
        ('text', dict(unimodal=dict(pad_id=5)), ('id 5', 'padding is 0')),
    ):
        changed = Config(dict(model=cfg.to_dict()))
        changed.merge_from_dict({'model': {part: options}})
        with torch.device('meta'), pytest.raises(ValueError) as error:
            MODELS.build(changed.model)
        assert all(number in str(error.value) for number in numbers)


def test_a_model_without_heads_and_unknown_options_of_a_part(tiny_config):
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    with pytest.raises(ValueError, match='needs a contrastive_head or a captioning_head'):
        MODELS.build(dict(cfg, contrastive_head=None, captioning_head=None))
    cfg['neck']['attention_cfg'] = dict(qknorm=True)
    with pytest.raises(TypeError, match="neck: .*'qknorm'"):
        MODELS.build(cfg)


def test_weights_of_something_else_are_refused(tiny_model):
    """Not passed over, as MMEngine does with tensors that it does not know."""
    with pytest.raises(ValueError, match='none of the 1 tensors .*open_clip_to_mmcoca.py'):
        tiny_model.load_state_dict({'visual.conv1.weight': torch.zeros(1)}, strict=False)
    with pytest.raises(ValueError, match='none of the 1 tensors'):
        load_state_dict(tiny_model, {'visual.conv1.weight': torch.zeros(1)})
    some = dict(list(tiny_model.state_dict().items())[:3])
    tiny_model.load_state_dict(some, strict=False)
    tiny_model.load_state_dict({}, strict=False)
    with pytest.raises(ValueError, match='none of the 1 tensors'):
        copy.deepcopy(tiny_model).load_state_dict({'visual.conv1.weight': torch.zeros(1)})


@pytest.mark.parametrize('load', [torch.nn.Module.load_state_dict, load_state_dict])
def test_a_model_within_a_module_takes_the_weights_that_there_are(tiny_model, load):
    scale = tiny_model.contrastive_head.logit_scale
    whole = torch.nn.ModuleDict(dict(coca=tiny_model, probe=torch.nn.Linear(2, 2)))
    load(whole, {'probe.bias': torch.ones(2)}, strict=False)
    assert torch.equal(whole['probe'].bias, torch.ones(2))
    load(whole, {'coca.contrastive_head.logit_scale': torch.tensor(3.0)}, strict=False)
    assert scale == 3


def test_unknown_mode_and_options(tiny_model, images):
    with pytest.raises(ValueError, match='los'):
        tiny_model(images, mode='los')
    with pytest.raises(ValueError, match='max_length 99'):
        tiny_model.generate(images, max_length=99)
    with pytest.raises(ValueError, match='min_length 9'):
        tiny_model.generate(images, min_length=9, max_length=10)


@pytest.mark.parametrize('options', [dict(), dict(attention_cfg=dict(qk_norm=True))])
def test_a_traced_image_encoder_takes_other_batches(tiny_config, images, options):
    """With queries that attend to the memory itself, and to keys and values."""
    init_default_scope('mmpretrain')
    cfg = tiny_config.model.to_dict()
    cfg['neck'].update(options)
    model = MODELS.build(cfg).eval()

    class Encoder(torch.nn.Module):

        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, batch):
            return self.model.encode_image(batch)

    with torch.no_grad():
        traced = torch.jit.trace(Encoder(), images)
        for batch in (images[:1], images[:3], images.repeat(2, 1, 1, 1)):
            torch.testing.assert_close(traced(batch), model.encode_image(batch))
