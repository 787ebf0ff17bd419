# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a training will need, before it is started: operations, memory, traffic and days.

Everything is told from the config; nothing is allocated. The formulas and what they assume:

operations    of both passes, counted by torch on tensors without values; those of the logits of all
              pairs with all by the size of the batch
parameters    4 bytes each, 4 for the gradient, what the config's optimizer keeps, and 4 for the
              average where the config has an EMAHook
activations   what is kept for the backward pass, counted likewise, in the precision of --dtype;
              with model.micro_batch_size those of one micro-batch, with
              model.activation_checkpointing the inputs of layers; the largest moment holds more, by
              what one layer computes with
fsdp          parameters, gradients, optimizer and averages are divided by the number of GPUs;
              besides, two layers are whole at a time
ddp traffic   each GPU sends and gets the gradients in a ring: 2 (GPUs - 1) / GPUs of their bytes
fsdp traffic  parameters are gathered in both passes and gradients scattered: 3 (GPUs - 1) / GPUs
embeddings    each GPU gets the image and text embeddings of all pairs (4 bytes a number), and their
              gradients go back
time          what is computed, operations and what activation checkpointing or micro-batches (a
              forward pass, a third) compute again, at --utilization of the GPUs' peak; traffic and
              loading are hidden behind it
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmcoca.command_line import config_errors, load_config, positive, user_errors
from mmcoca.command_line.options import ConfigOptions
from mmcoca.errors import UserError
from mmcoca.models import CoCa
from mmcoca.models.step_cost import StepWithoutValues
from mmcoca.peaks import PEAKS

GIB = 2**30
MEMORY = {'H200': 141e9, 'H100': 80e9, 'A100': 80e9, 'L40S': 48e9, 'V100': 32e9, 'RTX 4090': 24e9}
DTYPES = {'bfloat16': torch.bfloat16, 'float32': torch.float32}
COUNTED = 4, 8  # pairs between which costs are seen to grow
SECONDS_OF_DAY = 86400


def percentage(text: str) -> float:
    """A number of the command line that is more than 0, at most 100."""
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f'{text} is not more than 0 and at most 100')
    return value


class Plan(NamedTuple):
    """Of a step, for each GPU: the first four are numbers, the others bytes."""

    num_parameters: int
    largest_layer: int
    operations: float
    computed: float
    parameters: float
    gradients: float
    optimizer: float
    averages: float
    activations: float
    whole_layers: float
    traffic: float
    embeddings: float

    @property
    def memory(self) -> float:
        """All that lies on a GPU at the beginning of the backward pass."""
        kept = self.parameters + self.gradients + self.optimizer + self.averages
        return kept + self.activations + self.whole_layers

    def sharded(self, num_gpus: int) -> 'Plan':
        """With the parameters, and what belongs to each, divided over the GPUs."""
        return self._replace(
            parameters=self.parameters / num_gpus,
            gradients=self.gradients / num_gpus,
            optimizer=self.optimizer / num_gpus,
            averages=self.averages / num_gpus,
            whole_layers=2 * 4 * self.largest_layer,
            traffic=3 / 2 * self.traffic,
        )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/plan.py configs/coca/coca_2b.py --gpus 256 '
        '--batch-size 65536',
    )
    parser.add_argument('config', help='config file of a pretraining')
    parser.add_argument('--gpus', type=positive, default=8, help='number (8)')
    parser.add_argument('--gpu', choices=list(PEAKS), default='H100', help='kind (H100)')
    parser.add_argument(
        '--batch-size',
        type=positive,
        help="pairs of all GPUs; the config's own on each if left out"
    )
    parser.add_argument(
        '--text-length', type=positive, default=16, help='tokens, start and end included (16)'
    )
    parser.add_argument('--dtype', choices=list(DTYPES), default='bfloat16', help='(bfloat16)')
    parser.add_argument('--steps', type=positive, default=500_000, help="(the paper's 500,000)")
    parser.add_argument(
        '--utilization',
        type=percentage,
        default=40,
        help='part of the peak at which is computed, in percent (40)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='as in train.py'
    )
    return parser.parse_args(argv)


def make_plan(
    cfg: Config,
    num_pairs: int,
    num_gpus: int = 1,
    text_length: int = 16,
    dtype: torch.dtype = torch.bfloat16,
) -> Plan:
    """What a GPU needs for so many pairs of its own, under DDP."""
    step = StepWithoutValues(cfg.model)
    of_pair, of_step = costs(step, text_length, dtype)
    operations = of_pair[0] * num_pairs + of_step[0]
    if cfg.model.get('activation_checkpointing'):
        again = StepWithoutValues(cfg.model, recomputes=True)
        of_pair, of_step = costs(again, text_length, dtype)
    computed = of_pair[0] * num_pairs + of_step[0]
    held = min(num_pairs, step.model.micro_batch_size or num_pairs)
    embed_dims = step.embed_dims
    logits = 3 * 2 * 2 * embed_dims * num_pairs * num_pairs * num_gpus
    parameters = list(step.model.parameters())
    parameter_bytes = 4 * sum(p.numel() for p in parameters)
    gradient_bytes = 4 * sum(p.numel() for p in parameters if p.requires_grad)
    return Plan(
        num_parameters=sum(p.numel() for p in parameters),
        largest_layer=largest_layer(step.model),
        operations=operations + logits,
        computed=computed + (operations / 3 if held < num_pairs else 0) + logits,
        parameters=parameter_bytes,
        gradients=gradient_bytes,
        optimizer=step.optimizer_bytes(cfg.optim_wrapper),
        averages=num_averages(cfg) * gradient_bytes,
        activations=of_pair[1] * held + of_step[1] + 3 * 4 * num_pairs * num_pairs * num_gpus,
        whole_layers=0,
        traffic=2 * (num_gpus - 1) / num_gpus * gradient_bytes,
        embeddings=2 * 2 * 4 * embed_dims * num_pairs * (num_gpus - 1),
    )


