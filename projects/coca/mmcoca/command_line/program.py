# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The program `mmcoca`: training, testing and inference from any folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    'train': 'train a model from a config',
    'test': 'evaluate a checkpoint as a config says',
    'caption': 'caption the images of a folder',
    'classify': 'zero-shot classification of a folder of images',
    'answer': 'answer questions about the images of a folder',
    'embed': 'embed a folder of images or a file of texts, for search',
    'search': 'find embedded images by words or by an image',
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that comes first."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog='mmcoca',
        usage='mmcoca COMMAND ...',
        description='CoCa: image-text models that search, caption and classify.\n\n' +
        '\n'.join(f'  {name:{width}}  {text}' for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: mmcoca caption coca_small_icons my_icons --out captions.jsonl; '
        'mmcoca COMMAND --help tells more',
    )
    parser.add_argument('command', choices=COMMANDS, help=argparse.SUPPRESS)
    argv = sys.argv[1:] if argv is None else argv
    command = parser.parse_args(argv[:1]).command
    sys.argv[0] = f'mmcoca {command}'  # what its own --help calls it
    import_module(f'mmcoca.command_line.{command}').main(argv[1:])
