# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Task configs made small: everything of the config but its sizes, files and steps stays."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from in_process import fresh_managers
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from warm_processes import run_on_ranks

from mmcoca.command_line import build_testing, build_training

# With sample data for each: the paper's, and one whose weights are public.
MODELS_OF_TASKS = ['coca_base', 'open_clip_vit-b-p32']
CONFIGS = Path(__file__).parents[2] / 'configs' / 'coca'
IMAGE_SIZE = 32


def shrink_pipeline(pipeline: list[dict]) -> None:
    """Images of 32 px, as they are: augmentation would hide whether a sample is learned."""
    pipeline[:] = [step for step in pipeline if step['type'] not in ('RandAugment', 'RandomFlip')]
    for step in pipeline:
        if step['type'] in ('torchvision/CenterCrop', 'mmcoca.ResizeShorterSide'):
            step.update(size=IMAGE_SIZE)
        if step['type'] in ('RandomResizedCrop', 'Resize', 'ResizeEdge'):
            step.update(type='Resize', scale=(IMAGE_SIZE, IMAGE_SIZE))
            for key in ('crop_ratio_range', 'aspect_ratio_range', 'edge'):
                step.pop(key, None)
        shrink_pipeline(step.get('transforms', []))


def load_small(name: str, folder: Path, steps: int = 60, batch_size: int = 16) -> Config:
    """A config below configs/coca with a model of 64 channels, trained `steps` steps in `folder`.

    It has the default data's vocabulary, in folder/tokenizer.json.
    """
    cfg = Config.fromfile(CONFIGS / name)
    cfg.work_dir = str(folder / 'work_dir')
    cfg.load_from = None  # tasks start from CoCa-Base's weights
    arch = dict(embed_dims=64, num_layers=2, num_heads=4, feedforward_channels=128)
    sizes = dict(dims=64, num_heads=4)
    vocab_size = 2048
    cfg.model.backbone.update(arch=arch, img_size=IMAGE_SIZE, patch_size=8)
    if 'text' in cfg.model:
        cfg.model.tokenizer = dict(
            type='mmcoca.TextTokenizer',
            vocab_file=str(folder / 'tokenizer.json'),
            max_length=cfg.model.tokenizer.max_length,
        )
        cfg.model.neck.update(sizes, memory_dims=64, num_queries=8)
        cfg.model.text.update(
            sizes,
            mlp_dims=128,
            num_unimodal_layers=1,
            num_multimodal_layers=1,
            vocab_size=vocab_size
        )
        if cfg.model.get('captioning_head'):
            cfg.model.captioning_head.update(dims=64, vocab_size=vocab_size)
        if cfg.model.get('contrastive_head'):
            cfg.model.contrastive_head.update(dims=64, embed_dims=64)
        if cfg.model.get('understanding_head'):
            cfg.model.understanding_head.update(sizes)
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader is not None:
            loader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
            shrink_pipeline(loader.dataset.pipeline)
    for metric in [*(cfg.get('val_evaluator') or []), *(cfg.get('test_evaluator') or [])]:
        if metric['type'] == 'mmcoca.CaptionMetric':
            metric['meteor'] = False  # a Java program
    if cfg.get('train_cfg'):
        cfg.train_cfg = dict(by_epoch=False, max_iters=steps, val_interval=steps)
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=steps)
        cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=3e-3, weight_decay=0.01)
        cfg.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
    return cfg


def train_small(cfg: Config) -> str:
    """Train -> the checkpoint of the last step."""
    with fresh_managers():
        build_training(cfg.copy()).train()
    return str(Path(cfg.work_dir) / f'iter_{cfg.train_cfg.max_iters}.pth')


def evaluate(cfg: Config, checkpoint: str) -> dict[str, float]:
    """Test a checkpoint -> the metrics."""
    cfg.load_from = checkpoint
    with fresh_managers():
        return build_testing(cfg).test()


def pretrain_small(
    folder: Path, pairs: list[tuple[Path, list[str]]], steps: int, model: str = 'coca_base'
) -> str:
    """Train a small model on images and their captions -> its checkpoint.

    The vocabulary must be in the folder.
    """
    lines = []
    for path, captions in pairs:
        shutil.copy(path, folder / path.name)
        lines.append(json.dumps(dict(image=path.name, caption=captions)))
    (folder / 'pairs.jsonl').write_text('\n'.join(lines))
    cfg = load_small(f'{model}.py', folder, steps=steps, batch_size=32)
    cfg.train_dataloader.dataset.update(
        data_root=str(folder), ann_file='pairs.jsonl', data_prefix=dict(img_path='')
    )
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return train_small(cfg)


class DataParallelOnCPU(MMDistributedDataParallel):
    """MMEngine's wrapper, without the device that its runner hands over and a CPU has not."""

    def __init__(self, module, device_ids=None, **kwargs):
        super().__init__(module, **kwargs)


def evaluate_in_processes(cfgs: Sequence[Config], processes: int) -> list[list[dict[str, float]]]:
    """The metrics, of each config, of each of several processes that test together.

    As under a launcher.
    """
    cfgs = [cfg.copy() for cfg in cfgs]
    for cfg in cfgs:
        cfg.launcher = 'pytorch'
        cfg.model_wrapper_cfg = dict(type=DataParallelOnCPU)
    return run_on_ranks(_evaluate_on_rank, processes, cfgs)


def _evaluate_on_rank(rank: int, cfgs: Sequence[Config]) -> list[dict[str, float]]:
    os.environ['LOCAL_RANK'] = str(rank)
    metrics = []
    for cfg in cfgs:
        with fresh_managers():
            runner = build_testing(cfg)
            assert is_model_wrapper(runner.model)
            metrics.append(runner.test())
    return metrics
