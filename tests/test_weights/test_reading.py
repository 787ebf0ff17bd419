# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What can be read: files of MMEngine, new and old, and of safetensors; and what others end in."""

import copy
import io
import tarfile
import zipfile

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS
from safetensors.torch import load_file, save_file

from mmcoca.apis import load_model
from mmcoca.command_line import build_testing, build_training
from mmcoca.errors import UserError
from mmcoca.weights import find_checkpoint, load_safely, read_state_dict, write_weights


@pytest.fixture
def written_by_mmengine(tmp_path):
    """A file with all that MMEngine keeps: history, plain values, arrays of numpy."""
    hub = MessageHub.get_instance(str(tmp_path))
    for value in (1.0, 3.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('seed', 7)
    meta = dict(epoch=2, seed=np.int64(7), dataset_meta=dict(names=np.array(['a', 'b'])))
    path = tmp_path / 'written.pth'
    content = dict(meta=meta, state_dict={'a': torch.ones(2)}, message_hub=hub.state_dict())
    torch.save(content, path)
    return path


def with_names_of_older_numpy(path):
    """The same file as numpy 1 writes it."""
    old = path.with_name('old.pth')
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, 'w') as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith('data.pkl'):
                assert b'numpy._core' in content
                content = content.replace(b'numpy._core', b'numpy.core')
            target.writestr(info.filename.replace('written', 'old'), content)
    return old


@pytest.mark.parametrize('age', ['new', 'old numpy', 'torch before 1.6'])
def test_what_mmengine_writes_is_read(age, written_by_mmengine):
    path = written_by_mmengine
    if age == 'old numpy':
        path = with_names_of_older_numpy(path)
    elif age == 'torch before 1.6':
        content = torch.load(path, weights_only=False)
        torch.save(content, path, _use_new_zipfile_serialization=False)
    checkpoint = load_safely(str(path))
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    assert type(history) is HistoryBuffer
    assert history.data[0].tolist() == [1.0, 3.0] and history.statistics('mean') == 2.0
    history.update(5.0)
    assert history.max() == 5.0
    assert checkpoint['meta']['seed'] == 7 and checkpoint['meta']['epoch'] == 2
    assert checkpoint['meta']['dataset_meta']['names'].tolist() == ['a', 'b']
    hub = MessageHub.get_instance(f'read_{age}')
    hub.load_state_dict(checkpoint['message_hub'])
    assert hub.get_info('seed') == 7
    # And what is written after it can be read by MMEngine itself.
    torch.save(checkpoint, path)
    assert type(
        torch.load(path, weights_only=False)['message_hub']['log_scalars']['train/loss']
    ) is HistoryBuffer


def test_an_array_of_objects_is_refused(tmp_path):
    torch.save(dict(x=np.array([dict(a=1)])), tmp_path / 'objects.pth')
    with pytest.raises(UserError, match='objects.pth is refused: it holds more than tensors'):
        load_safely(str(tmp_path / 'objects.pth'))


def legacy_tar(path):
    """As torch before 0.1.10 wrote: a tar archive."""
    with tarfile.open(path, 'w') as file:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            info = tarfile.TarInfo(name)
            info.size = 3
            file.addfile(info, io.BytesIO(b'abc'))


