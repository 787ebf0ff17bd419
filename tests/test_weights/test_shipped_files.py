# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest

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
