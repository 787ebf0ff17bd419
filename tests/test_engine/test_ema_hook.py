# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Averages of weights beside the definition, in training, evaluation and checkpoints."""

import pytest
import torch
from in_process import fresh_managers
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook as MMEngineHook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mmcoca.engine import EMAHook
from mmcoca.engine.ema_hook import KEY
from mmcoca.errors import SettingError
from mmcoca.weights import read_state_dict


class Model(BaseModel):
    """A line, whose weight has two names, with a buffer that counts its steps."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2, 1)
        self.tied = torch.nn.Linear(2, 1, bias=False)
        self.tied.weight = self.line.weight
        self.scale = torch.nn.Parameter(torch.tensor(1.0))
        self.fixed = torch.nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer('steps', torch.zeros(()))
        self.evaluated = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            self.steps += 1
            return dict(loss=(self.scale * self.line(inputs) - 3).square().mean())
        self.evaluated.append(self.line.weight.detach().clone())
        return list(inputs)


class Nothing(BaseMetric):

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(nothing=0)


def loader():
    dataset = [dict(inputs=torch.tensor([i, 1.0]) / 8) for i in range(8)]
    return dict(
        dataset=dataset,
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )


def run(folder, hook, steps, resume=False, load_from=None):
    torch.manual_seed(0)
    with fresh_managers():
        runner = Runner(
            Model(),
            str(folder),
            train_dataloader=loader(),
            val_dataloader=loader(),
            train_cfg=dict(by_epoch=False, max_iters=steps, val_interval=2),
            val_cfg=dict(),
            val_evaluator=[Nothing()],
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)),
            custom_hooks=[hook],
            resume=resume,
            load_from=load_from,
            default_scope='mmengine',
        )
        runner.train()
    return runner.model


def by_definition(steps, momentum, begin_iter):
    """Averages after each step of a training without the hook."""
    averages = []
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    average = model.line.weight.detach().clone()
    for step in range(steps):
        first = 2 * (step % 4)
        inputs = torch.tensor([[first, 1.0], [first + 1, 1.0]]) / 8
        optimizer.zero_grad()
        model(inputs, mode='loss')['loss'].backward()
        optimizer.step()
        weight = model.line.weight.detach()
        part = momentum if step > begin_iter else 1.0
        average = (1 - part) * average + part * weight
        averages.append(average)
    return averages, model


@pytest.mark.parametrize('begin_iter', [0, 3])
def test_averages_are_evaluated_and_saved(tmp_path, begin_iter):
    model = run(tmp_path, EMAHook(momentum=0.2, begin_iter=begin_iter), 6)
    averages, plain = by_definition(6, 0.2, begin_iter)
    torch.testing.assert_close(model.line.weight, plain.line.weight)  # goes on with the weights
    for evaluated, step in zip(model.evaluated[::4], (1, 3, 5), strict=True):
        torch.testing.assert_close(evaluated, averages[step])
    checkpoint = torch.load(tmp_path / 'iter_6.pth', weights_only=False)
    torch.testing.assert_close(checkpoint['state_dict']['line.weight'], averages[5])
    torch.testing.assert_close(checkpoint[KEY]['module.line.weight'], plain.line.weight)
    assert checkpoint['state_dict']['steps'] == 6 and checkpoint['state_dict']['scale'].dim() == 0
    names = ('line.weight', 'tied.weight', 'line.bias', 'scale')
    assert set(checkpoint[KEY]) == {f'module.{name}' for name in names}
    torch.testing.assert_close(checkpoint['state_dict']['tied.weight'], averages[5])
    read = read_state_dict(str(tmp_path / 'iter_6.pth'))
    torch.testing.assert_close(read['line.weight'], averages[5])


@pytest.mark.parametrize('saved_by', ['ours', 'mmengine'])
def test_resumed_to_the_bit(tmp_path, saved_by):
    """By iterations; also what MMEngine's hook has saved."""
    hook = EMAHook(0.2) if saved_by == 'ours' else MMEngineHook(momentum=0.2)
    whole = run(tmp_path / 'whole', hook, 6)
    hook = EMAHook(0.2) if saved_by == 'ours' else MMEngineHook(momentum=0.2)
    run(tmp_path / 'part', hook, 4)
    again = run(
        tmp_path / 'part',
        EMAHook(0.2),
        6,
        resume=True,
        load_from=str(tmp_path / 'part/iter_4.pth')
    )
    states = [
        torch.load(folder / 'iter_6.pth', weights_only=False)
        for folder in (tmp_path / 'whole', tmp_path / 'part')
    ]
    for name, value in states[0]['state_dict'].items():
        torch.testing.assert_close(states[1]['state_dict'][name], value, rtol=1e-6, atol=1e-7)
    assert torch.equal(again.line.weight, whole.line.weight)


def test_a_training_begun_with_averages_has_them_as_weights(tmp_path):
    run(tmp_path / 'first', EMAHook(0.2), 4)
    first = torch.load(tmp_path / 'first/iter_4.pth', weights_only=False)
    second = run(tmp_path / 'second', EMAHook(0.2), 2, load_from=str(tmp_path / 'first/iter_4.pth'))
    assert not torch.equal(second.line.weight, first['state_dict']['line.weight'])
    saved = torch.load(tmp_path / 'second/iter_2.pth', weights_only=False)['state_dict']
    distance = (saved['line.weight'] - first['state_dict']['line.weight']).abs().max()
    assert 0 < distance < 0.13  # a step of 0.1, and a fifth of another


@pytest.mark.parametrize('momentum', [0, 1, -0.1])
def test_mistakes(momentum):
    with pytest.raises(SettingError, match='between 0 and 1'):
        EMAHook(momentum=momentum)
