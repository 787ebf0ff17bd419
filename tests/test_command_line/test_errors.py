# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A user's mistake is one line; an error in his own code keeps its traceback."""

import json
import os
import shutil
import subprocess
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config
from warm_processes import run_warm

from mmcoca.command_line.train import main as train
from mmcoca.errors import UserError

REPOSITORY = Path(__file__).parents[2]

OWN_CODE = '''
import errno

from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook

from mmpretrain.registry import DATASETS, HOOKS, TRANSFORMS

from mmcoca.datasets import ImageTextDataset


@DATASETS.register_module(force=True)
class OwnData(ImageTextDataset):

    def __init__(self, fault=None, **kwargs):
        self.fault = fault
        super().__init__(**kwargs)

    def load_data_list(self):
        if self.fault == 'key':
            return [dict(img_path=item['path']) for item in super().load_data_list()]
        if self.fault == 'file':
            open('/no/such/file')
        if self.fault == 'type':
            len(3)
        return super().load_data_list()


@TRANSFORMS.register_module(force=True)
class OwnTransform(BaseTransform):

    def __init__(self, **options):
        """In the place of one with options, which stay."""

    def transform(self, results):
        raise OSError(errno.EIO, 'the own transform fails', 'a file')


@HOOKS.register_module(force=True)
class OwnHook(Hook):

    def __init__(self, fails=False):
        self.fails = fails

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.fails == 'type':
            len(3)
        if self.fails:
            open('/no/such/file')
'''


@pytest.fixture
def config(tiny_config, drawings, tmp_path, monkeypatch):
    """The tiny recipe over 16 pairs, with a module of the user's own beside it."""
    for path, _ in drawings[:16]:
        shutil.copy(path, tmp_path)
    lines = [json.dumps(dict(image=path.name, caption=word)) for path, word in drawings[:16]]
    (tmp_path / 'pairs.jsonl').write_text('\n'.join(lines))
    (tmp_path / 'own_code.py').write_text(OWN_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'own_code', raising=False)
    cfg = Config(tiny_config.to_dict())
    cfg.custom_imports = dict(imports=['own_code'])
    cfg.custom_hooks = [dict(type='OwnHook')]
    cfg.train_dataloader = dict(cfg.train_dataloader, batch_size=8, num_workers=0)
    cfg.train_dataloader.persistent_workers = False
    cfg.train_dataloader.dataset.update(
        type='OwnData', data_root=str(tmp_path), ann_file='pairs.jsonl', data_prefix=''
    )
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    path = tmp_path / 'config.py'
    cfg.dump(path)
    return path


def run(config, *options):
    train([str(config), '--work-dir', str(config.parent / 'work'), '--cfg-options', *options])


@pytest.mark.parametrize(
    'option, kind, source',
    [
        ('dataset.fault=key', KeyError, "item['path']"),
        ('dataset.fault=file', OSError, "open('/no/such/file')"),
        ('dataset.fault=type', TypeError, 'len(3)'),
        ('dataset.pipeline.1.type=OwnTransform', OSError, 'the own transform fails'),
        ('dataset.pipeline.0.type=OwnTransform', OSError, 'the own transform fails'),
    ],
)
def test_errors_of_own_data_keep_their_traceback(option, kind, source, config):
    assert_traceback(kind, source, config, f'train_dataloader.{option}')


def test_errors_of_a_hook_and_in_a_worker_keep_their_traceback(config):
    assert_traceback(OSError, "open('/no/such/file')", config, 'custom_hooks.0.fails=True')
    assert_traceback(TypeError, 'len(3)', config, 'custom_hooks.0.fails=type')
    transform = 'dataset.pipeline.1.type=OwnTransform'
    options = [f'train_dataloader.{option}' for option in (transform, 'num_workers=1')]
    assert_traceback(OSError, 'the own transform fails', config, *options)


def test_own_code_lies_beside_a_library_whose_name_its_folder_begins_with(config, monkeypatch):
    monkeypatch.setattr('site.USER_SITE', str(config.parent)[:-1])
    assert_traceback(OSError, "open('/no/such/file')", config, 'custom_hooks.0.fails=True')


def assert_traceback(kind, source, config, *options):
    """Training raises an error whose traceback shows the user's line."""
    with pytest.raises(kind) as error:
        run(config, *options)
    shown = ''.join(traceback.format_exception(error.value))
    assert 'own_code.py' in shown and source in shown


def one_line(config, *options):
    """What training ends with."""
    with pytest.raises(SystemExit) as exit:
        run(config, *options)
    line = str(exit.value)
    assert line.startswith('error: ') and '\n' not in line
    return line


