# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The two entry points, with a user's options, on the default data."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / 'configs' / 'coca' / 'coca_tiny_emoji.py'
NARROW = REPOSITORY / 'tests' / 'coca_narrow_emoji.py'


@pytest.fixture(scope='module')
def run(run_tool):
    """A function that runs one of the two tools in this process; a failure fails the test."""

    def run(tool, *args):
        done = run_tool(tool, *args)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    return run


def scalars(work_dir):
    """Each line of the newest run's scalars."""
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in files[-1].read_text().splitlines()]


@pytest.fixture(scope='module')
def options(emoji_data):
    """A short run: 512 pairs to train on, 256 test images, two epochs."""
    return [
        '--cfg-options',
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        *(
            f'{split}_dataloader.dataset.{key}={value}' for split in ('train', 'val', 'test')
            for key, value in (('data_root', emoji_data), ('indices', 256))
        ),
        'train_dataloader.dataset.indices=512',
        'train_dataloader.batch_size=64',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_cfg.max_epochs=2',
        'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
        'default_hooks.logger.interval=1',
    ]


@pytest.fixture(scope='module')
def trained(run, options, tmp_path_factory):
    """The work directory of the short run."""
    work_dir = tmp_path_factory.mktemp('trained')
    run('train.py', CONFIG, '--work-dir', work_dir, *options)
    return work_dir


def test_test_gives_the_figures_of_the_evaluation_in_training(run, trained, options, tmp_path):
    out = tmp_path / 'metrics.json'
    args = ('--work-dir', tmp_path, '--out', out, '--out-item', 'metrics')
    run('test.py', CONFIG, trained, *args, *options)
    tested = json.loads(out.read_text())
    # The work directory has config and checkpoint.
    alone = tmp_path / 'alone.json'
    run('test.py', trained, '--work-dir', tmp_path, '--out', alone, '--out-item', 'metrics')
    assert json.loads(alone.read_text()) == tested
    in_training = [line for line in scalars(trained) if 'caption/CIDEr' in line][-1]
    assert {
        *(f'{way}/retrieval/Recall@{k}' for way in ('i2t', 't2i') for k in (1, 5, 10)),
        *(f'caption/{name}' for name in ('BLEU-4', 'CIDEr', 'ROUGE-L', 'exact_match')),
    } <= set(tested)
    for name, value in tested.items():
        assert in_training[name] == pytest.approx(value, abs=1e-4), name


