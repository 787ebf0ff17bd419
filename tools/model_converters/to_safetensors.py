# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make a safetensors file of a checkpoint: its weights alone, for others to read without risk.

It serves wherever a checkpoint does: load_from, init_cfg, pretrained, and every tool.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import mmcoca
from mmcoca.command_line import user_errors
from mmcoca.errors import UserError
from mmcoca.weights import check_target, find_checkpoint, read_state_dict, write_weights


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/model_converters/to_safetensors.py work_dirs/coca_tiny_emoji '
        'coca_tiny_emoji.safetensors. Weights that an EMAHook averaged are the ones written.',
    )
    parser.add_argument(
        'source', metavar='SRC', help='checkpoint file, or a work directory for its last one'
    )
    parser.add_argument('target', metavar='DST', help='file to write, .safetensors')
    parser.add_argument(
        '--dtype',
        choices=('float16', 'bfloat16', 'float32'),
        help='precision of the weights; float16 is the closer of the two of 16 bits (as they are)'
    )
    args = parser.parse_args(argv)
    if not args.target.endswith('.safetensors'):
        parser.error(f'DST {args.target}: the ending must be .safetensors')
    return args


def converted(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights in another precision; integers, as counters are, stay.

    Raises UserError for a weight that is too large for it.
    """
    result = {k: w.to(dtype) if w.is_floating_point() else w for k, w in weights.items()}
    for key, weight in result.items():
        if weight.isfinite().all() != weights[key].isfinite().all():
            raise UserError(f'{key} has values too large for {dtype}: use --dtype bfloat16')
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Read, and write."""
    args = parse_args(argv)
    with user_errors():
        check_target(args.source, args.target)
        source = find_checkpoint(args.source)
        weights = read_state_dict(source)
        if args.dtype is not None:
            weights = converted(weights, getattr(torch, args.dtype))
        meta = dict(mmcoca_version=mmcoca.__version__, source=Path(source).name)
        write_weights(weights, args.target, meta)
    print(f'{len(weights)} tensors of {source} -> {args.target}')


if __name__ == '__main__':
    main()