def test_mistakes_with_own_classes_are_one_line(config):
    """What is wrong is the user's setting or file, though his class asked for it."""
    (config.parent / 'broken.jsonl').write_text('{"image": 1}\n')
    line = one_line(config, 'train_dataloader.dataset.ann_file=broken.jsonl')
    assert 'broken.jsonl line 1' in line
    line = one_line(config, 'train_dataloader.dataset.ann_file=missing.jsonl')
    assert 'missing.jsonl does not exist' in line
    line = one_line(config, 'model.tokenizer.vocab_file=data/t.json')
    assert f'tokenizer file data/t.json does not exist (looked for in {os.getcwd()})' in line
    line = one_line(config, 'train_dataloader.dataset.nothing=1')
    assert "unexpected keyword argument 'nothing'" in line


def test_tied_weights_with_settings_by_parameter_tell_the_remedy(config):
    optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.1)
    wrapper = dict(optimizer=optimizer, paramwise_cfg=dict(norm_decay_mult=0.0))
    with open(config, 'a') as file:
        file.write(f'\noptim_wrapper = {wrapper}\n')
    tied = 'model.captioning_head.tie_embeddings=True'
    line = one_line(config, tied)
    assert line.endswith('tied weights need optim_wrapper.paramwise_cfg.bypass_duplicate=True')
    run(config, tied, 'optim_wrapper.paramwise_cfg.bypass_duplicate=True')


def test_data_of_libraries_name_their_files(config):
    """A data set of mmpretrain that meets another format."""
    (config.parent / 'list.json').write_text('[1]')
    line = one_line(
        config, 'train_dataloader.dataset._delete_=True', 'train_dataloader.dataset.type=NLVR2',
        f'train_dataloader.dataset.data_root={config.parent}',
        'train_dataloader.dataset.ann_file=list.json'
    )
    assert 'list.json' in line and str(config.parent) in line


def test_a_broken_config_names_its_line(tmp_path):
    path = tmp_path / 'config.py'
    for text, message in (
        ('a = 1\nb = a + x\n', "config.py line 2: name 'x' is not defined"),
        ('a = 1\nb = dict(\n', 'config.py line 2: '),
        ('a = 1\n\nb = 1 / 0\n', 'config.py line 3: division by zero'),
        ("_base_ = 'nothing.py'\n", 'nothing.py'),
    ):
        path.write_text(text)
        assert message in one_line(path, 'load_from=None'), text


def test_a_module_of_ones_own_that_fails_keeps_its_traceback(config):
    (config.parent / 'own_code.py').write_text('import nothing_of_that_name\n')
    with pytest.raises(ImportError) as error:
        run(config, 'load_from=None')
    assert 'nothing_of_that_name' in ''.join(traceback.format_exception(error.value))


def test_a_folder_that_cannot_be_written_is_one_line(config):
    (config.parent / 'file').write_text('')
    with pytest.raises(SystemExit, match='error: .*file'):
        train([str(config), '--work-dir', str(config.parent / 'file' / 'work')])


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='this system has no /dev/full')
def test_a_full_disk_is_one_line():
    """Of the output, and so once more when Python ends."""
    program = 'from mmcoca.command_line import user_errors\nwith user_errors():\n    print("x")'
    with open('/dev/full', 'w') as full:
        command = [sys.executable, '-c', program]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, 'error: No space left on device\n')


def test_the_tool_prints_them(config):
    """As a process: a traceback with exit status 1, and one line with exit status 1."""
    command = [REPOSITORY / 'tools' / 'train.py', config, '--work-dir', 'work']
    paths = os.pathsep.join([str(config.parent), os.environ.get('PYTHONPATH', '')])
    for option, is_own in (('key', True), ('nothing', False)):
        setting = f'train_dataloader.dataset.fault={option}'
        setting = setting if is_own else 'train_dataloader.dataset.nothing=1'
        env = os.environ | dict(PYTHONPATH=paths)
        done = run_warm(*command, '--cfg-options', setting, cwd=config.parent, env=env)
        assert done.returncode == 1
        assert ('Traceback' in done.stderr) == is_own
        assert ('own_code.py' in done.stderr) == is_own


@pytest.mark.skipif(find_spec('mmdet') is not None, reason='mmdet is installed')
@pytest.mark.parametrize('name', ['coca_base_coco', 'coca_small_icons_scenes'])
def test_without_mmdet_one_line_says_what_to_install(name):
    """MMEngine would install the original one from PyPI."""
    with pytest.raises(UserError, match=r'^mmdet is missing: pip install "mmcoca\[detection\]"$'):
        Config.fromfile(REPOSITORY / 'configs' / 'coca' / 'detection' / f'{name}.py')
    assert find_spec('mmdet') is None
