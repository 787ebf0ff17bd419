# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The benchmarks' parts at the smallest size; times are not asserted."""

import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / 'tools' / 'benchmarks'
PUBLISHED = ROOT / 'docs' / 'benchmarks'
sys.path.insert(0, str(BENCHMARKS))

from report import (  # noqa: E402
    Row,
    Section,
    Settings,
    cells,
    read_section,
    table,
    tables,
    write_section,
)
from run import SECTIONS  # noqa: E402
from sizes import SIZES  # noqa: E402
from workers import Worker, take_turns  # noqa: E402

CAPTIONS = ['red apple', 'a dog beside a very small cat', 'the moon', 'hot pepper!!']


@pytest.fixture(scope='module')
def workers():
    """mmcoca's and open_clip's, the same weights in both."""
    size = SIZES['smallest']
    with (
        Worker(sys.executable, 'mmcoca', size, threads=1) as ours,
        Worker(sys.executable, 'open_clip', size, threads=1) as theirs,
    ):
        yield dict(mmcoca=ours, open_clip=theirs)


@pytest.fixture(scope='module')
def same_weights(workers, tmp_path_factory):
    path = str(tmp_path_factory.mktemp('weights') / 'weights.pt')
    workers['open_clip'].ask('save', path=path)
    workers['mmcoca'].ask('load_open_clip', path=path)


def test_both_have_the_same_parameters_and_losses(workers, same_weights):
    counts = [worker.ask('parameters') for worker in workers.values()]
    assert counts[0] == counts[1]
    ours, theirs = (worker.ask('losses', captions=CAPTIONS) for worker in workers.values())
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_both_learn_the_same_in_a_step(workers, same_weights):
    for worker in workers.values():
        worker.ask('training_step', captions=CAPTIONS)
    ours, theirs = (worker.ask('losses', captions=CAPTIONS) for worker in workers.values())
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    'work, options',
    [
        ('encode_images', dict(captions=CAPTIONS)),
        ('encode_texts', dict(captions=CAPTIONS)),
        ('generate', dict(num_images=2, method='6 beams', length=6, num_beam_groups=3)),
        ('generate', dict(num_images=2, method='sampling', length=6)),
        ('generate', dict(num_images=2, method='greedy', length=6)),
    ],
)
def test_seconds_of_our_work(workers, work, options):
    """They have passed here meanwhile, those of the rounds to warm up too."""
    start = time.perf_counter()
    values = take_turns(dict(mmcoca=workers['mmcoca']), 2, work, **options)['mmcoca']
    assert len(values) == 2 and all(value > 0 for value in values)
    assert sum(values) < time.perf_counter() - start


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_memory_of_our_steps(workers):
    """Weights, gradients and AdamW's two moments at the least; at the most all of the process."""
    worker = workers['mmcoca']
    peak = worker.ask('peak_memory', captions=CAPTIONS)
    status = Path('/proc', str(worker.process.pid), 'status').read_text()
    of_process = 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', status)[1])
    assert 4 * 4 * worker.ask('parameters') < peak < of_process


def test_operations_of_a_step_grow_with_the_text_by_no_less_than_its_products(workers):
    """Between two texts without padding; a token more costs at least the layers' own products."""
    short, long = (
        workers['mmcoca'].ask('step_operations', captions=[' '.join(['cat'] * words)] * 2)
        for words in (4, 8)
    )
    size = SIZES['smallest']
    layer = 12 * size.dims**2  # parameters of self-attention and MLP
    weights = 2 * size.text_layers * layer + size.vocab_size * size.dims
    assert long - short > 6 * weights * 2 * 4


def test_every_library_has_the_settings_of_the_tools():
    """Also one in an environment without mmcoca."""
    with Worker(sys.executable, 'open_clip', SIZES['smallest'], threads=1) as worker:
        process = Path('/proc', str(worker.process.pid))
        assert b'MALLOC_' not in (process / 'environ').read_bytes()
        (heap, ) = re.findall(r'(\w+)-(\w+) .*\[heap\]', (process / 'maps').read_text())
        # The worker's matrix of 16 MiB, which malloc would map by itself, lies in the heap.
        assert int(heap[1], 16) - int(heap[0], 16) > 2**24


