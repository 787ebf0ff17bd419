# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training, evaluation and resuming in two processes on CPUs, by the launchers' own means."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
import torch
from warm_processes import WarmProcess, run_warm

CONFIG = 'configs/coca/coca_tiny_emoji.py'
# The variables by which each tells a process its rank.
LAUNCHERS = dict(
    pytorch=('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
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


def run(repository, tool, *arguments):
    """Run a tool in a process of its own -> its stdout."""
    done = run_warm(repository / 'tools' / tool, *arguments, cwd=repository)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_by_launcher(launcher, repository, tool, *arguments_of_rank):
    """Run a tool with each of two command lines, with a launcher's variables -> their stdout."""
    port = free_port()
    processes = []
    for rank, arguments in enumerate(arguments_of_rank):
        values = dict(zip(LAUNCHERS[launcher], (str(rank), '2', str(rank))))
        values |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, OMP_NUM_THREADS='1')
        program = repository / 'tools' / tool, *arguments, '--launcher', launcher
        processes.append(WarmProcess(*program, cwd=repository, env=os.environ | values))
    printed = []
    for process in processes:
        done = process.wait()
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    return printed


def run_in_two(repository, tool, *arguments):
    """Run a tool as torchrun would -> the stdout of both."""
    return ''.join(run_by_launcher('pytorch', repository, tool, arguments, arguments))


def logged(folder):
    """Rows of the newest log."""
    log = max(folder.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in log.read_text().splitlines()]


def run_script(repository, script, *arguments, **variables):
    """Run a script of tools/ with this Python."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ['PATH']])
    command = [repository / 'tools' / script, *arguments]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=repository,
        env=os.environ | dict(PATH=path, PORT=free_port()) | variables,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scripts_train_resume_and_test(repository, emoji_data, tmp_path):
    run_script(repository, 'dist_train.sh', CONFIG, 2, *options(emoji_data, tmp_path, 1))
    rows = logged(tmp_path)
    assert any('i2t/retrieval/Recall@1' in row for row in rows)
    assert (tmp_path / 'epoch_1.pth').is_file()
    more = ['--resume', *options(emoji_data, tmp_path, 2)]
    run_in_two(repository, 'train.py', CONFIG, *more)
    assert (tmp_path / 'epoch_2.pth').is_file()
    outs = tmp_path / 'two.json', tmp_path / 'alone.json'
    arguments = [
        ['--out', out, '--out-item', 'metrics', *options(emoji_data, tmp_path, 2)] for out in outs
    ]
    run_script(repository, 'dist_test.sh', CONFIG, tmp_path, 2, *arguments[0])
    run(repository, 'test.py', CONFIG, tmp_path, *arguments[1])
    two, alone = (json.loads(out.read_text()) for out in outs)
    assert two == pytest.approx(alone, abs=1e-3)


SRUN = """#!/usr/bin/env bash
# In the place of SLURM's: starts the tasks with the variables that srun sets for each.
while [[ $1 == --* ]]; do
    case $1 in
        --ntasks) tasks=$2; shift 2 ;;
        --*=*) shift ;;
        *) shift 2 ;;
    esac
