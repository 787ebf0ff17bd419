# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import subprocess
import sys


def run(code, *options):
    return subprocess.run([sys.executable, *options, '-c', code], capture_output=True, text=True)


def test_scoped_names_resolve_from_mmpretrain_without_custom_imports():
    code = '''
import sys
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS, HOOKS, METRICS, MODELS, TOKENIZER, OPTIMIZERS
assert 'mmcoca' not in sys.modules
init_default_scope('mmpretrain')
for name in ('CoCa', 'CoCaViT', 'TaskPoolers', 'DecoupledTextDecoder', 'ContrastiveHead',
             'CaptioningHead', 'ContrastiveLoss', 'CaptioningLoss'):
    assert MODELS.get('mmcoca.' + name).__name__ == name
assert TOKENIZER.get('mmcoca.CLIPTokenizer')
assert DATASETS.get('mmcoca.ImageTextDataset')
assert METRICS.get('mmcoca.RetrievalMetric') and METRICS.get('mmcoca.CaptionMetric')
assert HOOKS.get('mmcoca.ThroughputHook') and OPTIMIZERS.get('mmcoca.Adafactor')
print(MODELS.build(dict(type='mmcoca.CoCaViT', arch='deit-tiny', img_size=32, patch_size=8)))
'''
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert 'CoCaViT(' in done.stdout


def test_import_without_openmmlab_says_what_to_install():
    code = '''
import sys
from importlib.machinery import PathFinder

class Without:
    """An environment in which the OpenMMLab packages are not installed."""

    def find_spec(name, path=None, target=None):
        if name.split('.')[0] in ('mmengine', 'mmcv', 'mmpretrain'):
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [f for f in sys.meta_path if f is not PathFinder] + [Without]
import mmcoca
'''
    done = run(code)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'ImportError: mmcoca needs mmengine, mmcv, mmpretrain: pip install "mmcoca[onedl]" '
        '(the maintained OpenMMLab packages), or "mmcoca[openmmlab]" (the original ones)'
    )


def test_progress_bars_write_to_the_stdout_of_the_program():
    """MMEngine's keep the one that was there when they were imported."""
    done = run('import mmcoca, mmengine; mmengine.track_progress(len, [[1], [2]])')
    assert done.returncode == 0 and '2/2' in done.stdout
    assert 'OneDL' not in done.stdout


def test_an_inherited_config_is_built_in_a_notebook(tmp_path):
    """`_base_ = 'mmcoca::…'` gives types our scope, in which mmpretrain's are found."""
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmcoca::coca/coca_base.py'\n"
        'model = dict(text=dict(num_unimodal_layers=1, num_multimodal_layers=1))\n'
    )
    code = f'''
import mmcoca, torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, VISUALIZERS
cfg = Config.fromfile({str(tmp_path / 'mine.py')!r})
with torch.device('meta'):
    print(type(MODELS.build(cfg.model)).__name__)
visualizer = dict(type='UniversalVisualizer', name='a', _scope_='mmcoca')
print(type(VISUALIZERS.build(visualizer)).__name__)
from mmpretrain.registry import DATASETS
print(DATASETS.build(dict(type='mmcoca.ImageTextDataset', ann_file='x.jsonl', lazy_init=True,
    pipeline=cfg.test_pipeline, _scope_='mmcoca')).pipeline.transforms[-1].__class__.__name__)
'''
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ['CoCa', 'UniversalVisualizer', 'PackInputs']


def test_a_version_that_mmpretrain_cannot_run_beside_is_one_line(tmp_path):
    """transformers 5, of which the metadata alone is needed to be seen."""
    info = tmp_path / 'transformers-5.0.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n')
    done = run(f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import mmcoca')
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith('ImportError: ')
    assert 'mmpretrain cannot be imported beside transformers 5.0.0: pip install "transf' in last
