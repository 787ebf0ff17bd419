# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Convert open_clip's CoCa weights to a checkpoint for configs/coca/open_clip_*.py, and back."""

import argparse
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

import mmcoca
from mmcoca.apis.command_line import UserError, read_state_dict, user_errors
from mmcoca.apis.open_clip_weights import WeightsError, from_open_clip, to_open_clip


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/model_converters/open_clip_to_mmcoca.py '
        'open_clip_model.safetensors coca_vit-b-p32.pth',
    )
    parser.add_argument('source', metavar='SRC', help='weights: .safetensors, .pt, .bin or .pth')
    parser.add_argument('target', metavar='DST', help='file to write: .pth; back: .safetensors too')
    parser.add_argument(
        '--reverse', action='store_true', help='SRC is a checkpoint of mmcoca, DST for open_clip'
    )
    args = parser.parse_args()
    endings = ('.safetensors', '.pt', '.bin') if args.reverse else ('.pth', )
    if not args.target.endswith(endings):
        parser.error(f'DST {args.target}: the ending must be one of {", ".join(endings)}')
    return args


def main() -> None:
    """Read, convert, write."""
    args = parse_args()
    with user_errors():
        state_dict = read_state_dict(args.source)
        is_ours = any(name.startswith('backbone.') for name in state_dict)
        if is_ours and not args.reverse:
            raise UserError(f'{args.source} is a checkpoint of mmcoca: add --reverse')
        kind = 'mmcoca in the layout of open_clip' if args.reverse else 'open_clip'
        try:
            converted = (to_open_clip if args.reverse else from_open_clip)(state_dict)
        except WeightsError as error:
            raise UserError(f'{args.source} is not a CoCa of {kind}: {error}') from error
        if not args.reverse:
            meta = dict(mmcoca_version=mmcoca.__version__, source=Path(args.source).name)
            converted = dict(meta=meta, state_dict=converted)
        # First to a file beside it, so that an interruption leaves no half checkpoint.
        partial = f'{args.target}.partial'
        Path(args.target).parent.mkdir(parents=True, exist_ok=True)
        if args.target.endswith('.safetensors'):
            save_file(converted, partial)
        else:
            torch.save(converted, partial)
        os.replace(partial, args.target)
    print(f'{len(state_dict)} tensors of {args.source} -> {args.target}')


if __name__ == '__main__':
    main()
