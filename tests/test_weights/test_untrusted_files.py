# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A checkpoint that would execute code does not, whichever way it is read."""

import builtins
import contextlib
import importlib.util
import pickle
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch._tensor import _rebuild_from_type_v2
from torch._utils import _rebuild_tensor_v2

from mmcoca.apis import load_model
from mmcoca.errors import UserError
from mmcoca.openmmlab_versions import version_of

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / 'configs' / 'coca' / 'coca_tiny_emoji.py'


class Call:
    """Pickled as a call: reading it makes the call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def within_mmengines_list(code):
    """A call of exec(code) made of nothing but what MMEngine's list of safe globals allows."""

    def call(function, result, *arguments):
        return Call(_rebuild_from_type_v2, function, attribute(result, '__class__'), arguments, {})

    def attribute(owner, name):
        return Call(getattr, owner, name)

    get = attribute(attribute(_rebuild_tensor_v2, '__builtins__'), 'get')
    return call(call(get, get, 'exec'), None, code)


def plain_call(code):
    return Call(builtins.exec, code)


@pytest.fixture
def marker(tmp_path):
    """The file that appears if code is executed."""
    return tmp_path / 'executed'


@pytest.fixture(params=['a call', "within MMEngine's list", 'a raw pickle'])
def attack(request, marker, tmp_path):
    """A checkpoint that makes the marker when it is unpickled."""
    make = within_mmengines_list if request.param.startswith('within') else plain_call
    content = dict(state_dict={'a': torch.zeros(1)}, x=make(f'open({str(marker)!r}, "w")'))
    path = tmp_path / 'attack.pth'
    if request.param == 'a raw pickle':
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


@pytest.mark.skipif(
    bool(version_of('mmengine')),
    reason='the original MMEngine leaves the reading to torch, which refuses the file',
)
def test_the_attack_is_one(attack, marker):
    """Read by MMEngine without mmcoca's reader, it executes its code."""
    spec = importlib.util.find_spec('mmengine.runner.checkpoint')
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    with contextlib.suppress(RuntimeError):  # a raw pickle: only after it has been executed
        plain.load_from_local(str(attack), 'cpu')
    assert marker.exists()


@pytest.fixture
def told(run_tool):
    """A function that runs a tool -> the last line that it prints on stderr."""

    def last_line(tool, *args):
        return (run_tool(tool, *args).stderr.strip().splitlines() or [''])[-1]

    return last_line


TOOLS = {
    'test.py': ['{config}', '{attack}', '--work-dir', '{folder}'],
    'train.py': ['{config}', '--work-dir', '{folder}', '--resume', '{attack}'],
    'inference/caption.py': ['{config}', '{attack}', '{images}', '--out', '{folder}/c.jsonl'],
    'inference/classify.py': ['{config}', '{attack}', '{images}', '--classes', 'cat', 'dog'],
    'inference/answer.py': ['{config}', '{attack}', '{images}', '--questions', 'what?'],
    'inference/embed.py':
    ['{config}', '{attack}', '--images', '{images}', '--out', '{folder}/e.safetensors'],
    'inference/search.py': ['{config}', '{attack}', '{index}', '--texts', 'cat'],
    'visualization/caption_sheet.py':
    ['{config}', '{attack}', '{images}', '--out', '{folder}/c.html'],
    'model_converters/open_clip_to_mmcoca.py': ['{attack}', '{folder}/c.pth'],
    'model_converters/to_safetensors.py': ['{attack}', '{folder}/c.safetensors'],
    'model_converters/open_clip_parity.py': ['coca_ViT-B-32', '--weights', '{attack}'],
}


@pytest.fixture
def arguments(attack, drawings, tiny_config, tmp_path):
    """What the tools are called with: a config over the data, images, an index, the attack."""
    from mmcoca.apis import EmbeddingIndex

    images = tmp_path / 'images'
    images.mkdir()
    for path, _ in drawings[:2]:
        (images / path.name).write_bytes(path.read_bytes())
    config = tmp_path / 'config.py'
    tiny_config.dump(config)
    EmbeddingIndex(torch.eye(2), ['a', 'b']).save(tmp_path / 'index.safetensors')
    return dict(
        config=config,
        attack=attack,
        images=images,
        index=tmp_path / 'index.safetensors',
        folder=tmp_path,
    )


@pytest.mark.parametrize('tool', TOOLS)
def test_tools_refuse_it(tool, arguments, marker, told):
    line = told(tool, *(argument.format(**arguments) for argument in TOOLS[tool]))
    assert line.startswith('error: ') and 'attack.pth is refused: it holds more than' in line
    assert not marker.exists()


def test_training_refuses_it(arguments, marker, attack, told, tmp_path):
    config = [arguments['config'], '--work-dir', tmp_path, '--cfg-options']
    assert 'attack.pth is refused' in told('train.py', *config, f'load_from={attack}')
    for part in ('model', 'model.backbone'):
        settings = [f'{part}.init_cfg.type=Pretrained', f'{part}.init_cfg.checkpoint={attack}']
        assert 'attack.pth is refused' in told('train.py', *config, *settings), part
        assert not marker.exists(), part


