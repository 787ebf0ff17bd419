# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A user's mistakes as one line; other errors keep the traceback that shows where they arose."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mmengine.config import Config
from mmpretrain.utils.dependency import WITH_MULTIMODAL

from mmcoca.datasets import AnnotationError
from mmcoca.datasets.image_text_dataset import UNREADABLE
from mmcoca.errors import SettingError, UserError
from mmcoca.process_settings import keep_freed_memory

from .own_code import arose_in_own_code, line_of_config
from .variables import leaves

MISTAKES = (UserError, AnnotationError, SettingError)
# What libraries raise for settings and data that they cannot take.
COMPLAINTS = (AssertionError, IndexError, KeyError, OSError, TypeError, ValueError)
# Without a file's name, since a file is written through its number.
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def user_errors(interrupted: str = 'interrupted') -> Iterator[None]:
    """The frame of every tool: its process settings, and a user's mistakes as one line.

    What is known to be a mistake of his is one line on stderr, with exit status 1: what our classes
    say of settings and data, and a file of his that the system does not let be read or written.

    Args:
        interrupted: What to say after Ctrl-C.
    """
    keep_freed_memory()
    try:
        yield
        sys.stdout.flush()  # here, where a reader that has gone is no error
    except (*MISTAKES, *UNREADABLE) as error:
        cause = error.__cause__
        if isinstance(error, UNREADABLE) and cause is not None and arose_in_own_code(cause):
            raise
        sys.exit(f'error: {one_line(error)}')
    except OSError as error:
        if arose_in_own_code(error):
            raise
        if isinstance(error, BrokenPipeError):  # the reader of the output has gone, as `head` does
            settle_output()
            sys.exit()
        if error.filename is None and error.errno not in FULL:
            raise
        settle_output()
        place = '' if error.filename is None else f'{error.filename}: '
        sys.exit(f'error: {place}{error.strerror}')
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


def settle_output() -> None:
    """Write what stdout still holds, or drop it: Python would fail on it once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: Exception) -> str:
    """The message of an error, without the traceback that torch puts before a loading worker's."""
    text = str(error).strip()
    if 'Original Traceback' in text:
        text = text.splitlines()[-1].removeprefix(f'{type(error).__module__}.')
        text = text.removeprefix(f'{type(error).__qualname__}: ')
    return ' '.join(text.split())


@contextmanager
def config_errors(cfg: Config) -> Iterator[None]:
    """Turn what libraries raise while they build from a config into a UserError."""
    try:
        yield
    except MISTAKES:
        raise
    except COMPLAINTS as error:
        if arose_in_own_code(error) and not is_about_a_setting(error, cfg):
            raise
        hint = ''
        if 'is not in the mmpretrain::dataset registry' in str(error) and not WITH_MULTIMODAL:
            hint = ' Data sets of image and text need transformers: pip install "mmcoca[tasks]"'
        if 'parameters appear in more than one parameter group' in str(error):
            hint = ': tied weights need optim_wrapper.paramwise_cfg.bypass_duplicate=True'
        raise UserError(f'{cfg.filename}: {reason_of(error)}{hint}') from error


@contextmanager
def data_errors(dataloader: Mapping) -> Iterator[None]:
    """Turn what libraries raise while they load a data set into a UserError that names its files.

    Args:
        dataloader: Its config.
    """
    try:
        yield
    except MISTAKES:
        raise
    except (*COMPLAINTS, RuntimeError) as error:
        if arose_in_own_code(error) and not is_about_a_setting(error, dataloader):
            raise
        files = ', '.join(dict.fromkeys(files_of(dataloader)))
        about = f'data set of {files}: ' if files else ''
        said = reason_of(error)
        if not said.startswith(type(error).__name__):
            said = f'{type(error).__name__}: {said}'
        raise UserError(f'{about}{said}') from error


def is_about_a_setting(error: Exception, settings: Mapping) -> bool:
    """Whether a setting is none of a class's, though a class of the user's handed it on."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return unknown is not None and any(
        unknown[1] in place.split('.') for place, _ in leaves(dict(settings))
    )


def files_of(settings: object) -> Iterator[str]:
    """The files that a config of a data set, or of one around it, names; or else its folder."""
    if isinstance(settings, Mapping):
        root = str(settings.get('data_root') or '')
        files = [settings.get(name) for name in ('ann_file', 'question_file')]
        named = [os.path.join(root, file) for file in files if isinstance(file, str) and file]
        yield from named or ([root] if root else [])
        for value in settings.values():
            yield from files_of(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from files_of(value)


def reason_of(error: Exception) -> str:
    """What an error says, with its kind where that is not said: a KeyError only names a key."""
    said = ' '.join(str(error.args[0] if len(error.args) == 1 else error).split())
    if isinstance(error, KeyError | IndexError) or not said:
        said = f'{type(error).__name__}: {error}'
    return said


@contextmanager
def program_errors(filename: str) -> Iterator[None]:
    """Turn what a config, which is a program, raises as it runs into a UserError with its line."""
    try:
        yield
    except MISTAKES:
        raise
    except SyntaxError as error:
        # MMEngine parses a config without telling its name.
        name = filename if (error.filename or '<').startswith('<') else error.filename
        place = f'{name} line {error.lineno}'
        raise UserError(f'{place}: {error.msg}') from error
    except Exception as error:
        if arose_in_own_code(error):
            raise
        place = line_of_config(error) or f'{filename}: '
        raise UserError(f'{place}{reason_of(error)}') from error
