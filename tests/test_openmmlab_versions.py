# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from importlib import metadata

import numpy as np
import pytest

from mmcoca import openmmlab_versions
from mmcoca.openmmlab_versions import check_transformers, version_of


def test_versions():
    assert version_of('numpy') == tuple(map(int, metadata.version('numpy').split('.')[:2]))
    assert version_of('no-such-distribution') == ()


@pytest.mark.parametrize(
    'installed, remedy',
    [
        ({'mmpretrain': (1, 2), 'transformers': (4, 46)}, None),
        ({'mmpretrain': (1, 2), 'transformers': (4, 47)}, '"transformers<4.47"'),
        ({'onedl-mmpretrain': (1, 3), 'transformers': (4, 57)}, None),
        ({'onedl-mmpretrain': (1, 3), 'transformers': (5, 0)}, '"transformers>=4.53,<5"'),
        ({'mmpretrain': (1, 2)}, None),
    ],
)
def test_transformers_that_mmpretrain_cannot_be_imported_beside(installed, remedy, monkeypatch):
    monkeypatch.setattr(openmmlab_versions, 'version_of', lambda name: installed.get(name, ()))
    if remedy is None:
        return check_transformers()
    with pytest.raises(ImportError, match=f'pip install {remedy}'):
        check_transformers()


def test_in1d():
    found = np.in1d(np.array([[1, 2], [3, 4]]), [4, 1, 9])
    assert found.tolist() == [True, False, False, True]
