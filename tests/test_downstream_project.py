# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A user's own project: the wheel installed, and nothing of this repository but that."""

import json
import os
import shutil
import site
import subprocess
import venv
from pathlib import Path

import pytest

CONFIG = """
_base_ = 'mmcoca::coca/coca_base.py'
custom_imports = dict(imports=['captions_in_folders'])

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=64, num_layers=2, num_heads=4, feedforward_channels=128
        ),
        img_size=32,
        patch_size=8,
    ),
    neck=dict(num_queries=8, dims=64, memory_dims=64, num_heads=4),
    text=dict(dims=64, num_heads=4, mlp_dims=128, num_unimodal_layers=1, num_multimodal_layers=1),
    contrastive_head=dict(dims=64),
    captioning_head=dict(dims=64),
)
pipeline = _base_.test_pipeline
pipeline[1].scale = (32, 32)
own = dict(_delete_=True, type='CaptionsInFolders', data_root='drawings', pipeline=pipeline)
train_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False, dataset=own)
val_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False, dataset=dict(own, test_mode=True)
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = _base_.val_evaluator
val_evaluator[1].meteor = False  # a Java program
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=3e-3))
param_scheduler = []
train_cfg = dict(max_iters=60, val_interval=60)
default_hooks = dict(checkpoint=dict(interval=60))
"""
DATA_SET = '''
from pathlib import Path

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS


@DATASETS.register_module()
class CaptionsInFolders(BaseDataset):
    """Each image lies in a folder with the name of its caption."""

    def __init__(self, data_root, **kwargs):
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self):
        return [
            dict(img_path=str(path), gt_caption=path.parent.name, image_id=number)
            for number, path in enumerate(sorted(Path(self.data_root).rglob('*.png')))
        ]
'''


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory) -> Path:
    """The Python of a clean environment with the built wheel.

    What the wheel needs is borrowed from the environment of the tests; this repository is not in
    it, since a path is all that is borrowed.
    """
    folder = tmp_path_factory.mktemp('clean')
    venv.create(folder / 'environment', with_pip=True)
    python = folder / 'environment' / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
    done = subprocess.run(
        [python, '-m', 'pip', 'install', '--no-deps', '--no-index', wheel],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ask = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    packages = subprocess.run([python, '-c', ask], capture_output=True, text=True).stdout.strip()
    Path(packages, 'borrowed.pth').write_text('\n'.join(site.getsitepackages()))
    for borrowed in site.getsitepackages():  # Python 3.12 has no distutils but by setuptools' file
        for file in Path(borrowed).glob('distutils-precedence.pth'):
            shutil.copy(file, packages)
    return python


def test_own_data_set_on_an_inherited_config(python, tmp_path, drawings):
    """One line inherits, a class of one's own loads the data, our entry points train and test."""
    (tmp_path / 'config.py').write_text(CONFIG)
    (tmp_path / 'captions_in_folders.py').write_text(DATA_SET)
    for path, caption in drawings[:8]:
        (tmp_path / 'drawings' / caption).mkdir(parents=True)
        shutil.copy(path, tmp_path / 'drawings' / caption)
    # Where this repository is on the path, its modules would come before the wheel's.
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    for command in (
        ['-c', 'from importlib.util import find_spec; print(find_spec("mmcoca").origin)'],
        ['-m', 'mmcoca.apis.train', 'config.py', '--work-dir', 'run'],
        ['-m', 'mmcoca.apis.test', 'config.py', 'run', '--out', 'm.json', '--out-item', 'metrics'],
    ):
        done = subprocess.run(
            [python, *command], capture_output=True, text=True, cwd=tmp_path, env=env
        )
        assert done.returncode == 0, done.stderr
        if command[0] == '-c':
            assert str(python.parents[1]) in done.stdout
    metrics = json.loads((tmp_path / 'm.json').read_text())
    assert metrics['i2t/retrieval/Recall@1'] >= 75 and metrics['caption/exact_match'] == 100