def num_averages(cfg: Config) -> int:
    """How many averages of each trained parameter a config's hooks keep."""
    hooks = [*(cfg.get('custom_hooks') or ()), *(cfg.get('default_hooks') or {}).values()]
    kinds = [hook['type'] for hook in hooks if hook]
    names = [kind if isinstance(kind, str) else kind.__name__ for kind in kinds]
    return sum(name.rpartition('.')[2] == 'EMAHook' for name in names)


def costs(step: StepWithoutValues, text_length: int,
          dtype: torch.dtype) -> tuple[tuple[float, float], tuple[float, float]]:
    """Operations and activations of one pair more, and those that are the same for any number."""
    counted = [step.cost(pairs, text_length, dtype) for pairs in COUNTED]
    return tuple(zip(*(growth(*numbers) for numbers in zip(*counted))))


def growth(few: int, many: int) -> tuple[float, float]:
    """Costs of few and many pairs -> that of one more, and what is the same for any number."""
    of_one = (many - few) / (COUNTED[1] - COUNTED[0])
    return of_one, few - COUNTED[0] * of_one


def largest_layer(model: nn.Module) -> int:
    """Parameters of the largest that is gathered at once: a layer of a stack, or another part."""
    stacked = [layer for m in model.modules() if isinstance(m, nn.ModuleList) for layer in m]
    leaves = [m for m in model.modules() if not list(m.children())]
    return max(sum(p.numel() for p in m.parameters()) for m in stacked + leaves)


def show(name: str, *values: float, unit: float = GIB, digits: int = 2) -> str:
    """A line of the table."""
    return f'{name:22}' + ''.join(f'{value / unit:12.{digits}f}' for value in values)


def report(cfg: Config, args: argparse.Namespace) -> str:
    """The plan of a config, as text."""
    own = cfg.train_dataloader.batch_size * args.gpus
    batch_size = args.batch_size or own
    if batch_size % args.gpus:
        raise UserError(f'--batch-size {batch_size} does not divide into {args.gpus} GPUs')
    pairs = batch_size // args.gpus
    ddp = make_plan(cfg, pairs, args.gpus, args.text_length, DTYPES[args.dtype])
    fsdp = ddp.sharded(args.gpus)
    peak, memory = PEAKS[args.gpu], MEMORY[args.gpu]
    seconds = ddp.computed / (args.utilization / 100 * peak)
    fits = ['yes' if plan.memory < memory else 'no' for plan in (ddp, fsdp)]
    both = [(name, getattr(ddp, name), getattr(fsdp, name)) for name in Plan._fields[4:10]]
    return '\n'.join(
        [
            f'{cfg.filename}: {ddp.num_parameters / 1e6:,.0f} million parameters',
            f'{args.gpus} x {args.gpu}, {batch_size:,} pairs a step, {pairs:,} a GPU, texts of '
            f'{args.text_length} tokens, {args.dtype}',
            '',
            f'{"GiB a GPU":22}{"DDP":>12}{"FSDP2":>12}',
            *(show(name.replace('_', ' '), *values) for name, *values in both if any(values)),
            show('sum', ddp.memory, fsdp.memory),
            f'{f"fits in {memory / GIB:.0f} GiB":22}{fits[0]:>12}{fits[1]:>12}',
            show('traffic a step', ddp.traffic, fsdp.traffic),
            show('embeddings a step', ddp.embeddings, fsdp.embeddings),
            '',
            f'{ddp.operations * args.gpus / 1e15:,.1f} PFLOP a step, '
            f'{ddp.operations / pairs / 1e9:,.1f} GFLOP a pair',
            f'{seconds:.2f} s a step at {args.utilization:g} % of {peak / 1e12:.0f} TFLOP/s a GPU '
            f'({100 * ddp.operations / seconds / peak:.0f} % without what is computed twice): '
            f'{batch_size / seconds:,.0f} pairs/s, {args.steps:,} steps in '
            f'{args.steps * seconds / SECONDS_OF_DAY:,.1f} days',
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the plan."""
    args = parse_args(argv)
    args.local_rank, args.launcher, args.work_dir, args.no_pin_memory = 0, 'none', None, False
    with user_errors():
        cfg = load_config(args)
        init_default_scope('mmpretrain')
        with config_errors(cfg):
            if cfg.model.type not in ('CoCa', 'mmcoca.CoCa', CoCa):
                raise UserError(f'{args.config}: its model is no CoCa in pretraining')
            print(report(cfg, args))


if __name__ == '__main__':
    main()
