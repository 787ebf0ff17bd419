# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa (Contrastive Captioners, arXiv 2205.01917) for OpenMMLab."""

import contextlib
import warnings
from importlib.util import find_spec

from .process_settings import limit_spinning

limit_spinning()  # before torch is loaded

_missing = [name for name in ('mmengine', 'mmcv', 'mmpretrain') if find_spec(name) is None]
if _missing:
    raise ImportError(
        f'mmcoca needs {", ".join(_missing)}: pip install "mmcoca[onedl]" (the maintained '
        'OpenMMLab packages), or "mmcoca[openmmlab]" (the original ones)'
    )

from .openmmlab_versions import check_transformers, give_in1d  # noqa: E402

check_transformers()
give_in1d()

import mmengine  # noqa: E402, F401  # its progress bars keep the stdout of their import

# These print "Could not import OneDL", where our tools write their results, and warn that mmcv has
# no compiled operators, of which mmpretrain's models need none.
with contextlib.redirect_stdout(None), warnings.catch_warnings():
    warnings.filterwarnings('ignore', 'Fail to import')
    import mmpretrain.datasets
    import mmpretrain.models  # noqa: F401
from .datasets import ImageTextDataset  # noqa: E402
from .metric_rules import register_metric_rules  # noqa: E402
from .model_index import register_models  # noqa: E402
from .version import __version__  # noqa: E402
from .weights import install_safe_loading  # noqa: E402

register_models()
register_metric_rules()
install_safe_loading()

__all__ = ['ImageTextDataset', '__version__']