def test_a_worker_that_cannot_start_is_named():
    code = (
        f'import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n'
        'from sizes import SIZES\nfrom workers import Worker\n'
        "Worker(sys.executable, 'open_clip', SIZES['smallest']._replace(dims=127), 1)"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith('error: open_clip stopped: ')


def test_tables(tmp_path):
    rows = [
        Row('step', 's', dict(mmcoca=[1.0, 2.0, 4.0], peer=[3.0, 6.0, 8.0])),
        Row('rate', 'images/s', {'one core': [1234.0]}),
        Row('memory', 'GiB', dict(mmcoca=[2.0], peer=[3.0])),
    ]
    assert cells(rows[0]) == ['step', '2 s', '6 s', '3.00 (2.00–3.00)']
    assert cells(rows[1]) == ['rate', '1,234 images/s']
    assert cells(rows[2]) == ['memory', '2 GiB', '3 GiB', '1.50']
    assert sum(line.startswith('|---') for line in table(rows).splitlines()) == 2
    section = Section('Title', dict(date='2026-01-01'), rows)
    write_section(tmp_path, 'name', section)
    assert read_section(tmp_path, 'name') == section
    assert read_section(tmp_path, 'other') is None


def test_published_tables_are_those_of_the_files():
    """And the rows of docs/speed.md and docs/scale.md are theirs."""
    sections = [read_section(PUBLISHED, name) for name in SECTIONS]
    written = (PUBLISHED / 'tables.md').read_text()
    assert written == tables([section for section in sections if section is not None])
    for name, start in dict(speed='| ', scale='| ViT-B-32: ').items():
        page = (ROOT / 'docs' / f'{name}.md').read_text()
        rows = {line for line in page.splitlines() if line.startswith(start)}
        assert rows and rows <= set(written.splitlines())


@pytest.mark.parametrize('name', SECTIONS)
def test_every_section_loads(name):
    assert callable(import_module(name).measure)


@pytest.fixture
def smallest(emoji_data, monkeypatch):
    """Settings of a run, and a function that gives a section other constants."""
    monkeypatch.setattr('captions.ANNOTATIONS', emoji_data / 'annotations' / 'train.json')

    def measured(section, **constants):
        module = import_module(section)
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
        return list(module.measure(Settings(None, rounds=1, threads=1, batch_size=4)))

    return measured


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_micro_batches_of_the_smallest(smallest):
    rows = smallest('micro_batches', SIZE='smallest', BATCHES=(4, 8), MICRO_BATCH=2)
    assert [set(row.values) for row in rows] == [{'at once', 'micro-batches of 2'}] * 4
    assert all(value > 0 for row in rows for values in row.values.values() for value in values)


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_activation_checkpointing_of_the_smallest(smallest, monkeypatch):
    monkeypatch.setattr('training.peer_python', lambda folder: sys.executable)
    rows = smallest('checkpointing', SIZE='smallest')
    assert [row.unit for row in rows] == ['s', 'GiB'] * 2
    assert all(set(row.values) == {'mmcoca', 'open_clip'} for row in rows)
    assert all(value > 0 for row in rows for values in row.values.values() for value in values)


def test_what_would_not_fit_is_not_tried():
    from micro_batches import fits

    assert fits(64, []) and fits(128, [(64, 1.0)])
    assert fits(256, [(64, 0.01), (128, 0.02)])
    assert not fits(2**20, [(64, 1.0), (128, 2.0)])


@pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU has other limits')
def test_the_largest_batch_of_the_smallest(smallest):
    """In eager mode: what is compiled has tests of its own."""
    constants = dict(COMPARED=('smallest', ), LIBRARIES=['mmcoca'], FORMS=('eager', ))
    rows = smallest('device', LARGEST=dict(cpu=5), **constants)
    assert [row.unit for row in rows] == ['', 'pairs/s', '%', 'GiB']
    assert rows[0].values == {'mmcoca': [4]}
    assert all(value > 0 for row in rows for value in row.values['mmcoca'])


def test_recalls_are_mmpretrains():
    from recall import ours, random_features, theirs

    features = random_features(60)
    torch.testing.assert_close(torch.tensor(ours(*features)), torch.tensor(theirs(*features)))


def test_command(run_tool, tmp_path):
    """As a program, a mistake, and without the data."""
    command = [sys.executable, BENCHMARKS / 'run.py', '--help']
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'example: ' in text and 'time_to_recall' in text
    for options, message in ((['--rounds', '0'], 'rounds'), ([], 'data/emoji')):
        done = run_tool('benchmarks/run.py', *options, cwd=tmp_path)
        assert done.returncode and 'Traceback' not in done.stderr
        assert message in done.stderr.strip().splitlines()[-1]


def test_nothing_is_written_where_nothing_can_be_measured(
    run_tool, tmp_path, emoji_data, monkeypatch
):
    """bfloat16 on a processor that has none."""
    for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'emoji').symlink_to(emoji_data)
    done = run_tool('benchmarks/run.py', '--only', 'bfloat16', '--out', 'out', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'no bfloat16' in done.stderr
    assert not (tmp_path / 'out').exists()
