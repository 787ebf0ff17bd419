# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a training's runner is given before its first step."""

import copy

import pytest
import torch
from mmengine.registry import DefaultScope

from mmcoca.command_line.runners import build_training


@pytest.fixture
def build(tiny_config, emoji_data, tmp_path):
    """The runner of the tiny training with other settings, and its config."""

    def built(name, **settings):
        cfg = copy.deepcopy(tiny_config)
        cfg.merge_from_dict(
            {
                'train_dataloader.batch_size': 8, 'train_dataloader.dataset.indices': 32, 'val_cfg':
                None, 'val_dataloader': None, 'val_evaluator': None, 'work_dir':
                str(tmp_path / name), 'experiment_name': f'{name} of {tmp_path}', **settings
            }
        )
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return build_training(cfg)

    return built


@pytest.mark.parametrize('num_workers', [0, 2])
@pytest.mark.parametrize('loop', ['epochs', 'iterations'])
def test_loading_tokenises(build, num_workers, loop):
    """In processes of its own too; the losses are those of the strings."""
    train_cfg = dict(by_epoch=False, max_iters=4) if loop == 'iterations' else {}
    runner = build(
        f'{loop} {num_workers}',
        **{
            'train_dataloader.num_workers': num_workers,
            'train_dataloader.persistent_workers': False,
            'model.text.dropout': 0.0,
        },
        **(dict(train_cfg=dict(_delete_=True, **train_cfg)) if train_cfg else {}),
    )
    model = runner.model.train()
    batch = next(iter(runner.train_loop.dataloader))
    captions = [sample.gt_caption for sample in batch['data_samples']]
    expected = model.tokenizer(captions)
    (texts, ) = batch['texts']
    assert torch.equal(texts.token_ids, expected.token_ids)
    assert torch.equal(texts.lengths, expected.lengths)
    prepared = model.data_preprocessor(batch, training=True)
    with torch.no_grad():
        found = model(**prepared, mode='loss')
        of_strings = model(prepared['images'], prepared['data_samples'], mode='loss')
    for name, value in of_strings.items():
        torch.testing.assert_close(found[name], value)


def test_accumulated_contrastive_losses_are_warned_of(build, capfd):
    build('plain')
    assert 'contrasted alone' not in ''.join(capfd.readouterr())
    build('accumulating', **{'optim_wrapper.accumulative_counts': 4})
    assert 'accumulative_counts=4: each batch is contrasted alone' in ''.join(capfd.readouterr())
    settings = {'model.contrastive_head': None, 'optim_wrapper.accumulative_counts': 4}
    build('captions', **settings)
    assert 'contrasted alone' not in ''.join(capfd.readouterr())


def test_a_misspelt_name_of_the_config_is_warned_of(build, capfd):
    build('right', dims=64)  # a variable
    assert 'did you mean' not in ''.join(capfd.readouterr())
    build('wrong', train_dataloder=dict(batch_size=4), custom_hook=[])
    printed = ''.join(capfd.readouterr())
    assert "MMEngine reads no 'train_dataloder': did you mean 'train_dataloader'?" in printed
    assert "MMEngine reads no 'custom_hook': did you mean 'custom_hooks'?" in printed
