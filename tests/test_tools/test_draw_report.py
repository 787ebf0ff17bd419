# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from in_process import load_module
from mmengine.config import Config
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / 'configs' / 'coca' / 'coca_tiny_emoji.py'
TOOL = 'visualization/draw_report.py'


@pytest.fixture(scope='module')
def options(emoji_data):
    return [
        '--cfg-options',
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        'model.generation.min_length=3',
        f'train_dataloader.dataset.data_root={emoji_data}',
        'train_dataloader.dataset.indices=16',
        'train_dataloader.batch_size=8',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
        f'test_dataloader.dataset.data_root={emoji_data}',
        'test_dataloader.dataset.indices=40',
    ]


@pytest.fixture(scope='module')
def work_dir(run_tool, options, tmp_path_factory):
    """What two iterations of training leave behind."""
    folder = tmp_path_factory.mktemp('work')
    done = run_tool('train.py', CONFIG, '--no-validate', '--work-dir', folder, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope='module')
def draw_report():
    return load_module(REPOSITORY / 'tools' / TOOL)


def write_scalars(work_dir, name, lines):
    path = work_dir / name / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))


def test_pictures_of_a_work_directory(run_tool, work_dir, options):
    done = run_tool(TOOL, CONFIG, work_dir, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    names = {'curves.png', 'predictions.png', 'attention.png', 'occlusion.png'}
    assert {path.name for path in work_dir.glob('*.png')} == names
    for name in names:
        with Image.open(work_dir / name) as image:
            pixels = np.asarray(image.convert('L'))
        assert min(pixels.shape) > 600, name
        assert 0.01 < (pixels < 250).mean() < 0.9, name
        assert len(np.unique(pixels)) > 100, name  # text and curves are antialiased


def test_predictions_show_images_as_the_model_reads_them(draw_report, work_dir, options, tmp_path):
    """SVG files are drawn, and what is transparent is white."""
    (tmp_path / 'a.svg').write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><path d="M0 0h1v1H0z"/></svg>'
    )
    Image.new('RGBA', (20, 10), (255, 0, 0, 0)).save(tmp_path / 'b.png')
    (tmp_path / 'pairs.csv').write_text('image,caption\na.svg,box\nb.png,nothing\n')
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(
        {
            'model.tokenizer.vocab_file': options[1].partition('=')[2],
            'test_dataloader.dataset.data_root': str(tmp_path),
            'test_dataloader.dataset.ann_file': 'pairs.csv',
            'test_dataloader.dataset.data_prefix': dict(img_path=''),
        }
    )
    figures = dict(draw_report.draw_report(cfg, str(work_dir / 'epoch_1.pth'), tmp_path, 0))
    shown = [axes.images[0].get_array() for axes in figures['predictions'].axes if axes.images]
    box, nothing = sorted(shown, key=np.mean)
    assert box[:, :box.shape[1] // 2 - 1].max() < 10 and box[:, box.shape[1] // 2 + 1:].min() > 245
    assert nothing.min() == 255


def test_missing_checkpoint_is_one_line(run_tool, tmp_path):
    done = run_tool(TOOL, CONFIG, tmp_path / 'none.pth')
    assert done.returncode == 1
    (line, ) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'none.pth' in line
    assert not any(tmp_path.iterdir())


def test_missing_matplotlib_is_one_line(tmp_path):
    # This module stands in front of the installed matplotlib.
    (tmp_path / 'matplotlib.py').write_text('raise ImportError("No module named matplotlib")')
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    command = [sys.executable, REPOSITORY / 'tools' / TOOL, '--help']
    env = dict(os.environ, PYTHONPATH=path)
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    (line, ) = done.stderr.splitlines()
    assert 'matplotlib' in line and 'mmcoca[icons]' in line


def test_curves_of_the_newest_run(draw_report, tmp_path):
    assert draw_report.read_curves(tmp_path) == {}
    write_scalars(tmp_path, '20260101_000000', [{'loss': 9.0, 'step': 1}])
    # As MMEngine's epoch-based loop logs: the validation's step is an epoch.
    training = [{'lr': 1e-3, 'loss': 8.0 / i, 'epoch': 1, 'iter': i, 'step': i} for i in (50, 100)]
    validation = {'i2t/retrieval/Recall@1': 12.5, 'caption/CIDEr': 0.5, 'time': 1.0, 'step': 1}
    write_scalars(tmp_path, '20260102_000000', [*training, validation])
    curves = draw_report.read_curves(tmp_path)
    assert curves['loss'] == [(50, 0.16), (100, 0.08)]
    assert curves['i2t/retrieval/Recall@1'] == [(100, 12.5)]
    drawn = {axes.get_title(): axes.lines for axes in draw_report.draw_curves(curves).axes}
    (loss, ) = drawn['training: losses, each with its weight']
    assert loss.get_xydata().tolist() == [[50, 0.16], [100, 0.08]]
    (recall, ) = drawn['validation: image to text, %']
    assert recall.get_xydata().tolist() == [[100, 12.5]]
    assert recall.get_marker() == 'o'  # a single point has no line to see
    assert not drawn['validation: text to image, %']


def test_curves_of_a_resumed_run_go_on_from_the_one_before(draw_report, tmp_path):
    earlier, later = '20260101_000000', '20260102_000000'
    write_scalars(tmp_path, earlier, [{'loss': 9.0 - i, 'step': i} for i in (1, 2, 3)])
    write_scalars(tmp_path, later, [{'loss': 6.5, 'step': 3}, {'loss': 5.0, 'step': 4}])
    (tmp_path / later / 'vis_data' / 'config.py').write_text('load_from = None\nresume = True\n')
    # Iteration 3 was logged, but not saved: the later run did it again.
    curves = draw_report.read_curves(tmp_path)
    assert curves['loss'] == [(1, 8.0), (2, 7.0), (3, 6.5), (4, 5.0)]


def test_curves_of_a_real_resume(run_tool, draw_report, work_dir, options, tmp_path):
    folder = shutil.copytree(work_dir, tmp_path / 'work')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_1.pth'))
    longer = [*options, 'train_cfg.max_epochs=2']
    done = run_tool('train.py', CONFIG, '--no-validate', '--resume', '--work-dir', folder, *longer)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = (draw_report.read_curves(path)['loss'] for path in (work_dir, folder))
    assert [iteration for iteration, _ in after] == [1, 2, 3, 4]
    assert after[:2] == before


def test_captions_are_marked_right_or_not(draw_report):
    image = np.zeros((4, 4, 3), np.uint8)
    prediction = draw_report.Prediction(
        image, ['Hot pepper', 'Chili'], 'hot pepper', ['cat', 'Chili']
    )
    lines = list(draw_report.caption_lines(prediction))
    assert [(label, text) for label, text, _ in lines] == [
        ('generated', '✓ hot pepper'),
        ('true', 'Hot pepper'),
        ('nearest', 'cat'),
        ('', '✓ Chili'),
    ]
    colors = [color for *_, color in lines]
    assert colors[0] == colors[3] == draw_report.RIGHT and draw_report.RIGHT not in colors[1:3]
    wrong = prediction._replace(generated='dog', nearest=None)
    assert [color for *_, color in draw_report.caption_lines(wrong)][0] == draw_report.WRONG


def test_choice_is_even_and_follows_the_seed(draw_report):
    chosen = draw_report.choose(1434, 24, seed=0)
    assert len(chosen) == 24
    for part, index in enumerate(chosen):
        assert part * 1434 // 24 <= index < (part + 1) * 1434 // 24
    assert chosen == draw_report.choose(1434, 24, seed=0) != draw_report.choose(1434, 24, seed=1)
    assert draw_report.choose(5, 24, seed=0) == [0, 1, 2, 3, 4]
    assert draw_report.choose(0, 24, seed=0) == []
