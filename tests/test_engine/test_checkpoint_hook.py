# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which checkpoints a training leaves: the best ones, and those of a training that is killed."""

import re
import time
from pathlib import Path

import mmengine.hooks
import pytest
import torch
from warm_processes import WarmProcess, run_warm

import mmcoca.engine
from mmcoca.engine.whole_files import whole_files, write_whole
from mmcoca.errors import SettingError
from mmcoca.evaluation import CaptionMetric, RetrievalMetric
from mmcoca.registry import METRICS


def metrics_of_ours():
    """The names as the metrics give them."""
    features = torch.eye(2)
    samples = [
        dict(
            image_feature=features[i],
            text_features=features[i:i + 1],
            pred_caption='a cat',
            gt_caption='a cat',
            pred_score=features[i],
            gt_label=torch.tensor([i]),
        ) for i in range(2)
    ]
    metrics = [RetrievalMetric(), CaptionMetric()]
    metrics += [METRICS.build(dict(type='Accuracy', prefix=p)) for p in (None, 'zeroshot', 'knn')]
    for metric in metrics:
        metric.process(None, samples)
        yield from metric.evaluate(2)
    yield from ('i2t/reranked/Recall@1', 'VQA/acc', 'retrieval/Recall@5', 'single-label/f1-score')


def test_each_metric_has_its_rule():
    names = list(metrics_of_ours())
    assert {'i2t/retrieval/Recall@1', 'caption/CIDEr', 'zeroshot/top1'} < set(names)
    for name in names:
        for package in (mmengine.hooks, mmcoca.engine):
            assert package.CheckpointHook(save_best=name).rules == ['greater'], name
        assert mmengine.hooks.EarlyStoppingHook(monitor=name).rule == 'greater', name
    assert mmengine.hooks.CheckpointHook(save_best='val_loss').rules == ['less']


@pytest.fixture
def config(runner_config, tiny_config, emoji_data):
    """Three epochs of two steps, each with an evaluation on four images."""
    runner_config.train_dataloader.update(batch_size=8)
    runner_config.train_dataloader.dataset.indices = 16
    runner_config.val_cfg = tiny_config.val_cfg
    runner_config.val_dataloader = tiny_config.val_dataloader
    runner_config.val_dataloader.update(batch_size=4, num_workers=0, persistent_workers=False)
    runner_config.val_dataloader.dataset.indices = 4
    runner_config.val_evaluator = tiny_config.val_evaluator
    runner_config.train_cfg.update(max_epochs=3, val_interval=1)
    runner_config.default_hooks.checkpoint.interval = 1
    return runner_config


class Evaluations(mmengine.hooks.Hook):
    """Notes them, and which best checkpoints there are after each."""

    priority = 'LOWEST'

    def __init__(self):
        self.metrics = []
        self.files = []

    def after_val_epoch(self, runner, metrics):
        self.metrics.append(dict(metrics))
        self.files.append(sorted(path.name for path in Path(runner.work_dir).glob('best_*.pth')))


@pytest.mark.parametrize(
    'hook, save_best, names', [
        ('mmcoca.CheckpointHook', 'auto', ['i2t/retrieval/Recall@1']),
        ('CheckpointHook', 'auto', ['i2t/retrieval/Recall@1']),
        ('CheckpointHook', 'caption/BLEU-1', ['caption/BLEU-1']),
        (
            'mmcoca.CheckpointHook',
            ['caption/CIDEr', 't2i/retrieval/Recall@5'],
            ['caption/CIDEr', 't2i/retrieval/Recall@5'],
        ),
    ]
)
def test_the_best_checkpoints_are_kept(config, start, hook, save_best, names):
    config.default_hooks.checkpoint.update(type=hook, save_best=save_best)
    config.custom_hooks = [dict(type='EarlyStoppingHook', monitor=names[0], patience=9)]
    runner = start(config, f'{hook} {save_best}')
    runner.register_hook(evaluations := Evaluations())
    runner.train()
    for number in range(1, 4):
        best = []
        for name in names:
            values = [metrics[name] for metrics in evaluations.metrics[:number]]
            best.append(f'best_{name.replace("/", "_")}_epoch_{values.index(max(values)) + 1}.pth')
        assert evaluations.files[number - 1] == sorted(best)


