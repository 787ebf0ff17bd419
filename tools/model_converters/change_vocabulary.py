# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make weights of one vocabulary fit a model with another one, to go on training with it.

Tokens that both vocabularies have keep their rows in the token embedding and the output matrix,
start and end whatever their names are; the others start anew, as the new model's (seed 0). All else
stays as it is.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmcoca
from mmcoca.command_line import config_errors, program_errors, user_errors
from mmcoca.errors import MissingFileError, UserError
from mmcoca.models import CoCa
from mmcoca.weights import (
    change_vocabulary,
    check_target,
    find_checkpoint,
    read_state_dict,
    tokens_by_meaning,
    write_weights,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/model_converters/change_vocabulary.py '
        'configs/coca/open_clip_vit-b-p32.py coca_vit-b-p32.pth my_config.py '
        'with_my_words.safetensors',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('old_config', help='config of the weights, with their tokenizer')
    parser.add_argument(
        'source', metavar='SRC', help='checkpoint file, or a work directory for its last one'
    )
    parser.add_argument('new_config', help='config of the same model with another tokenizer')
    parser.add_argument('target', metavar='DST', help='file to write, .safetensors or .pth')
    args = parser.parse_args(argv)
    if Path(args.target).suffix not in ('.safetensors', '.pth'):
        parser.error(f'DST {args.target}: the ending must be .safetensors or .pth')
    return args


def build(path: str) -> CoCa:
    """The model of a config, at its start. Raises UserError where it cannot be built."""
    if not Path(path).is_file():
        raise MissingFileError.of('config file', path)
    with program_errors(path):
        cfg = Config.fromfile(path)
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    with config_errors(cfg):
        model = MODELS.build(cfg.model)
    if not hasattr(model, 'tokenizer'):
        raise UserError(f'{path}: its model has no tokenizer')
    return model


def main(argv: Sequence[str] | None = None) -> None:
    """Read, move rows, write."""
    args = parse_args(argv)
    with user_errors():
        check_target(args.source, args.target)
        source = find_checkpoint(args.source)
        weights = read_state_dict(source)
        old, new = build(args.old_config), build(args.new_config)
        try:
            changed, num_kept = change_vocabulary(
                weights,
                new.state_dict(),
                tokens_by_meaning(old.tokenizer),
                tokens_by_meaning(new.tokenizer),
            )
        except ValueError as error:
            raise UserError(f'{args.new_config}: {error}') from error
        meta = dict(mmcoca_version=mmcoca.__version__, source=Path(source).name)
        write_weights(changed, args.target, meta)
    print(f'{num_kept} of {new.tokenizer.vocab_size} tokens keep their rows -> {args.target}')


if __name__ == '__main__':
    main()