def test_resuming_continues_the_same_curve(run, trained, options, tmp_path):
    resumed = tmp_path / 'resumed'
    args = ('--work-dir', resumed, '--resume', trained / 'epoch_1.pth')
    run('train.py', CONFIG, *args, *options)

    def losses(work_dir):
        return {line['step']: line['loss'] for line in scalars(work_dir) if 'loss' in line}

    whole, second_half = losses(trained), losses(resumed)
    steps = sorted(whole)
    assert sorted(second_half) == steps[len(steps) // 2:]
    # Random augmentation differs after a resume, so the curves agree as curves, not to the digit:
    # a run that had lost its weights or its optimizer would start at the first step's loss.
    first = sum(whole[step] for step in steps[:3]) / 3
    for step, loss in second_half.items():
        assert abs(loss - whole[step]) < 0.15 * first
    rates = {line['step']: line['lr'] for line in scalars(trained) if 'lr' in line}
    for line in scalars(resumed):
        if 'lr' in line:
            assert line['lr'] == pytest.approx(rates[line['step']])


def test_max_epochs_alone_shortens_the_schedule(trained):
    rates = [line['lr'] for line in scalars(trained) if 'lr' in line]
    assert rates[0] < 0.01 * max(rates)
    assert rates[-1] < 0.1 * max(rates)


def test_the_flexible_runner_trains_too(run, options, tmp_path):
    """MMEngine's other runner, which has its strategy build the optimizer."""
    flexible = ('runner_type=FlexibleRunner', 'train_dataloader.dataset.indices=128')
    run('train.py', CONFIG, '--no-validate', '--work-dir', tmp_path, *options, *flexible)
    assert [line['step'] for line in scalars(tmp_path) if 'loss' in line] == [1, 2, 3, 4]


@HOOKS.register_module()
class PrecisionHook(Hook):
    """Notes in which precision the encoder's first product comes out."""

    noted: set[torch.dtype] = set()

    def before_run(self, runner):
        self.noted.clear()
        layer = runner.model.backbone.layers[0].attn.qkv
        layer.register_forward_hook(lambda layer, args, product: self.noted.add(product.dtype))


@pytest.fixture
def with_hook(tmp_path):
    """A function: a config -> one with the hook, outside of work directories, which get a copy."""

    def inherit(base):
        path = tmp_path / 'config.py'
        path.write_text(f'_base_ = {str(base)!r}\ncustom_hooks = [dict(type="PrecisionHook")]\n')
        return path

    return inherit


FOUR_STEPS = ['train_dataloader.dataset.indices=128', 'default_hooks.checkpoint.interval=2']
ON_CPU = pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU has float16, scaled')


@ON_CPU
@pytest.mark.parametrize(
    'amp, has_bfloat16, precision',
    [
        (['--amp'], True, torch.bfloat16),
        (['--amp'], False, torch.float32),
        ([], True, torch.float32),
    ],
)
def test_training_with_amp(
    amp, has_bfloat16, precision, run, options, with_hook, tmp_path, monkeypatch
):
    """In bfloat16 where the processor has it, else in float32, which it says; weights stay."""
    for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'):
        monkeypatch.setattr(torch.cpu, name, lambda: has_bfloat16)
    plain = 'optim_wrapper.type=OptimWrapper'  # the config's own is in bfloat16 as it is
    # Small batches: torch computes products in bfloat16 slowly where the processor has none.
    few = ('train_dataloader.batch_size=16', 'train_dataloader.dataset.indices=32', plain)
    args = ['--no-validate', '--work-dir', tmp_path / 'run', *options, *FOUR_STEPS, *few]
    run('train.py', with_hook(NARROW), *amp, *args)
    assert PrecisionHook.noted == {precision}
    (log, ) = tmp_path.glob('run/*/*.log')
    assert ('no bfloat16: training in float32' in log.read_text()) != has_bfloat16
    assert [line['step'] for line in scalars(tmp_path / 'run') if 'loss' in line] == [1, 2, 3, 4]
    weights = torch.load(tmp_path / 'run' / 'epoch_2.pth', weights_only=False)['state_dict']
    floats = [tensor for tensor in weights.values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floats} == {torch.float32}


@ON_CPU
def test_testing_with_amp(run, options, with_hook, trained, tmp_path):
    """Almost the same figures, in bfloat16."""
    metrics = []
    for amp, precision in (([], torch.float32), (['--amp'], torch.bfloat16)):
        out = tmp_path / 'metrics.json'
        args = ('--work-dir', tmp_path / 'run', '--out', out, '--out-item', 'metrics')
        run('test.py', with_hook(CONFIG), trained, *amp, *args, *options)
        assert PrecisionHook.noted == {precision}
        metrics.append(json.loads(out.read_text()))
    for name, value in metrics[1].items():
        if 'Recall' in name:
            assert metrics[0][name] == pytest.approx(value, abs=3), name


def test_auto_scale_lr(run, options, tmp_path):
    """Rates of the base batch size, 256, become those of the batch size, 64."""
    rates = {}
    for name, args in dict(plain=[], scaled=['--auto-scale-lr']).items():
        work_dir = tmp_path / name
        run(
            'train.py', CONFIG, *args, '--no-validate', '--work-dir', work_dir, *options,
            *FOUR_STEPS
        )
        rates[name] = [line['lr'] for line in scalars(work_dir) if 'lr' in line]
    assert len(rates['plain']) == 4 and len(set(rates['plain'])) > 1
    assert rates['scaled'] == pytest.approx([rate / 4 for rate in rates['plain']])


@pytest.mark.usefixtures('much_memory')
def test_base_trains_a_step_on_the_cpu(run, emoji_data, tmp_path):
    loader = 'train_dataloader'
    run(
        'train.py',
        REPOSITORY / 'configs' / 'coca' / 'coca_base.py',
        '--no-validate',
        '--work-dir',
        tmp_path,
        '--cfg-options',
        f'{loader}.dataset.data_root={emoji_data}',
        f'{loader}.dataset.ann_file=annotations/train.json',
        f'{loader}.batch_size=2',
        f'{loader}.num_workers=0',
        f'{loader}.persistent_workers=False',
        'train_cfg.max_iters=2',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=100',
        'default_hooks.checkpoint.save_last=False',
    )
    lines = [line for line in scalars(tmp_path) if 'loss' in line]
    assert [line['step'] for line in lines] == [1, 2]
    # Twice the entropy of a uniform guess among 64,000 tokens is 22.
    assert all(10 < line['loss_captioning'] < 40 for line in lines)
    assert all(0.1 < line['loss_contrastive'] < 3 for line in lines)


@pytest.mark.parametrize(
    'tool, args, message',
    [
        ('train.py', ['nothing.py'], 'config file nothing.py does not exist'),
        ('train.py', [CONFIG, '--resume', 'nothing.pth'], 'checkpoint nothing.pth does not exist'),
        ('test.py', [CONFIG, 'nothing.pth'], 'checkpoint nothing.pth does not exist'),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'train_dataloader.dataset.ann_file=nothing.json'],
            'nothing.json does not exist',
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'model.text.num_heads=5'],
            'does not divide into 5 attention heads',
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'optim_wraper.optimizer.lr=1'],
            "has no 'optim_wraper' to set: did you mean 'optim_wrapper'?",
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'sampler.type=DefaultSampler'],
            "has no 'sampler' to set: did you mean 'train_dataloader.sampler.type'?",
        ),
        *(
            (
                'train.py', [CONFIG, '--cfg-options', f'{option}=1'
                             ], f"has no '{option.split('.')[-1]}' to set: did you mean '{meant}'?"
            ) for option, meant in {
                'train_cfg.max_epoch': 'max_epochs',
                'train_dataloader.batchsize': 'batch_size',
                'train_dataloader.dataset.anfile': 'ann_file',
                'default_hooks.checkpoints': 'checkpoint',
            }.items()
        ),
        *(
            ('train.py', [CONFIG, '--cfg-options', f'{name}={value}'], f'{name}={value!r}: use')
            for name, value in (
                ('randomness.seed', 'abc'),
                ('randomness.seed', -5),
                ('train_cfg.max_epochs', -1),
                ('train_cfg.max_epochs', 1.5),
            )
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'train_dataloader.batch_size=600'],
            '512 training pairs do not fill one batch of 600',
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'train_dataloader.batch_size=1'],
            "a batch of one pair, but the model's batch norm",
        ),
        (
            'train.py',
            [
                CONFIG,
                '--cfg-options',
                'train_dataloader.batch_size=73',  # 512 = 7 * 73 + 1
                'train_dataloader.drop_last=False',
            ],
            "a batch of one pair, but the model's batch norm",
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'train_dataloader.colour=8'],
            "unexpected keyword argument 'colour'",
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'optim_wrapper.optimizer.nesterv=True'],
            "unexpected keyword argument 'nesterv'",
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'optim_wrapper.paramwise_cfg.norm_decay_mult=0'],
            'takes no paramwise_cfg',
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'load_from=nothing.pth'],
            'checkpoint nothing.pth does not exist',
        ),
        ('train.py', ['mmcoca::coca/nothing.py'], 'mmcoca has none of this name'),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'train_dataloader.dataset.type=NoSuch'],
            'NoSuch is not in the',
        ),
        (
            'train.py',
            [CONFIG, '--cfg-options', 'vocab_size=99'],
            "'vocab_size' is a variable, with which the config made model.text.vocab_size, ",
        ),
    ],
)
def test_mistakes_give_one_line(run_tool, tool, args, message, options, tmp_path):
    if '--cfg-options' in args:
        start = args.index('--cfg-options')
        args = args[:start] + options + args[start + 1:]
    done = run_tool(tool, *args, '--work-dir', tmp_path)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(errors) == 1 and message in errors[0]
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'tool, args, message',
    [
        ('train.py', [CONFIG, '--cfg-options', 'train_cfg'], 'takes KEY=VALUE, not train_cfg'),
        (
            'test.py', ['work_dirs/nothing'
                        ], 'work_dirs/nothing does not exist: name a work directory'
        ),
        ('test.py', [CONFIG], 'is no work directory: name a work directory, or a config and a'),
        ('test.py', [CONFIG, 'x.pth', '--out', 'm.txt'], 'must be one of .pkl'),
        (
            'test.py',
            [CONFIG, 'x.pth', '--out', 'm.txt', '--out-item', 'metrics'],
            'must be one of .pkl, .pickle, .json',
        ),
    ],
)
def test_usage_errors(run_tool, tool, args, message):
    done = run_tool(tool, *args)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1] and 'Traceback' not in done.stderr


