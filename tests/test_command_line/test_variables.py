# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Options that would set a mere variable of a config, told by how the config is made."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmcoca.command_line import check_options
from mmcoca.command_line.variables import settings_made_with
from mmcoca.errors import UserError

CONFIGS = Path(__file__).parents[2] / 'configs' / 'coca'


def places(name, option, value):
    return set(settings_made_with(str(CONFIGS / name), option, value))


def test_settings_are_told_from_equal_ones():
    # model.neck.num_heads is 48 too, and of coca_base the tokenizer's max_length is 64.
    assert places('coca_tiny_emoji.py', 'max_epochs',
                  5) == {'train_cfg.max_epochs', 'train_cfg.val_interval'}
    assert places('coca_base.py', 'batch_size',
                  7) == {f'{part}_dataloader.batch_size'
                         for part in ('train', 'val', 'test')}
    # Made by arithmetic, in a file that inherits.
    rate = 'optim_wrapper.paramwise_cfg.custom_keys.understanding_head.lr_mult'
    assert places('nlvr2/coca_base_nlvr2.py', 'head_lr', 1.0) == {rate}


def test_lists_and_dictionaries_are_guarded_as_numbers_are():
    scale = 'dataset.pipeline.2.scale'
    assert places('coca_tiny_emoji.py', 'test_pipeline.2.scale',
                  (24, 24)) == {f'val_dataloader.{scale}', f'test_dataloader.{scale}'}
    # Changed in place after it was taken from the base.
    assert places('coca_base_576px.py', 'train_pipeline.0.extra',
                  1) == {'train_dataloader.dataset.pipeline.0.extra'}
    assert places('captioning/coca_base_coco.py', 'coco.data_root', 'x') == {
        f'{part}_dataloader.dataset.data_root'
        for part in ('train', 'val', 'test')
    }


def test_a_refusal_names_the_settings():
    path = CONFIGS / 'coca_tiny_emoji.py'
    message = (
        "coca_tiny_emoji.py: 'max_epochs' is a variable, with which the config made "
        'train_cfg.max_epochs, train_cfg.val_interval: set those'
    )
    with pytest.raises(UserError, match=message):
        check_options(Config.fromfile(path), dict(max_epochs=5))
    with pytest.raises(UserError, match="cannot be made with 'max_epochs' as 'x': TypeError"):
        check_options(Config.fromfile(path), dict(max_epochs='x'))


def test_what_no_setting_is_made_with_is_taken(tmp_path):
    """A value of a user's own, which his code reads from the config; chained bases; scopes."""
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'mmcoca::coca/coca_tiny_emoji.py'\n"
        'threshold = 48\n'
        'mine = dict(a=[1, 2])\n'
        "model = dict(text=dict(dropout=_base_.max_epochs / 100), frozen=['backbone'])\n"
    )
    cfg = Config.fromfile(path)
    # Each as its like stands elsewhere by chance.
    check_options(cfg, {'threshold': 5, 'mine.a': [3], 'model.neck.num_heads': 24})
    made = settings_made_with(str(path), 'max_epochs', 5)
    assert set(made) == {'train_cfg.max_epochs', 'train_cfg.val_interval', 'model.text.dropout'}


def test_a_config_with_imports_for_bases_is_left_alone(tmp_path):
    (tmp_path / 'base.py').write_text('epochs = 3\n')
    path = tmp_path / 'mine.py'
    path.write_text(
        'from mmengine.config import read_base\n'
        'with read_base():\n'
        '    from .base import *\n'
        'train_cfg = dict(max_epochs=epochs)\n'
    )
    check_options(Config.fromfile(path), dict(epochs=5))
