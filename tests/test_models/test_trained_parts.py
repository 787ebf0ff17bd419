# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What each config trains learns, what it does not train stays; in several processes too."""

import json
import socket

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.nn.parallel import DistributedDataParallel

DIMS = 32
ANSWERS = ['a cat', 'a dog', 'yes', 'two']


def shrink(model: Config, vocab_file: str) -> dict:
    """A config's model with layers 32 wide and the default data's vocabulary."""
    cfg = model.to_dict()
    sizes = dict(dims=DIMS, num_heads=4)
    arch = dict(embed_dims=DIMS, num_layers=2, num_heads=4, feedforward_channels=64)
    cfg['backbone'].update(arch=arch, img_size=32, patch_size=8)
    cfg['backbone'].pop('init_cfg', None)  # weights of a pretraining
    if 'memory_dims' in (cfg.get('neck') or {}):
        cfg['neck'].update(sizes, memory_dims=DIMS)
        if 'num_queries' in cfg['neck']:
            cfg['neck']['num_queries'] = 4  # with 1 the contrastive query has no choice to learn
    if 'text' not in cfg:
        if cfg.get('head'):
            cfg['head']['in_channels'] = DIMS
        return cfg
    cfg['tokenizer'] = dict(
        type='mmcoca.TextTokenizer', vocab_file=vocab_file, max_length=cfg['text']['max_length']
    )
    if 'unimodal' in cfg['text'] and 'pad_id' in cfg['text']['unimodal']:
        cfg['text']['unimodal']['pad_id'] = 0  # that of the default data's vocabulary too
    cfg['text'].update(sizes, mlp_dims=64, vocab_size=2048)
    for part in ('num_unimodal_layers', 'num_multimodal_layers'):
        cfg['text'][part] = min(2, cfg['text'][part])
    if 'memory_dims' in cfg['text']:
        cfg['text']['memory_dims'] = DIMS
    if cfg.get('contrastive_head'):
        head = cfg['contrastive_head']
        head.update({k: DIMS for k in ('dims', 'embed_dims') if k in head})
    if cfg.get('captioning_head'):
        cfg['captioning_head'].update(dims=DIMS, vocab_size=2048)
    if cfg.get('understanding_head'):
        cfg['understanding_head'].update(sizes)
    if 'answers' in cfg:
        cfg['answers'] = ANSWERS
        cfg['understanding_head']['num_classes'] = len(ANSWERS)
    if 'classes' in cfg:
        cfg['classes'] = ['cat', 'dog']
    return cfg


def batch_of(cfg: dict) -> tuple[torch.Tensor, list[DataSample]]:
    """Four items with all that any task reads; images of noise."""
    shape = [4, 3, 32, 32]
    if cfg['backbone']['type'] == 'mmcoca.FrameEncoder':
        shape.insert(1, 2)
    if cfg.get('understanding_head', {}).get('num_images', 1) == 2:
        shape.insert(1, 2)
    samples = []
    for row, caption in enumerate(['hot pepper', 'person: blond hair', 'cat', 'a red car']):
        sample = DataSample().set_gt_label(row % 2)
        sample.set_field(caption, 'gt_caption')
        sample.set_field(caption, 'text')
        sample.set_field(f'is it a {caption}?', 'question')
        sample.set_field(ANSWERS[row:row + 2], 'gt_answer')
        sample.set_field([0.5, 0.5][:len(ANSWERS[row:row + 2])], 'gt_answer_weight')
        samples.append(sample)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)), samples


@pytest.fixture(scope='module')
def model_configs(repository, emoji_data) -> dict[str, dict]:
    """The different models of all configs, made small, by the first config that has each."""
    models = {}
    paths = (repository / 'configs' / 'coca').rglob('*.py')
    paths = [path for path in paths if 'detection' not in str(path)]  # those need mmdet
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        cfg = Config.fromfile(path)
        if '_base_' in path.parts or not ('text' in cfg.model or cfg.model.get('head')):
            continue  # nearest neighbours vote without training
        small = shrink(cfg.model, str(emoji_data / 'tokenizer.json'))
        models.setdefault(json.dumps(small, sort_keys=True, default=str), (path.stem, small))
    return dict(models.values())


def build(cfg: dict) -> torch.nn.Module:
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.train()


