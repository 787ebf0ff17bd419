# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Runners whose data and parts are known to fit before the first step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS, FUNCTIONS, RUNNERS
from mmengine.runner import Runner
from mmengine.utils.dl_utils import has_batch_norm
from torch.utils.data import DataLoader

from mmcoca.datasets import CollateWithTexts, TrainingSampler
from mmcoca.engine import FullyShardedModel
from mmcoca.errors import UserError, is_positive
from mmcoca.models import ImageTextDataPreprocessor
from mmcoca.models.parts import is_trained
from mmcoca.weights import check_pretrained_parts

from .errors import config_errors, data_errors
from .options import misspelt_names

MAX_SEED = 2**32  # of NumPy


def build_runner(cfg: Config) -> Runner:
    """The runner of a config. Raises UserError where its parts contradict each other."""
    check_numbers(cfg)
    with config_errors(cfg):
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    for name, near in misspelt_names(cfg):  # after the config, which MMEngine prints
        message = f"{cfg.filename}: MMEngine reads no '{name}': did you mean '{near}'?"
        print_log(message, 'current', logging.WARNING)
    build_dataloader = runner.build_dataloader

    def build_named(dataloader: Mapping, *args, **kwargs) -> DataLoader:
        with data_errors(dataloader):
            return build_dataloader(dataloader, *args, **kwargs)

    def call_hook(name: str, **kwargs) -> None:
        for hook in runner.hooks:
            if hasattr(hook, name):
                getattr(hook, name)(runner, **kwargs)

    # MMEngine's loops load their data by it when they are first asked for.
    runner.build_dataloader = build_named
    # MMEngine's own raises a hook's TypeError anew, without its traceback.
    runner.call_hook = call_hook
    return runner


def check_numbers(cfg: Config) -> None:
    """Raise UserError for a seed, a length of training or a batch size that is scaled by, with
    which MMEngine breaks off later.
    """
    seed = (cfg.get('randomness') or {}).get('seed')
    if seed is not None and (type(seed) is not int or not 0 <= seed < MAX_SEED):
        raise UserError(f'{cfg.filename}: randomness.seed={seed!r}: use 0 to {MAX_SEED - 1}')
    for name in ('max_epochs', 'max_iters', 'val_interval'):
        number = (cfg.get('train_cfg') or {}).get(name)
        if number is not None and (type(number) is not int or number < 1):
            raise UserError(f'{cfg.filename}: train_cfg.{name}={number!r}: use 1 or more')
    scaling = cfg.get('auto_scale_lr') or {}
    if scaling.get('enable') and not is_positive(scaling.get('base_batch_size')):
        raise UserError(
            f'{cfg.filename}: auto_scale_lr.base_batch_size={scaling.get("base_batch_size")!r}: '
            'scaling the learning rate needs the batch size that it was chosen for'
        )


def build_training(cfg: Config) -> Runner:
    """A runner whose training data are loaded and, in a plain Runner, whose optimizer is built.

    Raises UserError as `build_runner` does, for an `init_cfg` whose weights are of something else,
    for a classifier of fewer classes than its data have, for data that do not fill one batch, and
    for a batch of one pair where the model has a batch norm.
    """
    if cfg.get('train_cfg') is None:
        raise UserError(f'{cfg.filename} trains nothing: it is for tools/test.py')
    runner = build_runner(cfg)
    with config_errors(cfg):
        draw_by_visit(runner)
        tokenize_in_workers(runner)
        loader = runner.train_loop.dataloader
        if isinstance(runner, Runner):  # a FlexibleRunner leaves these to its strategy
            check_pretrained_parts(runner.model)
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
            if isinstance(runner.model, FullyShardedModel):
                runner.model.take_optimizer(runner.optim_wrapper.optimizer)
                runner._init_model_weights = lambda: None  # they were drawn before they were shared
    check_classes(cfg, runner, loader.dataset)
    if len(loader) == 0:
        raise UserError(
            f'{cfg.filename}: {len(loader.dataset)} training pairs do not fill one batch of '
            f'{loader.batch_size}: lower train_dataloader.batch_size'
        )
    warn_of_accumulation(runner)
    size = loader.batch_size  # None with a batch sampler, which alone knows its sizes
    one_left = size and not loader.drop_last and len(loader.sampler) % size == 1
    if (size == 1 or one_left) and has_batch_norm(runner.model):
        raise UserError(
            f"{cfg.filename}: a batch of one pair, but the model's batch norm (in the tiny model "
            'contrastive_head.norm_cfg) needs two: change train_dataloader.batch_size, or set '
            'train_dataloader.drop_last=True'
        )
    return runner


def check_classes(cfg: Config, runner: Runner, dataset: object) -> None:
    """Raise UserError where a classifier has fewer classes than its data.

    Those of a published data set, which its Python class names, may be more than are used.
    """
    while hasattr(dataset, 'dataset'):  # as wrappers have it
        dataset = dataset.dataset
    published = getattr(type(dataset), 'METAINFO', {}).get('classes')
    names = getattr(dataset, 'metainfo', {}).get('classes') or ()
    head = getattr(getattr(runner.model, 'module', runner.model), 'head', None)
    num_classes = getattr(head, 'num_classes', None)
    if num_classes is not None and not published and len(names) > num_classes:
        raise UserError(
            f'{cfg.filename}: model.head.num_classes={num_classes}, but the training data have '
            f'{len(names)} classes'
        )


def warn_of_accumulation(runner: Runner) -> None:
    """Say where accumulated gradients are not those of the large batch."""
    model = getattr(runner.model, 'module', runner.model)
    counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
    if counts > 1 and is_trained(getattr(model, 'contrastive_head', None)):
        print_log(
            f'optim_wrapper.accumulative_counts={counts}: each batch is contrasted alone, which is '
            'not the loss of all of them; that is model.micro_batch_size, with a batch size so '
            'many times as large',
            'current',
            logging.WARNING,
        )


def draw_by_visit(runner: Runner) -> None:
    """Have augmentation depend on seed, epoch and position, where a TrainingSampler tells them."""
    loader = runner._train_dataloader
    if isinstance(loader, Mapping) and isinstance(loader.get('sampler'), Mapping):
        sampler = loader['sampler']['type']
        sampler = DATA_SAMPLERS.get(sampler) if isinstance(sampler, str) else sampler
        if isinstance(sampler, type) and issubclass(sampler, TrainingSampler):
            dataset = dict(type='mmcoca.SeededDataset', dataset=loader['dataset'])
            runner._train_dataloader = dict(loader, dataset=dataset)


def tokenize_in_workers(runner: Runner) -> None:
    """Have the workers that load training data tokenise the texts, where the model takes such."""
    model = getattr(runner.model, 'module', runner.model)
    loader = runner._train_dataloader
    if not isinstance(getattr(model, 'data_preprocessor', None), ImageTextDataPreprocessor):
        return
    if hasattr(model, 'texts_of_loss') and isinstance(loader, Mapping):
        collate = loader.get('collate_fn') or dict(type='pseudo_collate')
        if isinstance(collate, Mapping):
            options = dict(collate)
            kind = options.pop('type')
            function = FUNCTIONS.get(kind) if isinstance(kind, str) else kind
            collate = partial(function, **options)
        collate = CollateWithTexts(collate, model.texts_of_loss, model.tokenizer)
        runner._train_dataloader = dict(loader, collate_fn=collate)


def build_testing(cfg: Config) -> Runner:
    """A runner whose test data are loaded. Raises UserError as `build_runner` does."""
    runner = build_runner(cfg)
    with config_errors(cfg):
        runner.test_loop  # MMEngine builds it when it is first asked for
    return runner
