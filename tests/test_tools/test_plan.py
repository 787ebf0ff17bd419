# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Plans beside what torch counts and what a process really needs."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmcoca.engine import EMAHook, UtilizationHook
from mmcoca.models.step_cost import StepWithoutValues
from mmcoca.models.text import TextBatch
from mmcoca.operations import operations_of

LENGTH = 12


def parts(width, image_layers, text_layers):
    """Some layers of Base, what a test has time for."""
    arch = dict(
        _delete_=True,
        embed_dims=width,
        num_layers=image_layers,
        num_heads=8,
        feedforward_channels=4 * width
    )
    return dict(
        backbone=dict(arch=arch),
        neck=dict(num_queries=64, memory_dims=width),
        text=dict(
            num_unimodal_layers=text_layers,
            num_multimodal_layers=text_layers,
            vocab_size=50000,
        ),
        captioning_head=dict(vocab_size=50000),
    )


SIZES = dict(small=parts(384, 3, 1), middle=parts(512, 4, 3))

MEASURE = """
import json, re, sys
from pathlib import Path
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmcoca.models.text import TextBatch

def resident(field):
    status = Path('/proc/self/status').read_text()
    return 1024 * int(re.search(field + r':\\s+(\\d+) kB', status)[1])

cfg, num_pairs = Config.fromfile(sys.argv[1]), int(sys.argv[2])
init_default_scope('mmpretrain')
torch.randn(64, 64) @ torch.randn(64, 64)
before = resident('VmRSS')
model = MODELS.build(cfg.model).train()
optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
shape = num_pairs, LENGTH
texts = TextBatch(torch.randint(3, 2000, shape), torch.full(shape[:1], LENGTH))
for _ in range(2):  # the second has the optimizer's moments too
    images = torch.randn(num_pairs, 3, *model.backbone.img_size)
    losses = model.losses(images, **model.prepare((), [texts]))
    optimizer.update_params(model.parse_losses(losses)[0])
print(json.dumps(resident('VmHWM') - before))
""".replace('LENGTH', str(LENGTH))


@pytest.fixture(scope='module')
def configs(repository, tmp_path_factory):
    """Files of both sizes, at half of Base's resolution."""
    folder = tmp_path_factory.mktemp('configs')
    for name, model in SIZES.items():
        cfg = Config.fromfile(repository / 'configs' / 'coca' / 'coca_base.py')
        cfg.merge_from_dict(dict(model=model))
        cfg.model.backbone.update(img_size=144)
        cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', fused=True))
        cfg.dump(folder / f'{name}.py')
    return folder


@pytest.fixture(scope='module')
def plan():
    """The tool as a module."""
    sys.path.insert(0, 'tools')
    import plan

    return plan