def wrong_magic(path):
    """As torch before 1.6 wrote, with another number at the beginning."""
    torch.save({'a': torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    content = bytearray(path.read_bytes())
    content[6] ^= 1
    path.write_bytes(content)


def cut_short(path):
    torch.save({'a': torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:-2000])


def no_archive_of_torch(path):
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.txt', 'text')


ARRAYS = [
    np.arange(3),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(3, dtype='>i2'),
    np.array(5.0),
    np.array(['x', 'größer']),
    np.array([b'ab', b'c']),
    np.array([True]),
    np.float16(2),
    np.str_('q'),
    np.bytes_(b'zz'),
    np.complex64(1j),
    np.bool_(True),
]


def test_arrays_and_scalars_of_numpy_are_read_and_saved_again(tmp_path):
    arrays = ARRAYS
    for name in ('once.pth', 'again.pth'):
        path = tmp_path / name
        torch.save(dict(arrays=copy.deepcopy(arrays)), path)
        arrays = load_safely(str(path))['arrays']
        for one, other in zip(arrays, ARRAYS, strict=True):
            # In the machine's order of bytes, as numpy's own reading has it.
            assert one.dtype == other.dtype.newbyteorder('=') and one.shape == other.shape
            assert np.array_equal(one, other) and isinstance(one, type(other))
    saved = torch.load(path, weights_only=False)['arrays']
    assert [type(one) for one in saved] == [type(one) for one in ARRAYS]


@pytest.mark.parametrize(
    'write', [
        legacy_tar,
        wrong_magic,
        cut_short,
        no_archive_of_torch,
        lambda path: path.write_bytes(b''),
        lambda path: path.write_bytes(b'\x80'),
        lambda path: path.write_bytes(b'\xff' * 7 + b'\x7f{'),
        lambda path: torch.save([1, 2], path),
    ]
)
@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_other_files_end_in_one_line(write, device, tmp_path):
    path = tmp_path / 'other.pth'
    write(path)
    with pytest.raises(UserError, match='other.pth is not a') as error:
        load_safely(str(path), device)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('content', [b'', b' \n', b'\xff\xfe', b'..', b'epoch_1.pth'])
def test_a_pointer_to_no_checkpoint_ends_in_one_line(content, tmp_path):
    (tmp_path / 'last_checkpoint').write_bytes(content)
    with pytest.raises(UserError) as error:
        find_checkpoint(str(tmp_path))
    assert '\n' not in str(error.value)
    if not content.strip():
        assert str(
            error.value
        ) == f'{tmp_path / "last_checkpoint"} is empty: name a checkpoint file'


def test_safetensors_serve_wherever_a_checkpoint_does(tiny_config, tiny_model, tmp_path):
    weights = tiny_model.state_dict()
    path, misnamed = str(tmp_path / 'weights.safetensors'), str(tmp_path / 'weights.pth')
    write_weights(weights, path, dict(source='a test'))
    save_file(load_file(path), misnamed)

    def assert_has_them(model):
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, weights[name]), name

    def other_model(**init_cfg):
        torch.manual_seed(1)
        model = MODELS.build(dict(tiny_config.model, init_cfg=init_cfg or None))
        model.init_weights()
        return model

    for file in (path, misnamed):
        assert_has_them(load_model(tiny_config, file))
        assert_has_them(mmpretrain.get_model(tiny_config, pretrained=file))
        assert_has_them(other_model(type='Pretrained', checkpoint=file))
        model = other_model()
        load_checkpoint(model, file, strict=True)
        assert_has_them(model)
    torch.manual_seed(1)
    backbone = MODELS.build(
        dict(
            tiny_config.model.backbone,
            init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone')
        )
    )
    backbone.init_weights()
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, weights[f'backbone.{name}']), name

    cfg = Config(tiny_config.to_dict())
    cfg.update(work_dir=str(tmp_path), load_from=path)
    cfg.test_dataloader.dataset.indices = 8
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    runner = build_testing(cfg)
    runner.test()
    assert_has_them(runner.model)
    runner = build_training(cfg)
    runner.load_or_resume()
    assert_has_them(runner.model)


def test_meta_has_names_and_shapes_alone(tiny_model, tmp_path):
    weights = tiny_model.state_dict()
    for name in ('weights.safetensors', 'weights.pth'):
        write_weights(weights, str(tmp_path / name))
        read = read_state_dict(str(tmp_path / name), 'meta')
        assert all(tensor.is_meta for tensor in read.values())
        assert {n: t.shape for n, t in read.items()} == {n: t.shape for n, t in weights.items()}


def test_tied_weights_are_written(tmp_path):
    weight = torch.arange(6.0).view(2, 3)
    write_weights({'a': weight, 'b': weight, 'c': weight.T}, str(tmp_path / 'x.safetensors'))
    read = load_file(tmp_path / 'x.safetensors')
    assert torch.equal(read['b'], weight) and torch.equal(read['c'], weight.T)


class TooLarge:
    """What cannot be written, and raises an error without a text, as a lack of memory does."""

    def __reduce__(self):
        raise MemoryError


def test_what_cannot_be_written_is_one_line_and_no_file(tmp_path):
    path = tmp_path / 'x.pth'
    with pytest.raises(UserError) as error:
        write_weights({'a': TooLarge()}, str(path))
    assert str(error.value) == f'{path} cannot be written: MemoryError'
    assert not list(tmp_path.iterdir())
