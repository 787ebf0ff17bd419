# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the two stacks of OpenMMLab packages need to work beside today's numpy and transformers.

Each function says for which versions it does something; elsewhere it does nothing. That both
stacks read checkpoints without executing code is `weights.install_safe_loading`.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np

# The first releases beside which `import mmpretrain` fails, and what to install instead.
TRANSFORMERS_TOO_NEW = {
    'onedl-mmpretrain': ((5, ), '"transformers>=4.53,<5"'),  # 1.3.6
    'mmpretrain': ((4, 47), '"transformers<4.47"'),  # 1.2.0
}


def version_of(distribution: str) -> tuple[int, ...]:
    """The first two numbers of an installed version; () if it is not installed."""
    try:
        numbers = metadata.version(distribution).split('.')[:2]
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(number) for number in numbers if number.isdigit())


def check_transformers() -> None:
    """Raise ImportError where mmpretrain would end in a TypeError beside this transformers."""
    installed = version_of('transformers')
    for mmpretrain, (too_new, remedy) in TRANSFORMERS_TOO_NEW.items():
        if version_of(mmpretrain) and installed >= too_new:
            raise ImportError(
                f'{mmpretrain} cannot be imported beside transformers '
                f'{metadata.version("transformers")}: pip install {remedy}'
            )


def give_in1d() -> None:
    """Numpy's `in1d`, which mmpretrain 1.2.0's RetrievalRecall calls and numpy 2.4 has no more."""
    if not hasattr(np, 'in1d'):
        np.in1d = lambda first, second: np.isin(np.ravel(first), second)


def name_for_mmengine() -> str:
    """What MMEngine finds this package's folder by, for `_base_ = 'mmcoca::...'`.

    MMEngine 0.10.7 takes a distribution's folder to be beside its metadata, which it is not where
    the package is installed editable; of what is no distribution it asks the import system.
    """
    return 'mmcoca.version' if version_of('mmengine') else 'mmcoca'
