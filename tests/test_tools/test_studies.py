# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The study tool from training to the table, on a few drawings."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROWS = ['parallel poolers', '0 queries']
OPTIONS = [
    '--study',
    'ablations',
    '--rows',
    *ROWS,
    '--seeds',
    '0',
    '--epochs',
    '1',
    '--rounds',
    '2',
    '--cfg-options',
    'train_dataloader.batch_size=16',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
]


@pytest.fixture(scope='module')
def run(run_tool):
    """A function that runs the tool in a folder with data, as configs name it."""

    def run(folder, *options):
        return run_tool('studies/run.py', *OPTIONS, *options, cwd=folder)

    return run


@pytest.fixture(scope='module')
def study(run, icon_data, tmp_path_factory):
    """The folder of a whole study, and what the tool printed."""
    folder = tmp_path_factory.mktemp('study')
    (folder / 'data').mkdir()
    (folder / 'data' / 'icons').symlink_to(icon_data)
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def files_of(folder):
    """Every file of the runs, and when it was written."""
    files = (folder / 'work_dirs' / 'studies' / 'ablations').rglob('*')
    return {path: path.stat().st_mtime_ns for path in files}


def table_of(path):
    """The cells of a table by their row's title."""
    lines = [line for line in path.read_text().splitlines() if line.startswith('|')]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    return {title: cells for title, *cells in rows[2:]}


@pytest.mark.parametrize(
    'options, message',
    [
        (['--epochs', '0'], 'argument --epochs: 0 is less than 1'),
        (['--cfg-options', 'modell.text.dims=8'], "has no 'modell' to set: did you mean 'model'?"),
    ],
)
def test_wrong_options_end_it_at_once(run, options, message, tmp_path):
    done = run(tmp_path, *options)
    assert done.returncode != 0 and done.stdout == ''
    assert message in done.stderr.splitlines()[-1]


def test_table_and_picture_have_what_was_measured(study):
    folder, printed = study
    lines = printed.splitlines()
    assert [line.split(':')[0]
            for line in lines[:2]] == ['[1/2] parallel poolers, seed 0', '[2/2] 0 queries, seed 0']
    out = folder / 'work_dirs' / 'studies' / 'ablations'
    results = json.loads(out.with_suffix('.json').read_text())
    table = table_of(out.with_suffix('.md'))
    for row, config in zip(ROWS, ('parallel_poolers', 'queries_0')):
        work_dir = folder / 'work_dirs' / 'studies' / 'ablations' / f'{config}_tiny_icons/seed_0'
        metrics = json.loads((work_dir / 'metrics.json').read_text())
        assert results['runs'][row] == {'0': metrics}
        names = ('i2t/retrieval/Recall@1', 't2i/retrieval/Recall@1', 'caption/CIDEr')
        assert table[row][:3] == [f'{metrics[name]:.1f}' for name in names]
    assert table['parallel poolers'][6] == '71.2 / 68.7'
    assert table['reference'] == ['–'] * 6 + ['71.6 / 69.0']
    with Image.open(out.with_suffix('.png')) as image:
        pixels = np.asarray(image.convert('L'))
    assert min(pixels.shape) > 300 and 0.01 < (pixels < 250).mean() < 0.9


def test_started_again_as_a_program_it_repeats_nothing(repository, study):
    folder, _ = study
    before = files_of(folder)
    results = (folder / 'work_dirs/studies/ablations.json').read_text()
    command = [sys.executable, repository / 'tools' / 'studies' / 'run.py', *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0 and '[' not in done.stdout, done.stderr
    assert files_of(folder) == before
    assert (folder / 'work_dirs/studies/ablations.json').read_text() == results


def test_steps_are_timed_once_every_row_has_a_run(run, study, icon_data, tmp_path):
    """Here of another machine, which has the results but not the runs."""
    folder, _ = study
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'icons').symlink_to(icon_data)
    results = json.loads((folder / 'work_dirs/studies/ablations.json').read_text())
    assert results['step_costs'] == {}
    (metrics, ) = results['runs'][ROWS[1]].values()
    others = set(table_of(folder / 'work_dirs/studies/ablations.md')) - {*ROWS}
    results['runs'].update({row: {'1': metrics} for row in others})
    (tmp_path / 'ablations.json').write_text(json.dumps(results))
    done = run(tmp_path, '--out', tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == 'timing 2 training steps of 12 configs'
    found = json.loads((tmp_path / 'ablations.json').read_text())
    assert found['runs'] == results['runs']
    costs, table = found['step_costs'], table_of(tmp_path / 'ablations.md')
    assert set(costs) == others | {*ROWS}
    for row, cost in costs.items():
        title = f"{row} (seed {'01'[row in others]})"
        for place, kind in enumerate(('seconds', 'operations'), start=4):
            told = f"{cost[kind] / costs['reference'][kind]:.2f}x"
            assert cost[kind] > 0 and table[title][place] == told
    assert costs['0 queries']['operations'] < costs['reference']['operations']  # a pooler less


def test_other_settings_are_refused(run, study):
    folder, _ = study
    done = run(folder, 'test_dataloader.batch_size=8')
    assert done.returncode == 1
    assert 'ablations.json holds runs with other settings' in done.stderr


def test_a_failing_run_is_one_line(run, study, tmp_path):
    """The others go on, and the exit status tells."""
    done = run(tmp_path)  # without data
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for line, row in zip(lines[:2], ROWS):
        assert row in line and 'error: train.py: ' in line and 'does not exist' in line
    assert done.stderr.splitlines()[-1] == 'error: 2 runs failed'
