# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
from safetensors.torch import load_file

from mmcoca.errors import MissingFileError
from mmcoca.models.text import TextTokenizer
from mmcoca.shipped_files import local_path
from mmcoca.weights import find_checkpoint


def test_other_paths_and_addresses_stay_as_they_are(tmp_path):
    for path in ('work_dirs/run/epoch_1.pth', 'https://host.example/a.pth', str(tmp_path)):
        assert local_path(path) == path


@pytest.mark.parametrize('name', ['no_model/model.safetensors', '../version.py', ''])
def test_what_does_not_come_with_the_package(name):
    for read in (local_path, find_checkpoint, TextTokenizer):
        with pytest.raises(MissingFileError, match='does not come with mmcoca'):
            read(f'mmcoca://{name}')


def test_weights_in_16_bits(run_tool, tmp_path):
    """Rounded to the nearest, counters as they are; what does not fit is one line."""
    weights = dict(a=torch.randn(3, 4), steps=torch.tensor(7), flag=torch.tensor([True]))
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    tool = 'model_converters/to_safetensors.py'
    for dtype in ('float16', 'bfloat16', 'float32'):
        target = tmp_path / f'{dtype}.safetensors'
        done = run_tool(tool, tmp_path / 'a.pth', target, '--dtype', dtype)
        assert done.returncode == 0, done.stderr
        found = load_file(target)
        assert torch.equal(found['a'], weights['a'].to(getattr(torch, dtype)))
        assert found['steps'] == 7 and found['flag'].dtype == torch.bool
    torch.save(dict(state_dict=dict(big=torch.tensor([1.0, 1e6]))), tmp_path / 'b.pth')
    target = tmp_path / 'b.safetensors'
    done = run_tool(tool, tmp_path / 'b.pth', target, '--dtype', 'float16')
    assert done.returncode == 1 and 'big has values too large' in done.stderr
    assert 'Traceback' not in done.stderr and not target.exists()