def test_resuming_the_last_of_a_folder_does_not_execute_it(
    arguments, marker, attack, told, tmp_path
):
    (tmp_path / 'last_checkpoint').write_text(str(attack))
    options = ['train_dataloader.dataset.indices=256', 'train_cfg.max_epochs=1']
    arguments = [arguments['config'], '--work-dir', tmp_path, '--resume', '--cfg-options', *options]
    assert 'attack.pth is refused' in told('train.py', *arguments)
    assert not marker.exists()


def test_functions_refuse_it(attack, marker, tiny_config, tiny_model, emoji_data, monkeypatch):
    name = 'coca_tiny_emoji'
    monkeypatch.chdir(emoji_data.parents[1])  # where the name's config finds its vocabulary
    for read in (
        lambda: load_model(tiny_config, str(attack)),
        lambda: mmpretrain.get_model(tiny_config, pretrained=str(attack)),
        lambda: mmpretrain.get_model(name, pretrained=str(attack)),
        lambda: mmpretrain.ImageCaptionInferencer(name, pretrained=str(attack)),
        lambda: mmpretrain.FeatureExtractor(tiny_config, pretrained=str(attack)),
        lambda: load_checkpoint(tiny_model, str(attack)),
    ):
        with pytest.raises(UserError, match='attack.pth is refused'):
            read()
        assert not marker.exists()


def test_a_download_is_refused_as_well(attack, marker, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match='attack.pth is refused'):
            CheckpointLoader.load_checkpoint(f'http://127.0.0.1:{server.server_port}/attack.pth')
        server.shutdown()
    assert not marker.exists()


@pytest.mark.parametrize('runner_type', ['Runner', 'FlexibleRunner'])
def test_resuming_does_not_execute_the_config_in_a_checkpoint(
    runner_type, tiny_config, marker, tmp_path
):
    from mmcoca.command_line import build_training

    cfg = Config(tiny_config.to_dict())
    cfg.update(work_dir=str(tmp_path), runner_type=runner_type)
    cfg.train_dataloader.update(batch_size=16, num_workers=0, persistent_workers=False)
    cfg.train_dataloader.dataset.indices = 32
    cfg.train_cfg.max_epochs = 1
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.interval = 1
    build_training(cfg.copy()).train()
    path = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['meta']['config'] = f'open({str(marker)!r}, "w")'
    torch.save(checkpoint, path)
    cfg.train_cfg.max_epochs = 2
    cfg.update(resume=True, load_from=str(path))
    runner = build_training(cfg)
    runner.train()
    assert runner.epoch == 2 and not marker.exists()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 4  # the history of both epochs


class Dtype:
    """Pickled as numpy's type of a code, with a state of the file's own."""

    def __init__(self, code, *state):
        self.made = np.dtype, (code, False, True), state

    def __reduce__(self):
        return self.made


class Array:
    """Pickled as one value of a type."""

    def __init__(self, dtype, content=b'A' * 8):
        self.dtype, self.content = dtype, content

    def __reduce__(self):
        begin, arguments, _ = np.zeros(1).__reduce__()
        return begin, arguments, (1, (1, ), self.dtype, False, self.content)


CRASHES = dict(
    alignment=Array(Dtype('S8', 3, '|', None, None, None, 8, 0, 0)),
    objects=Array(Dtype('U2', 3, '<', None, None, None, 8, 4, 63), ['a']),
    buffer=Call(np.ndarray, (1, ), 'O', b'A' * 8),
)
OTHERS = dict(
    size=Array(Dtype('f8', 3, '<', None, None, None, 2**31 - 1, 8, 0)),
    fields=Array(Dtype('f8', 3, '<', None, ('a', ), dict(a=(np.dtype('f8'), 999)), 8, 8, 16)),
    kind=Call(np.zeros(1).__reduce__()[0], np.ndarray, (3, ), 'O'),
)
READ = """
import sys
from mmcoca.errors import UserError
from mmcoca.weights import load_safely
for path in sys.argv[1:]:
    try:
        value = load_safely(path)['x']
        print(value, value.copy(), [value] * 9)
    except UserError as error:
        print(f'error: {error}')
"""


def test_types_of_numpy_that_numpy_does_not_write_are_refused(tmp_path):
    """Some of which end the interpreter, in numpy, when their values are used."""
    paths = [tmp_path / f'{name}.pth' for name in (*OTHERS, *CRASHES)]
    for path, value in zip(paths, (*OTHERS.values(), *CRASHES.values())):
        torch.save(dict(state_dict={'a': torch.zeros(1)}, x=value), path)
    done = subprocess.run([sys.executable, '-c', READ, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        assert line.startswith(f'error: {path} is refused'), line
