# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model in parts beside DistributedDataParallel: steps, clipping, averages, checkpoints."""

import copy
import math

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from warm_processes import run_on_ranks

from mmcoca.engine import CPUDataParallel, FullyShardedModel, Muon, OptimWrapper
from mmcoca.errors import SettingError
from mmcoca.registry import OPTIMIZERS

TEXTS = ['hot pepper', 'cat', 'person: blond hair', 'red heart', 'dog', 'sun', 'blue car', 'bee']
STEPS = 3


def build(cfg, **options):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(cfg, **options))
    model.init_weights()
    return model


def optimizer_of(name, model):
    options = dict(lr=1e-3, weight_decay=0.1)
    if name == 'AdamW':
        return torch.optim.AdamW(model.parameters(), fused=True, **options)
    return OPTIMIZERS.build(dict(type='mmcoca.Adafactor', params=model.parameters(), **options))


def batch(step, rank, world_size):
    """This process's part of a batch."""
    generator = torch.Generator().manual_seed(step)
    images = torch.rand(8, 3, 32, 32, generator=generator) * 255
    own = slice(rank * 8 // world_size, (rank + 1) * 8 // world_size)
    samples = [DataSample(gt_caption=text) for text in TEXTS[own]]
    return dict(inputs=images[own], data_samples=samples)


def trained(wrap, cfg, name, **options):
    """Losses, norms of the gradients and weights after some steps."""
    model = wrap(build(cfg, **options))
    wrapper = OptimWrapper(optimizer_of(name, model), clip_grad=dict(max_norm=0.5))
    model.train()
    logs, norms = [], []
    for step in range(STEPS):
        data = batch(step, dist.get_rank(), dist.get_world_size())
        logs.append({k: float(v) for k, v in model.train_step(data, wrapper).items()})
        norms.append(float(wrapper.grad_norm))
    return model, wrapper, logs, norms


def compare(rank, cfg, name, options):
    _, _, logs, norms = trained(CPUDataParallel, cfg, name)
    model, wrapper, own_logs, own_norms = trained(FullyShardedModel, cfg, name, **options)
    # The sum of squares of a clipped norm is taken in another order.
    for one, other in zip(logs, own_logs, strict=True):
        assert one == pytest.approx(other, rel=2e-4)
    assert norms == pytest.approx(own_norms, rel=1e-3)
    local = sum(p.to_local().numel() for p in model.parameters())
    total = sum(p.numel() for p in model.parameters())
    assert local < 0.6 * total
    check_evaluation(model)
    check_bound(cfg, name)
    check_state(model, wrapper, cfg, name, options)


def check_bound(cfg, name):
    """A scale beyond its bound is brought back there, not in a step's copy of it alone."""
    scales = []
    for wrap in (CPUDataParallel, FullyShardedModel):
        model = build(cfg)
        torch.nn.init.constant_(model.contrastive_head.logit_scale, 9.0)
        model = wrap(model).train()
        wrapper = OptimWrapper(optimizer_of(name, model))
        model.train_step(batch(0, dist.get_rank(), dist.get_world_size()), wrapper)
        scale = model.module.contrastive_head.logit_scale.detach()
        scales.append(float(scale.full_tensor() if wrap is FullyShardedModel else scale))
    bound = -math.log(cfg['contrastive_head']['min_temperature'])
    assert scales[0] == pytest.approx(scales[1], rel=1e-5) == pytest.approx(bound, rel=1e-3)


def check_evaluation(model):
    """Whatever is called, by whichever method, as on the model in one piece."""
    state = model.whole_state()
    model.eval()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        features = model.module.encode_image(images)
        texts = model.module.encode_text(TEXTS)
    captions = model.module.generate(images, max_length=6)
    assert len(captions) == 4 and texts.shape[0] == len(TEXTS)
    model.train()
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.whole_state().values()))
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model.module.encode_image(images), features)
    model.train()


def check_state(model, wrapper, cfg, name, options):
    """Whole tensors go to a model in one piece and back, weights and optimizer alike."""
    weights, state = model.whole_state(), model.whole_optimizer_state(wrapper)
    gathered = [(weights, state)]
    dist.broadcast_object_list(gathered)  # as a file would
    weights, state = gathered[0]
    alone = build(cfg)
    alone.load_state_dict(weights)
    assert weights['contrastive_head.logit_scale'].shape == ()
    optimizer = optimizer_of(name, alone)
    optimizer.load_state_dict(state)
    again = FullyShardedModel(build(cfg, **options))
    again.module.load_state_dict(weights)
    other = OptimWrapper(optimizer_of(name, again), clip_grad=dict(max_norm=0.5))
    again.take_optimizer(other.optimizer)
    other.load_state_dict(copy.deepcopy(state))
    again.train()
    data = batch(STEPS, dist.get_rank(), dist.get_world_size())
    logs = [m.train_step(copy.deepcopy(data), w) for m, w in ((model, wrapper), (again, other))]
    assert {k: float(v) for k, v in logs[0].items()} == {k: float(v) for k, v in logs[1].items()}
    after = [m.whole_state() for m in (model, again)]
    assert all(torch.equal(after[0][n], after[1][n]) for n in after[0])


@pytest.mark.parametrize(
    'name, options',
    [
        ('AdamW', {}),
        ('Adafactor', {}),
        ('AdamW', dict(activation_checkpointing=['backbone', 'neck', 'text'])),
        ('AdamW', dict(micro_batch_size=2)),
    ],
)
def test_two_processes_equal_data_parallel(small_config, name, options):
    run_on_ranks(compare, 2, small_config.model.to_dict(), name, options)


def test_refusals():
    model = torch.nn.Linear(2, 2)
    with pytest.raises(SettingError, match='Muon orthogonalises whole matrices'):
        FullyShardedModel.take_optimizer(Muon(model.parameters()))
