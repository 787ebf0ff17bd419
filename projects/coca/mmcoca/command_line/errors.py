# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A user's mistakes as one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config
from mmpretrain.utils.dependency import WITH_MULTIMODAL

from mmcoca.datasets import AnnotationError, UnreadableImageError, UnreadableVideoError
from mmcoca.errors import SettingError, UserError
from mmcoca.process_settings import keep_freed_memory


@contextmanager
def user_errors(interrupted: str = 'interrupted') -> Iterator[None]:
    """The frame of every tool: its process settings, and a user's mistakes as one line.

    What a user can mend is one line on stderr, with exit status 1.

    Args:
        interrupted: What to say after Ctrl-C.
    """
    keep_freed_memory()
    try:
        yield
        sys.stdout.flush()  # here, where a reader that has gone is no error
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit()
    except (UserError, OSError, AnnotationError, SettingError) as error:
        sys.exit(f'error: {error}')
    except (UnreadableImageError, UnreadableVideoError) as error:
        # From a loading worker, torch puts the worker's traceback before the message.
        line = str(error).strip().splitlines()[-1]
        name = f'{type(error).__module__}.{type(error).__name__}: '
        sys.exit(f'error: {line.removeprefix(name)}')
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


@contextmanager
def config_errors(cfg: Config) -> Iterator[None]:
    """Turn what MMEngine raises while it builds from a config into a UserError."""
    try:
        yield
    except (AnnotationError, OSError):
        raise
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        files = files_being_read(error)
        if files:
            reason = f'{type(error).__name__} {error}'.strip()
            raise UserError(
                f'{cfg.filename}: {files}: not as the data set needs it: {reason}'
            ) from error
        if isinstance(error, RuntimeError):
            raise
        hint = ''
        if 'is not in the mmpretrain::dataset registry' in str(error) and not WITH_MULTIMODAL:
            hint = ' Data sets of image and text need transformers: pip install "mmcoca[tasks]"'
        raise UserError(
            f'{cfg.filename}: {error.args[0] if error.args else error}{hint}'
        ) from error


def files_being_read(error: Exception) -> str:
    """The annotation files of the data set in whose loading an error arose, or nothing."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == 'full_init':  # of MMEngine's BaseDataset
            dataset = frame.f_locals['self']
            files = [getattr(dataset, name, '') for name in ('ann_file', 'question_file')]
            return ' and '.join(filter(None, files)) or dataset.data_root
    return ''
