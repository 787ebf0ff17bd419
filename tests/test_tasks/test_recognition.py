# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Classification configs, on drawings in ImageNet's format, with a pretrained encoder."""

import json
import shutil
from functools import cache
from pathlib import Path

import cv2
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.hooks import Hook
from mmpretrain.registry import MODELS
from small_tasks import (
    CONFIGS,
    MODELS_OF_TASKS,
    evaluate,
    load_small,
    shrink_pipeline,
    train_small,
)

from mmcoca.command_line import build_training
from mmcoca.errors import UserError
from mmcoca.models import RecognitionPooler
from mmcoca.weights import check_checkpoint, load_safely

NUM_CLASSES = 8
TRAINED = ['frozen', 'finetune', 'linear']


@pytest.fixture(scope='module')
def imagenet(drawings, tmp_path_factory):
    """ImageNet of eight drawings: train has each in four lights, val in a fifth.

    train is as unpacked, a folder for each of the 1,000 classes; val as published, files alone.
    """
    root = tmp_path_factory.mktemp('imagenet')
    for label in range(1000):
        (root / 'train' / f'n{label:08}').mkdir(parents=True)
    (root / 'val').mkdir()
    (root / 'meta').mkdir()
    lines = []
    for label, (path, _) in enumerate(drawings[:NUM_CLASSES]):
        image = cv2.resize(cv2.imread(str(path)), (64, 64), interpolation=cv2.INTER_AREA)
        for number, light in enumerate([0.6, 0.7, 0.9, 1.0]):
            name = f'n{label:08}/n{label:08}_{number}.JPEG'
            assert cv2.imwrite(str(root / 'train' / name), light * image)
        name = f'ILSVRC2012_val_{label:08}.JPEG'
        assert cv2.imwrite(str(root / 'val' / name), 0.8 * image)
        lines.append(f'{name} {label}')
    (root / 'meta' / 'val.txt').write_text('\n'.join(lines))
    return str(root)


@pytest.fixture(scope='module')
def pretrain(drawings, imagenet, emoji_data, tmp_path_factory):
    """A function that trains a small model, by name, on the training images and a word for each."""
    paths = sorted(Path(imagenet, 'train').glob('*/*'))
    pairs = [
        dict(image=str(path), caption=drawings[int(path.parent.name[1:])][1]) for path in paths
    ]

    @cache
    def train(model):
        folder = tmp_path_factory.mktemp('pretrained')
        shutil.copy(emoji_data / 'tokenizer.json', folder)
        (folder / 'pairs.jsonl').write_text('\n'.join(map(json.dumps, pairs)))
        cfg = load_small(f'{model}.py', folder, steps=60)
        cfg.train_dataloader.dataset.update(
            data_root=str(folder), ann_file='pairs.jsonl', data_prefix=dict(img_path='')
        )
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        return train_small(cfg)

    return train


@pytest.fixture(scope='module')
def pretrained(pretrain):
    """The checkpoint of the small CoCa-Base."""
    return pretrain('coca_base')


def weights_of(checkpoint):
    return load_safely(checkpoint)['state_dict']


def load(task, folder, imagenet, pretrained, steps=40, model='coca_base'):
    """A small config of the task; its average of weights is made as short as its training."""
    cfg = load_small(f'classification/{model}_{task}_imagenet.py', folder, steps=steps)
    cfg.load_from = pretrained
    if cfg.model.get('head'):
        cfg.model.head.num_classes = NUM_CLASSES
        cfg.custom_hooks[0].momentum = 0.1
        cfg.optim_wrapper.optimizer.weight_decay = 0.0  # mmpretrain's layer decay asks for one
        cfg.train_dataloader.dataset.data_root = cfg.val_dataloader.dataset.data_root = imagenet
    cfg.test_dataloader.dataset.data_root = imagenet
    return cfg


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
@pytest.mark.parametrize('task', TRAINED)
def test_training(task, model, folder, imagenet, pretrain):
    """It learns from the pretrained encoder, which stays as it is where it is frozen."""
    pretrained = pretrain(model)
    cfg = load(task, folder, imagenet, pretrained, model=model)
    checkpoint = train_small(cfg)
    metrics = evaluate(cfg, checkpoint)
    assert metrics['accuracy/top1'] == 100 and metrics['accuracy/top5'] == 100
    before, after = weights_of(pretrained), weights_of(checkpoint)
    encoder = [name for name in after if name.startswith('backbone.')]
    assert set(encoder) == {name for name in before if name.startswith('backbone.')}
    equal = [torch.equal(before[name], after[name]) for name in encoder]
    assert all(equal) if task != 'finetune' else not any(equal)


