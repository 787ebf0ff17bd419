# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training, evaluation and resuming in two processes on CPUs, by the launchers' own means."""

import json
import os
import socket
import subprocess
import sys

import pytest

CONFIG = 'configs/coca/coca_tiny_emoji.py'
LAUNCHERS = dict(
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
)


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


def options(emoji_data, folder, epochs):
    loaders = [
        f'{part}_dataloader.dataset.data_root={emoji_data}' for part in ('train', 'val', 'test')
    ]
    return [
        '--work-dir',
        folder,
        '--cfg-options',
        *loaders,
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        'train_dataloader.dataset.indices=128',
        'val_dataloader.dataset.indices=33',
        'test_dataloader.dataset.indices=33',
        'train_dataloader.batch_size=32',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        f'train_cfg.max_epochs={epochs}',
        'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
    ]


def run_by_torchrun(repository, *arguments):
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
    command += ['--master-port', free_port(), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr
    return done.stdout


def logged(folder):
    """Rows of the newest log."""
    log = max(folder.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_torchrun_trains_resumes_and_tests(repository, emoji_data, tmp_path):
    train = ['tools/train.py', CONFIG, '--launcher', 'pytorch']
    run_by_torchrun(repository, *train, *options(emoji_data, tmp_path, 1))
    rows = logged(tmp_path)
    assert any('i2t/retrieval/Recall@1' in row for row in rows)
    assert (tmp_path / 'epoch_1.pth').is_file()
    run_by_torchrun(repository, *train, '--resume', *options(emoji_data, tmp_path, 2))
    assert (tmp_path / 'epoch_2.pth').is_file()
    test = [
        'tools/test.py', CONFIG, tmp_path, '--launcher', 'pytorch', '--out', tmp_path / 'm.json'
    ]
    test += ['--out-item', 'metrics', *options(emoji_data, tmp_path, 2)]
    run_by_torchrun(repository, *test)
    metrics = json.loads((tmp_path / 'm.json').read_text())
    test = [*test[:3], *test[5:]]
    test[test.index(tmp_path / 'm.json')] = tmp_path / 'alone.json'
    done = subprocess.run(
        [sys.executable, *map(str, test)], capture_output=True, text=True, cwd=repository
    )
    assert done.returncode == 0, done.stderr
    assert metrics == pytest.approx(json.loads((tmp_path / 'alone.json').read_text()), abs=1e-3)


@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_other_launchers(repository, emoji_data, tmp_path, launcher):
    """As their variables tell each process its rank."""
    arguments = ['tools/train.py', CONFIG, '--launcher', launcher, '--no-validate']
    command = [sys.executable, *arguments, *map(str, options(emoji_data, tmp_path, 1))]
    port = free_port()
    processes = []
    for rank in range(2):
        values = dict(zip(LAUNCHERS[launcher], (str(rank), '2', str(rank))))
        values |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, OMP_NUM_THREADS='1')
        processes.append(
            subprocess.Popen(
                command, env=os.environ | values, cwd=repository, stderr=subprocess.PIPE, text=True
            )
        )
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_a_launcher_that_did_not_start_it_is_one_line(run_tool, emoji_data, tmp_path):
    arguments = [CONFIG, '--launcher', 'slurm', *options(emoji_data, tmp_path, 1)]
    done = run_tool('train.py', *arguments)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert '--launcher slurm: SLURM_PROCID, SLURM_NTASKS' in done.stderr
