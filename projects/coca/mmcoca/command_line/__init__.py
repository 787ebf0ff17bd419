# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .configs import load_config
from .errors import config_errors, program_errors, user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import (
    ConfigOptions,
    add_common_arguments,
    check_options,
    check_out,
    parse_option,
    positive,
)
from .progress import exit_with, show_progress
from .runners import build_runner, build_testing, build_training

__all__ = [
    'ConfigOptions',
    'add_common_arguments',
    'add_model_arguments',
    'build_runner',
    'build_testing',
    'build_training',
    'check_options',
    'check_out',
    'config_errors',
    'exit_with',
    'load_config',
    'load_model_of',
    'parse_model_arguments',
    'parse_option',
    'positive',
    'program_errors',
    'show_progress',
    'user_errors',
]