done
for ((task = 0; task < tasks; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NTASKS=$tasks "$@" &
    started+=($!)
done
status=0
for process in "${started[@]}"; do wait "$process" || status=$?; done
exit $status
"""


def test_slurm_scripts(repository, emoji_data, tmp_path):
    (tmp_path / 'srun').write_text(SRUN)
    (tmp_path / 'srun').chmod(0o755)
    path = [tmp_path, os.path.dirname(sys.executable), os.environ['PATH']]
    variables = dict(
        GPUS='2',
        MASTER_ADDR='127.0.0.1',
        OMP_NUM_THREADS='1',
        SRUN_ARGS='--quotatype=spot',
        PATH=os.pathsep.join(map(str, path)),
    )
    more = options(emoji_data, tmp_path, 1)
    run_script(
        repository, 'slurm_train.sh', 'gpu', 'job', CONFIG, '--no-validate', *more, **variables
    )
    assert (tmp_path / 'epoch_1.pth').is_file()
    printed = run_script(
        repository, 'slurm_test.sh', 'gpu', 'job', CONFIG, tmp_path, *more, **variables
    )
    assert 'i2t/retrieval/Recall@1' in printed


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_scripts_tell_how_they_are_used(repository, script):
    done = subprocess.run(
        [repository / 'tools' / f'{script}.sh', CONFIG, 'x'], capture_output=True, text=True
    )
    assert done.returncode == 2 and f'usage: tools/{script}.sh ' in done.stderr
    assert 'example: ' in done.stderr


SHARDED = """
_base_ = '{base}'
model_wrapper_cfg = dict(type='mmcoca.FullyShardedModel')
model = dict(activation_checkpointing=['text'])
custom_hooks = [dict(type='mmcoca.EMAHook', momentum=0.2)]
default_hooks = dict(checkpoint=dict(save_best='auto'))
"""


def test_a_model_in_parts_goes_on_in_one_piece(repository, emoji_data, drawings, tmp_path):
    """Trained by two processes in parts, resumed by one and by two, tested, captioned from."""
    config = tmp_path / 'config.py'
    config.write_text(SHARDED.format(base=repository / 'configs/coca/coca_tiny_emoji_adamw.py'))
    folder = tmp_path / 'run'
    run_in_two(repository, 'train.py', config, *options(emoji_data, folder, 1))
    saved = torch.load(folder / 'epoch_1.pth', weights_only=False)
    plain = torch.load(folder / 'epoch_1.pth', weights_only=False)['state_dict']
    assert all(type(value) is torch.Tensor for value in plain.values())
    assert plain['contrastive_head.logit_scale'].shape == ()
    weights = saved['ema_state_dict']
    moved = [
        name for name in plain
        if f'module.{name}' in weights and not torch.equal(plain[name], weights[f'module.{name}'])
    ]
    assert len(moved) > 50
    values = [row for row in logged(folder) if 'i2t/retrieval/Recall@1' in row]
    best = torch.load(folder / 'best_i2t_retrieval_Recall@1_epoch_1.pth', weights_only=False)
    assert all(torch.equal(plain[name], value) for name, value in best['state_dict'].items())

    metrics = []
    for number, run_tool in enumerate((run, run_in_two)):
        out = tmp_path / f'{number}.json'
        arguments = ['--out', out, '--out-item', 'metrics', *options(emoji_data, folder, 1)]
        run_tool(repository, 'test.py', config, folder, *arguments)
        metrics.append(json.loads(out.read_text()))
    # The averages were evaluated in training, too; in bfloat16 as the rest.
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-3)
    assert values[0]['i2t/retrieval/Recall@1'] == pytest.approx(
        metrics[0]['i2t/retrieval/Recall@1'], abs=10
    )

    losses = []
    for number, run_tool in enumerate((run, run_in_two)):
        again = tmp_path / f'again{number}'
        shutil.copytree(folder, again)
        more = options(emoji_data, again, 2)
        if not number:
            more.append('train_dataloader.batch_size=64')
        run_tool(repository, 'train.py', config, '--resume', *more)
        losses.append([row['loss'] for row in logged(again) if 'loss' in row])
    assert losses[0] == pytest.approx(losses[1], rel=0.02) and len(losses[0])

    images = tmp_path / 'images'
    images.mkdir()
    shutil.copy(drawings[0][0], images)
    out = tmp_path / 'captions.jsonl'
    vocabulary = f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}'
    arguments = [config, again, images, '--out', out, '--cfg-options', vocabulary]
    run(repository, 'inference/caption.py', *arguments)
    assert 'caption' in json.loads(out.read_text())


NOTER = """
import json, os
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Noter(Hook):
    'Writes which images a step has.'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        ids = [sample.image_id for sample in data_batch['data_samples']]
        with open(os.environ['NOTES'] + f'-{get_rank()}', 'a') as file:
            file.write(json.dumps([runner.iter, ids]) + chr(10))
"""


def test_another_number_of_processes_goes_on_where_the_others_were(
    repository, emoji_data, drawings, tmp_path, monkeypatch
):
    """No image twice in the epoch and none left out; faults of both are told."""
    (tmp_path / 'noter.py').write_text(NOTER)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv('NOTES', str(tmp_path / 'notes'))
    broken = []
    for number in range(2):
        broken.append(tmp_path / f'broken{number}.png')
        broken[-1].write_bytes(b'')
    images = [path for path, _ in drawings] + broken
    rows = [f'{path}\tcaption {number}' for number, path in enumerate(images)]
    (tmp_path / 'pairs.tsv').write_text('image\tcaption\n' + '\n'.join(rows))
    options = [
        '--work-dir',
        tmp_path / 'run',
        '--resume',
        '--no-validate',
        '--cfg-options',
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        f'train_dataloader.dataset.ann_file={tmp_path / "pairs.tsv"}',
        'train_dataloader.dataset.max_unreadable=1',
        'train_dataloader.num_workers=1',
        'default_hooks.checkpoint.by_epoch=False',
    ]
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{repository / CONFIG}'\n"
        "custom_imports = dict(imports=['noter'])\ncustom_hooks = [dict(type='Noter')]\n"
        'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=3)\n'
        "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]\n"
    )
    train = repository, 'train.py', config, *options
    output = run_in_two(*train, 'train_dataloader.batch_size=4')
    two = [json.loads(line) for line in (tmp_path / 'notes-0').read_text().splitlines()]
    two += [json.loads(line) for line in (tmp_path / 'notes-1').read_text().splitlines()]
    assert len(two) == 6
    (tmp_path / 'notes-0').unlink()
    output += run(*train, 'train_cfg.max_iters=8', 'train_dataloader.batch_size=2')
    one = [json.loads(line) for line in (tmp_path / 'notes-0').read_text().splitlines()]
    assert [step for step, _ in one] == [3, 4, 5, 6, 7]
    seen = [image for _, ids in two + one for image in ids]
    readable = [image for image in seen if image < 32]
    assert len(seen) == 34
    # Random others stand for the two broken images.
    assert len(set(readable)) == 32
    # Each run tells what all of its processes met; one of the two alone loads 20 at most.
    reports = re.findall(r'(\d) of (\d+) items could not be read .*', output)
    assert sum(int(count) for count, _ in reports) >= 2
    assert max(int(visits) for _, visits in reports) >= 24
    assert all(str(path) in output for path in broken)


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_other_launchers(repository, emoji_data, tmp_path, launcher):
    """As their variables tell each process its rank."""
    arguments = [CONFIG, '--no-validate', *options(emoji_data, tmp_path, 1)]
    run_by_launcher(launcher, repository, 'train.py', arguments, arguments)
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_the_first_process_alone_writes_the_metrics(repository, emoji_data, tiny_model, tmp_path):
    weights = tmp_path / 'start.pth'
    torch.save(tiny_model.state_dict(), weights)
    more = ['--out-item', 'metrics', *options(emoji_data, tmp_path, 1)]
    run_by_launcher(
        'mpi',
        repository,
        'test.py',
        *([CONFIG, weights, '--out', tmp_path / f'{rank}.json', *more] for rank in range(2)),
    )
    assert 'i2t/retrieval/Recall@1' in json.loads((tmp_path / '0.json').read_text())
    assert not (tmp_path / '1.json').exists()


def test_a_launcher_that_did_not_start_it_is_one_line(run_tool, emoji_data, tmp_path):
    arguments = [CONFIG, '--launcher', 'slurm', *options(emoji_data, tmp_path, 1)]
    done = run_tool('train.py', *arguments)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert '--launcher slurm: SLURM_PROCID, SLURM_NTASKS' in done.stderr