@pytest.mark.parametrize('size, num_pairs', [('small', 64), ('middle', 24)])
def test_memory_is_what_a_process_needs(configs, plan, size, num_pairs):
    path = configs / f'{size}.py'
    init_default_scope('mmpretrain')
    planned = plan.make_plan(Config.fromfile(path), num_pairs, 1, LENGTH, torch.float32).memory
    done = subprocess.run(
        [sys.executable, '-c', MEASURE, path, str(num_pairs)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    needed = json.loads(done.stdout.splitlines()[-1])
    assert planned == pytest.approx(needed, rel=0.1)


def test_operations_are_those_of_a_real_step(configs):
    """As torch counts them in a step of real values, and as they grow with the text."""
    cfg = Config.fromfile(configs / 'small.py')
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model).train()
    texts = TextBatch(torch.full((4, LENGTH), 7), torch.full((4, ), LENGTH))

    def step():
        losses = model.losses(torch.randn(4, 3, 144, 144), **model.prepare((), [texts]))
        model.parse_losses(losses)[0].backward()

    assert StepWithoutValues(cfg.model).cost(4, LENGTH).operations == operations_of(step)
    hook = UtilizationHook(peak=1e12)
    hook.before_train(SimpleNamespace(model=model, cfg=cfg))
    many = StepWithoutValues(cfg.model).cost(64, LENGTH).operations
    assert 64 * (hook.of_pair + hook.of_token * LENGTH) == pytest.approx(many, rel=5e-3)


def test_the_plan_that_the_page_shows_is_what_the_command_prints(repository, run_tool):
    command, told = re.search(
        r'```bash\npython tools/(plan.py .*?)\n```.*?```\n(.*?)```',
        (repository / 'docs' / 'scale.md').read_text(),
        flags=re.DOTALL,
    ).groups()
    done = run_tool(*command.split())
    assert done.returncode == 0 and done.stdout == told, done.stderr


@pytest.mark.parametrize('value', ['0', '-40', '101', 'nan'])
def test_a_utilization_that_cannot_be(run_tool, configs, value):
    done = run_tool('plan.py', configs / 'small.py', '--utilization', value)
    assert done.returncode == 2 and 'not more than 0 and at most 100' in done.stderr


def test_micro_batches_and_shards_need_less(configs, plan):
    cfg = Config.fromfile(configs / 'small.py')
    init_default_scope('mmpretrain')
    whole = plan.make_plan(cfg, 256, 8)
    sharded = whole.sharded(8)
    assert sharded.optimizer == whole.optimizer / 8 and sharded.activations == whole.activations
    assert whole.optimizer == pytest.approx(2 * whole.parameters, rel=1e-4)  # AdamW's
    cfg.model.activation_checkpointing = ['backbone', 'neck', 'text']
    again = plan.make_plan(cfg, 256, 8)
    assert again.activations < whole.activations / 2 and again.operations == whole.operations
    # Not a whole forward pass: neither the last product of a layer nor what is in none.
    assert 1.05 * whole.computed < again.computed < 4 / 3 * whole.computed
    del cfg.model.activation_checkpointing
    cfg.model.micro_batch_size = 32
    assert plan.make_plan(cfg, 256, 8).activations < whole.activations / 4


def test_averages_need_what_the_hook_keeps(configs, plan):
    cfg = Config.fromfile(configs / 'small.py')
    cfg.model.frozen = ['backbone']
    init_default_scope('mmpretrain')
    without = plan.make_plan(cfg, 64, 8)
    cfg.custom_hooks = [dict(type='mmcoca.EMAHook', momentum=0.1)]
    averaged = plan.make_plan(cfg, 64, 8)
    hook, model = EMAHook(), MODELS.build(cfg.model)
    hook.before_train(SimpleNamespace(model=model))
    kept = sum(tensor.untyped_storage().nbytes() for tensor in hook.state_dict().values())
    assert averaged.memory - without.memory == averaged.averages == kept
    assert averaged.sharded(8).averages == kept / 8 and without.averages == 0


def test_what_cannot_be_planned_is_one_line(run_tool):
    done = run_tool('plan.py', 'configs/coca/coca_2b.py', '--gpus', 7, '--batch-size', 64)
    assert done.returncode == 1 and 'does not divide into 7 GPUs' in done.stderr
    done = run_tool('plan.py', 'configs/coca/zeroshot/coca_2b_imagenet.py')
    assert done.returncode == 1 and 'Traceback' not in done.stderr


def test_mfu_is_in_the_log(run_tool, emoji_data, tmp_path):
    """Of a known peak, it is what the counted operations and the logged time of a step say."""
    done = run_tool(
        'train.py', 'configs/coca/coca_tiny_emoji.py', '--no-validate', '--work-dir', tmp_path,
        '--cfg-options', f'train_dataloader.dataset.data_root={emoji_data}',
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        'train_dataloader.dataset.indices=32', 'train_dataloader.batch_size=32',
        'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
        'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1',
        'default_hooks.utilization.peak=1e12'
    )
    assert done.returncode == 0, done.stderr
    (log, ) = tmp_path.glob('*/vis_data/scalars.json')
    row = json.loads(log.read_text().splitlines()[0])
    operations = row['mfu'] / 100 * 1e12 * row['time']
    cfg = Config.fromfile('configs/coca/coca_tiny_emoji.py')
    cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    step = StepWithoutValues(cfg.model)
    assert step.cost(32, 3).operations < operations < step.cost(32, 12).operations