def test_checkpoint_of_something_else_is_an_error(run_tool, trained, options, tmp_path):
    """Text under a checkpoint's name, and weights of another or of a wider model."""
    (tmp_path / 'text.pth').write_text('epoch 1\n')
    torch.save(dict(state_dict={'a.b': torch.zeros(1)}), tmp_path / 'other.pth')
    checkpoint = torch.load(trained / 'epoch_2.pth', weights_only=False)
    weights = checkpoint['state_dict']
    weights['backbone.ln1.weight'] = torch.zeros(7)
    torch.save(dict(state_dict=weights), tmp_path / 'wider.pth')
    for name, message in (
        ('text.pth', 'is not a checkpoint'),
        ('other.pth', 'is of another model: it lacks'),
        ('wider.pth', 'is of another model: backbone.ln1.weight is (7,) there, (128,) in'),
    ):
        done = run_tool('test.py', CONFIG, tmp_path / name, '--work-dir', tmp_path, *options)
        assert done.returncode == 1
        assert f'{name} {message}' in done.stderr and 'Traceback' not in done.stderr


def test_training_from_weights_of_something_else_is_an_error(run_tool, options, tmp_path):
    torch.save(dict(state_dict={'visual.proj': torch.zeros(1)}), tmp_path / 'other.pth')
    options = [*options, f'load_from={tmp_path / "other.pth"}']
    done = run_tool('train.py', CONFIG, '--work-dir', tmp_path, *options)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'other.pth is of another model: none of its 1 tensors' in done.stderr