def total_loss(model: torch.nn.Module, cfg: dict) -> torch.Tensor:
    losses = model(*batch_of(cfg), mode='loss')
    return sum(loss for name, loss in losses.items() if 'loss' in name)


def test_every_parameter_that_is_not_frozen_has_a_gradient(model_configs):
    assert len(model_configs) > 20
    for name, cfg in model_configs.items():
        model = build(cfg)
        total_loss(model, cfg).backward()
        for parameter_name, parameter in model.named_parameters():
            has_gradient = parameter.grad is not None and bool(parameter.grad.any())
            assert has_gradient == parameter.requires_grad, (name, parameter_name)


WITHOUT_CONTRASTIVE = ('neck.contrastive_pooler.', 'contrastive_head.', 'text.unimodal.cls_')
WITHOUT_CAPTIONING = ('text.multimodal.', 'captioning_head.')


@pytest.mark.parametrize(
    'change, frozen',
    [
        (dict(contrastive_head=dict(loss=dict(loss_weight=0.0))), WITHOUT_CONTRASTIVE),
        (dict(contrastive_head=None), WITHOUT_CONTRASTIVE),
        (dict(captioning_head=dict(loss=dict(loss_weight=0.0))), WITHOUT_CAPTIONING),
        (
            dict(neck=dict(mode='parallel'), captioning_head=None),
            (*WITHOUT_CAPTIONING, 'neck.captioning_pooler.'),
        ),
        (
            dict(frozen=['text.unimodal.cls_embedding', 'backbone.pos_embed']),
            ('text.unimodal.cls_embedding', 'backbone.pos_embed'),
        ),
    ],
)
def test_what_is_not_trained_stays_to_the_bit(tiny_config, change, frozen):
    """20 steps of the tiny recipe, whose weight decay would shrink what has a gradient of zero."""
    tiny = tiny_config.copy()
    tiny.merge_from_dict(dict(model=change))
    cfg = shrink(tiny.model, tiny.model.tokenizer.vocab_file)
    model = build(cfg)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert any(name.startswith(frozen) for name in before)
    optim_wrapper = build_optim_wrapper(model, tiny.optim_wrapper)
    for _ in range(20):
        optim_wrapper.update_params(total_loss(model, cfg))
    for name, tensor in model.state_dict().items():  # running averages of norms too
        assert torch.equal(tensor, before[name]) == name.startswith(frozen), name


def test_a_tied_matrix_learns_by_the_contrastive_loss(tiny_config):
    tiny = tiny_config.copy()
    tiny.merge_from_dict(
        dict(model=dict(captioning_head=dict(tie_embeddings=True, loss=dict(loss_weight=0.0))))
    )
    cfg = shrink(tiny.model, tiny.model.tokenizer.vocab_file)
    model = build(cfg)
    losses = model(*batch_of(cfg), mode='loss')
    assert set(losses) == {'loss_contrastive', 'temperature'}
    losses['loss_contrastive'].backward()
    assert model.captioning_head.weight.grad.any()


def test_a_model_without_a_weighted_loss_says_so(tiny_config):
    tiny = tiny_config.copy()
    waiting = dict(loss=dict(loss_weight=0.0))
    tiny.merge_from_dict(dict(model=dict(contrastive_head=waiting, captioning_head=waiting)))
    cfg = shrink(tiny.model, tiny.model.tokenizer.vocab_file)
    with pytest.raises(ValueError, match='neither loss of this model has a weight'):
        build(cfg)(*batch_of(cfg), mode='loss')


@pytest.fixture
def process_group():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def test_every_config_trains_in_a_process_group(model_configs, process_group):
    """Torch refuses the second step where a parameter that learns had no part in the first."""
    tiny = model_configs['coca_tiny_emoji']
    models = dict(
        model_configs,
        without_contrastive=dict(tiny, contrastive_head=None),
        without_captioning=dict(tiny, captioning_head=None),
        parallel=dict(tiny, captioning_head=None, neck=dict(tiny['neck'], mode='parallel')),
    )
    for name, cfg in models.items():
        model = build(cfg)
        parallel = DistributedDataParallel(model)
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        for _ in range(3):
            optimizer.zero_grad()
            loss = total_loss(parallel, cfg)
            loss.backward()
            optimizer.step()
        assert loss.isfinite(), name