def test_auto_goes_by_cider_where_there_are_captions_alone(config, train):
    config.train_cfg.max_epochs = 1
    config.val_evaluator = [dict(type='mmcoca.CaptionMetric')]
    config.default_hooks.checkpoint.save_best = 'auto'
    train(config, 'captions alone')
    assert Path(config.work_dir, 'best_caption_CIDEr_epoch_1.pth').is_file()


def test_a_metric_that_is_none_is_named(config, train):
    config.default_hooks.checkpoint.save_best = 'caption/CIDER'
    with pytest.raises(SettingError, match="is 'caption/CIDER', but the metrics are i2t/retrieval"):
        train(config, 'no metric')


def test_a_better_checkpoint_takes_the_place_of_a_good_one_only_when_it_is_written(config, start):
    """The disk is full from the second epoch on, when the best and the last are due to go."""
    config.default_hooks.checkpoint.update(max_keep_ckpts=1, save_best='caption/BLEU-1')
    runner = start(config, 'full disk')

    class FullDisk(mmengine.hooks.Hook):
        priority = 'NORMAL'

        def after_val_epoch(self, runner, metrics):
            metrics['caption/BLEU-1'] = 1.0 + runner.epoch

        def before_save_checkpoint(self, runner, checkpoint):
            if runner.epoch == 2:  # after the epochs' checkpoint, for that of the best
                raise OSError('disk full')

    runner.register_hook(FullDisk())
    with pytest.raises(OSError, match='disk full'):
        runner.train()
    found = {path.name for path in Path(config.work_dir).glob('*.pth')}
    assert found == {'epoch_2.pth', 'best_caption_BLEU-1_epoch_1.pth'}


def test_published_files_are_whole_too(config, train):
    config.train_cfg.max_epochs = 1
    config.default_hooks.checkpoint.published_keys = ['meta', 'state_dict']
    train(config, 'published')
    (published, ) = Path(config.work_dir).glob('epoch_1-*.pth')
    assert set(torch.load(published, weights_only=False)) == {'meta', 'state_dict'}


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    write_whole(b'old', tmp_path / 'new' / 'file')
    (tmp_path / 'new' / '.other.pth.partial').write_bytes(b'of a killed process')

    def full(descriptor):
        raise OSError('No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('os.fsync', full)
        with pytest.raises(OSError, match='No space left'):
            write_whole(b'newer', tmp_path / 'new' / 'file')
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['file']
    assert (tmp_path / 'new' / 'file').read_bytes() == b'old'
    backend = mmengine.fileio.LocalBackend
    put = backend.put
    with pytest.raises(RuntimeError), whole_files():
        backend().put(b'newer', tmp_path / 'new' / 'file')
        raise RuntimeError
    assert (tmp_path / 'new' / 'file').read_bytes() == b'newer' and backend.put is put


BIG_TRAINING = """
import sys

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

class Big(BaseModel):
    '''200 MB of weights.'''

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(50_000_000))

    def forward(self, inputs, mode):
        return dict(loss=self.weight[0] * inputs.mean())

Runner(
    Big(),
    sys.argv[1],
    DataLoader([1.0], collate_fn=lambda batch: dict(inputs=torch.ones(1))),
    train_cfg=dict(by_epoch=True, max_epochs=int(sys.argv[2])),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    default_hooks=dict(checkpoint=dict(type='mmcoca.CheckpointHook', max_keep_ckpts=1, interval=1)),
    resume=len(sys.argv) == 4,
).train()
"""


def test_a_kill_in_the_middle_of_a_write_leaves_the_earlier_checkpoint(tmp_path):
    program = tmp_path / 'big_training.py'
    program.write_text(BIG_TRAINING)
    process = WarmProcess(program, tmp_path, 1000, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / 'last_checkpoint').exists() or not list(tmp_path.glob('.*.pth.partial')):
        assert process.is_alive() and time.monotonic() < deadline
    process.kill()
    process.wait()
    (partial, ) = tmp_path.glob('.*.partial')
    (kept, ) = tmp_path.glob('*.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == str(kept)
    done = int(re.fullmatch(r'epoch_(\d+)', kept.stem)[1])
    assert partial.name == f'.epoch_{done + 1}.pth.partial'
    assert torch.load(kept, weights_only=False)['state_dict']['weight'].shape == (50_000_000, )
    resumed = run_warm(program, tmp_path, done + 1, 'resume', cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert not list(tmp_path.glob('.*.partial'))
    assert [path.name for path in tmp_path.glob('*.pth')] == [f'epoch_{done + 1}.pth']