def test_checkpoint_that_would_execute_code_is_refused(run_tool, tmp_path):

    class Payload:

        def __reduce__(self):
            return (Path.touch, (tmp_path / 'executed', ))

    for name, save in (
        ('zip.pth', torch.save), ('raw.pth', lambda o, p: p.write_bytes(pickle.dumps(o)))
    ):
        save(dict(state_dict=Payload()), tmp_path / name)
        done = run_tool('test.py', CONFIG, tmp_path / name, '--work-dir', tmp_path)
        assert done.returncode == 1
        assert f'{name} is refused' in done.stderr and 'Traceback' not in done.stderr
        assert not (tmp_path / 'executed').exists()


NO_TRAINING = 'train_cfg = train_dataloader = optim_wrapper = param_scheduler = None'
NO_TEST = 'test_cfg = test_dataloader = test_evaluator = None'


@pytest.mark.parametrize(
    'tool, changes, option, message',
    [
        ('train.py', NO_TRAINING, '--amp', 'has no optim_wrapper, which --amp is about'),
        (
            'train.py', NO_TRAINING, '--no-persistent-workers',
            'has no train_dataloader, which --no-persistent-workers is about'
        ),
        ('train.py', NO_TRAINING, '--no-validate', 'trains nothing: it is for tools/test.py'),
        (
            'train.py', 'auto_scale_lr = None', '--auto-scale-lr',
            'has no auto_scale_lr, which --auto-scale-lr is about'
        ),
        (
            'train.py', 'auto_scale_lr = dict(_delete_=True, enable=False)', '--auto-scale-lr',
            'auto_scale_lr.base_batch_size=None: scaling the learning rate needs'
        ),
        ('test.py', NO_TEST, '--no-pin-memory', 'has no test_cfg: it is for tools/train.py'),
        ('test.py', NO_TEST, '--amp', 'has no test_cfg: it is for tools/train.py'),
        ('test.py', 'default_hooks = None', '--show', '--show needs a visualization hook'),
    ],
)
def test_options_about_what_a_config_lacks_give_one_line(
    run_tool, trained, tool, changes, option, message, tmp_path
):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = '{CONFIG}'\n{changes}\n")
    checkpoint = [trained] if tool == 'test.py' else []
    done = run_tool(tool, config, *checkpoint, option, '--work-dir', tmp_path / 'work')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    (error, ) = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert str(config) in error and message in error
