# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Convert open_clip's CoCa weights to a checkpoint for configs/coca/open_clip_*.py, and back."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import mmcoca
from mmcoca.command_line import user_errors
from mmcoca.errors import UserError
from mmcoca.weights import (
    WeightsError,
    check_target,
    from_open_clip,
    read_state_dict,
    to_open_clip,
    write_weights,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/model_converters/open_clip_to_mmcoca.py '
        'open_clip_model.safetensors coca_vit-b-p32.pth',
    )
    parser.add_argument('source', metavar='SRC', help='weights: .safetensors, .pt, .bin or .pth')
    parser.add_argument(
        'target',
        metavar='DST',
        help='file to write: .safetensors or .pth; with --reverse .safetensors, .pt or .bin'
    )
    parser.add_argument(
        '--reverse', action='store_true', help='SRC is a checkpoint of mmcoca, DST for open_clip'
    )
    args = parser.parse_args(argv)
    endings = ('.safetensors', *(('.pt', '.bin') if args.reverse else ('.pth', )))
    if not args.target.endswith(endings):
        parser.error(f'DST {args.target}: the ending must be one of {", ".join(endings)}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Read, convert, write."""
    args = parse_args(argv)
    with user_errors():
        check_target(args.source, args.target)
        state_dict = read_state_dict(args.source)
        is_ours = any(name.startswith('backbone.') for name in state_dict)
        if is_ours and not args.reverse:
            raise UserError(f'{args.source} is a checkpoint of mmcoca: add --reverse')
        kind = 'mmcoca in the layout of open_clip' if args.reverse else 'open_clip'
        try:
            converted = (to_open_clip if args.reverse else from_open_clip)(state_dict)
        except WeightsError as error:
            is_clip = 'visual.class_embedding' in state_dict and not any(
                name.startswith('text_decoder') for name in state_dict
            )
            hint = ' (a CLIP, without the text_decoder?)' if is_clip else ''
            raise UserError(f'{args.source} is not a CoCa of {kind}{hint}: {error}') from error
        meta = dict(mmcoca_version=mmcoca.__version__, source=Path(args.source).name)
        write_weights(converted, args.target, None if args.reverse else meta)
    print(f'{len(state_dict)} tensors of {args.source} -> {args.target}')


if __name__ == '__main__':
    main()