def test_folders_of_ones_own(folder, imagenet, pretrained):
    """As the config's comment says: another data set, as many classes as folders."""
    for path in Path(imagenet, 'train').glob('*/*'):
        name = 'train' if path.stem[-1] != '3' else 'val'
        (folder / 'own' / name / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / 'own' / name / path.parent.name)
    cfg = load('frozen', folder, imagenet, pretrained)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(
            type='CustomDataset',
            data_root=str(folder / 'own'),
            data_prefix=loader.dataset.pop('split'),
        )
    assert evaluate(cfg, train_small(cfg))['accuracy/top1'] == 100
    cfg.model.head.num_classes = NUM_CLASSES - 1
    with pytest.raises(UserError, match='num_classes=7, but the training data have 8 classes'):
        build_training(cfg)


@pytest.mark.parametrize('task', TRAINED)
def test_pretrained_weights_arrive(task, folder, imagenet, pretrained):
    cfg = load(task, folder, imagenet, pretrained)
    cfg.custom_hooks = []  # what averages weights is not ready before training
    runner = build_training(cfg)
    runner.load_or_resume()
    before = weights_of(pretrained)
    after = runner.model.backbone.state_dict()
    assert len(after) > 20
    for name, tensor in after.items():
        assert torch.equal(tensor, before[f'backbone.{name}'])


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
def test_nearest_neighbours(model, folder, imagenet, pretrain):
    """The weights are those of pretraining alone, so that tools/test.py takes the checkpoint."""
    pretrained = pretrain(model)
    cfg = load('knn', folder, imagenet, pretrained, model=model)
    keys = cfg.test_cfg.key_dataloader
    keys.update(batch_size=12, num_workers=0, persistent_workers=False)
    keys.dataset.data_root = imagenet
    shrink_pipeline(keys.dataset.pipeline)
    cfg.test_cfg.k = 3
    check_checkpoint(pretrained, MODELS.build(cfg.model))
    metrics = evaluate(cfg, pretrained)
    assert metrics['knn/top1'] == 100 and metrics['knn/top5'] == 100
    assert set(metrics) == {'knn/top1', 'knn/top5'}
    cfg.test_cfg.fp16 = True
    assert evaluate(cfg, pretrained) == metrics
    cfg.test_cfg.k = 33
    with pytest.raises(UserError, match=r'33 nearest neighbours \(k of test_cfg\) of 32 labelled'):
        evaluate(cfg, pretrained)


class ClassifierWeights(Hook):
    """Notes them after each step of training, and in validation."""

    def __init__(self):
        self.trained = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.trained.append(runner.model.head.fc.weight.detach().clone())

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.evaluated = runner.model.head.fc.weight.detach().clone()


def test_the_average_of_weights_is_what_is_evaluated_and_saved(folder, imagenet, pretrained):
    cfg = load('frozen', folder, imagenet, pretrained, steps=5)
    runner = build_training(cfg)
    weights = ClassifierWeights()
    runner.register_hook(weights)
    runner.train()
    average = weights.trained[0]
    for trained in weights.trained[1:]:
        average = 0.9 * average + 0.1 * trained
    assert (average - weights.trained[-1]).abs().max() > 1e-3
    torch.testing.assert_close(weights.evaluated, average)
    saved = weights_of(f'{cfg.work_dir}/iter_5.pth')['head.fc.weight']
    torch.testing.assert_close(saved, average)


