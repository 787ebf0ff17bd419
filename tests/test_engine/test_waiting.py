# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A training step asks no tensor for its value: on a GPU the host would wait for the device."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import FUNCTIONS
from mmpretrain.registry import DATASETS, MODELS
from torch.utils._python_dispatch import TorchDispatchMode

from mmcoca.datasets import CollateWithTexts

ASKING = {'_local_scalar_dense', 'nonzero', 'masked_select', 'equal', 'is_nonzero', 'bincount'}


class NoValueAsked(TorchDispatchMode):
    """Raises where an operator needs the value of a tensor, or a size that depends on one."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        name = operator.overloadpacket.__name__
        has_mask = name.startswith(('index', '_unsafe_index')) and any(
            tensor is not None and tensor.dtype == torch.bool
            for arg in args if isinstance(arg, (list, tuple))
            for tensor in arg if isinstance(tensor, torch.Tensor)
        )
        if name in ASKING or name.startswith(('_unique', 'unique')) or has_mask:
            raise AssertionError(f'{name} waits for the device')
        return operator(*args, **(kwargs or {}))


def test_the_mode_catches_what_waits():
    x = torch.ones(3)
    for ask in (lambda: x.sum().item(), lambda: x[x > 0], lambda: x.nonzero(), lambda: bool(x[0])):
        with pytest.raises(AssertionError, match='waits for the device'), NoValueAsked():
            ask()


MODELS_OF_STEPS = dict(
    tiny={},
    duplicates=dict(contrastive_head=dict(loss=dict(ignore_duplicates=True))),
    micro_batches=dict(micro_batch_size=3),
    open_clip=dict(
        text=dict(
            unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
            multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
        ),
        captioning_head=dict(ignore_index=1),
    ),
    patch_dropout=dict(backbone=dict(patch_dropout=0.5), text=dict(token_multiple=64)),
)


@pytest.mark.parametrize('kind', MODELS_OF_STEPS)
def test_a_step_asks_for_no_value(runner_config, kind):
    """From the loaded batch to the clipped gradients; plain SGD is what is left of an optimizer."""
    cfg = runner_config
    cfg.merge_from_dict(dict(model=copy.deepcopy(MODELS_OF_STEPS[kind])))
    model = MODELS.build(cfg.model).train()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    collate = CollateWithTexts(
        FUNCTIONS.get('default_collate'), model.texts_of_loss, model.tokenizer
    )
    batch = collate([dataset[i] for i in range(8)])
    optim_wrapper = build_optim_wrapper(
        model,
        dict(
            type='mmcoca.OptimWrapper',
            optimizer=dict(type='SGD', lr=0.1, foreach=False),
            clip_grad=dict(max_norm=1.0),
        )
    )
    before = [parameter.clone() for parameter in model.parameters()]
    with NoValueAsked():
        outputs = model.train_step(batch, optim_wrapper)
    assert {'loss_contrastive', 'loss_captioning'} <= outputs.keys()
    assert optim_wrapper.grad_norm > 0
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
    assert sum(changed) > 0.9 * len(changed)


@pytest.mark.parametrize('optimizer', ['AdamW', 'Adafactor', 'Muon'])
def test_the_optimizers_ask_for_their_own_counters_alone(tiny_model, optimizer, monkeypatch):
    """The number of steps is a tensor of the host."""
    kinds = dict(
        AdamW=dict(type='AdamW', lr=1e-3, fused=True),
        Adafactor=dict(type='mmcoca.Adafactor', lr=1e-3, momentum=0.9, beta2_cap=0.999),
        Muon=dict(type='mmcoca.Muon', lr=1e-3),
    )
    constructor = dict(constructor='mmcoca.MuonConstructor') if optimizer == 'Muon' else {}
    wrapper = build_optim_wrapper(
        tiny_model,
        dict(type='mmcoca.OptimWrapper', optimizer=kinds[optimizer], **constructor),
    )
    asked = []

    class Noting(TorchDispatchMode):

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            if operator.overloadpacket.__name__ in ASKING:
                asked.append(args[0])
            return operator(*args, **(kwargs or {}))

    for _ in range(2):
        for parameter in tiny_model.parameters():
            parameter.grad = torch.randn_like(parameter)
        with Noting():
            wrapper.step()
    steps = [s['step'] for s in wrapper.optimizer.state.values() if torch.is_tensor(s.get('step'))]
    own = {step.data_ptr() for step in steps}
    assert all(tensor.data_ptr() in own for tensor in asked)
    if optimizer != 'AdamW':  # whose fused kernel reads it on the device
        assert all(step.device.type == 'cpu' for step in steps)


def test_the_log_has_what_each_step_computed(runner_config, train):
    """Fetched at log lines, the scalars are those of MMEngine's hook, which asks in each step."""
    runner_config.default_hooks.logger.interval = 3  # of 4 steps
    histories = []
    for package in ('mmcoca', 'mmengine'):
        runner_config.default_hooks.runtime_info = dict(type=f'{package}.RuntimeInfoHook')
        runner_config.optim_wrapper.type = f'{package}.OptimWrapper'
        scalars = train(runner_config, package).message_hub.log_scalars
        histories.append(
            {
                key: value.data[0].tolist()
                for key, value in scalars.items()
                if 'time' not in key and 'per_second' not in key
            }
        )
    ours, theirs = histories
    assert len(ours['train/loss']) == 4 and 'train/grad_norm' in ours
    assert ours.keys() == theirs.keys()
    for key, values in theirs.items():
        assert ours[key] == pytest.approx(values, rel=1e-5), key
