# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Weights that are of something else are found before they are left out."""

import pytest
import torch
from mmengine.config import Config

from mmcoca.command_line import build_training
from mmcoca.errors import UserError
from mmcoca.weights import write_weights


@pytest.fixture
def weights(tiny_model, tmp_path):
    """A checkpoint of the whole tiny model."""
    path = str(tmp_path / 'whole.safetensors')
    write_weights(tiny_model.state_dict(), path)
    return path


def training(tiny_config, tmp_path, part, **init_cfg):
    cfg = Config(tiny_config.to_dict())
    cfg.work_dir = str(tmp_path)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.model[part].init_cfg = dict(type='Pretrained', **init_cfg)
    return build_training(cfg)


def test_a_part_whose_weights_are_none_of_the_files_is_an_error(
    weights, tiny_config, tiny_model, tmp_path
):
    for part in ('backbone', 'neck', 'text'):
        with pytest.raises(UserError, match=f"tensors of {part}, .* set its prefix='{part}'"):
            training(tiny_config, tmp_path, part, checkpoint=weights)
    with pytest.raises(UserError, match="prefix 'neck'"):
        training(tiny_config, tmp_path, 'backbone', checkpoint=weights, prefix='neck')
    runner = training(tiny_config, tmp_path, 'backbone', checkpoint=weights, prefix='backbone')
    runner.model.init_weights()
    for name, tensor in runner.model.backbone.state_dict().items():
        assert torch.equal(tensor, tiny_model.backbone.state_dict()[name]), name