def test_layer_decay(folder, imagenet, pretrained):
    """From the classifier to the image, each layer's rate is half of the one before, in a step too.
    """
    name = 'classification/coca_base_finetune_imagenet.py'
    cfg = load('finetune', folder, imagenet, pretrained, steps=1)
    cfg.optim_wrapper = Config.fromfile(CONFIGS / name).optim_wrapper
    cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = 0.5
    cfg.optim_wrapper.optimizer.weight_decay = 0.0
    cfg.param_scheduler = None
    runner = build_training(cfg)
    groups = runner.optim_wrapper.optimizer.param_groups
    scales = {group['param_name']: group['lr'] / 5e-4 for group in groups}
    assert set(scales) == {name for name, _ in runner.model.named_parameters()}
    assert scales['neck.queries'] == scales['head.fc.weight'] == scales['backbone.ln1.bias'] == 1
    assert scales['backbone.layers.1.ffn.layers.1.weight'] == 0.5
    assert scales['backbone.layers.0.attn.qkv.weight'] == 0.25
    assert scales['backbone.patch_embed.projection.weight'] == 0.125
    assert scales['backbone.pos_embed'] == 0.125
    runner.train()
    before = weights_of(pretrained)
    # Adafactor's first step is 0.1 (1 - momentum) of the rate where the second moment is whole.
    for name in ('layers.1.ln1.weight', 'layers.0.ln1.weight', 'patch_embed.projection.bias'):
        step = (runner.model.backbone.get_parameter(name) - before[f'backbone.{name}']).abs()
        expected = 0.1 * 5e-4 * scales[f'backbone.{name}']
        torch.testing.assert_close(step, torch.full_like(step, expected), rtol=0.02, atol=1e-7)


def test_all_of_a_frozen_encoder_is_frozen(folder, imagenet, pretrained):
    """Stem, stochastic depth and patch dropout too; its forward pass keeps no graph."""
    cfg = load('frozen', folder, imagenet, pretrained)
    cfg.model.backbone.update(
        drop_path_rate=0.5,
        patch_dropout=0.5,
        stem=dict(type='mmcoca.ConvStem', channels=(8, ), strides=(4, 2)),
        attention_cfg=dict(qk_norm=True),
    )
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    images = torch.randn(3, 3, 32, 32)
    first, second = (model.backbone(images)[-1] for _ in range(2))
    assert torch.equal(first, second) and first.shape == (3, 16, 64)
    assert not first.requires_grad
    model.head(model.neck((first, ))).sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith('backbone.')
    assert model.neck.training and model.head.training


def test_the_recipes_are_the_papers():
    configs = {
        task: Config.fromfile(CONFIGS / f'classification/coca_base_{task}_imagenet.py')
        for task in TRAINED
    }
    for cfg in configs.values():
        assert cfg.optim_wrapper.optimizer.lr == 5e-4 and cfg.train_cfg.max_iters == 200_000
        assert cfg.optim_wrapper.clip_grad.max_norm == 1.0
        assert [schedule.type for schedule in cfg.param_scheduler] == ['CosineAnnealingLR']
        assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 512
        assert 1 - cfg.custom_hooks[0].momentum == 0.9999
    for task, smoothing in [('frozen', 0.2), ('finetune', 0.5)]:
        assert configs[task].model.head.loss.label_smooth_val == smoothing
        assert configs[task].optim_wrapper.optimizer.weight_decay == 0.01
        augmentation = configs[task].train_dataloader.dataset.pipeline[-2]
        assert (augmentation.num_policies, augmentation.magnitude_level) == (2, 20)


def test_augmentation(drawings):
    """The whole pipeline of training, which the small configs cut short."""
    cfg = Config.fromfile(CONFIGS / 'classification/coca_base_frozen_imagenet.py')
    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    packed = [pipeline(dict(img_path=str(drawings[0][0]), gt_label=3)) for _ in range(20)]
    for sample in packed:
        assert sample['inputs'].shape == (3, 288, 288) and sample['inputs'].dtype == torch.uint8
        assert sample['data_samples'].gt_label.tolist() == [3]
    assert len({sample['inputs'].numpy().tobytes() for sample in packed}) == 20


def test_pooler():
    """One query reads the last of the backbone's outputs."""
    pooler = RecognitionPooler(dims=8, memory_dims=6, num_heads=2)
    tokens = torch.randn(3, 5, 6)
    pooled, = pooler((torch.randn(3, 2, 6), tokens))
    assert pooled.shape == (3, 8)
    # The order of the tokens does not matter, their content does.
    torch.testing.assert_close(pooler((tokens.flip(1), ))[0], pooled)
    assert (pooler((2 * tokens, ))[0] - pooled).abs().max() > 1e-3
