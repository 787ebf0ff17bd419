# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The model whose weights come with the package, on drawings made here."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import mmpretrain
import numpy as np
import pytest
import torch
from mmpretrain.apis import ModelHub
from safetensors.torch import load_file

from mmcoca.apis import ImageCaptionInferencer, load_model
from mmcoca.shipped_files import local_path, shipped_models, shipped_weights

NAME = 'coca_small_icons'
SVG = {
    'heart': 'M12 21C5 15 2 12 2 8a5 5 0 0 1 10-1 5 5 0 0 1 10 1c0 4-3 7-10 13z',
    'check': 'M3 12l6 6L21 5',
    'home': 'M2 11L12 2l10 9h-3v10h-5v-6h-4v6H5V11z',
    'mail': 'M2 5h20v14H2zM2 5l10 8 10-8',
}
OFFLINE = dict(
    HF_HUB_OFFLINE='1', http_proxy='http://127.0.0.1:9', https_proxy='http://127.0.0.1:9'
)


def write_svg(path, d):
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" '
        f'stroke-width="2"><path d="{d}"/></svg>'
    )


@pytest.fixture
def icons(tmp_path):
    """A folder of drawings as SVG, and of an arrow to the right as PNG."""
    folder = tmp_path / 'icons'
    folder.mkdir()
    for name, d in SVG.items():
        write_svg(folder / f'{name}.svg', d)
    arrow = np.full((128, 128, 3), 255, np.uint8)
    cv2.arrowedLine(arrow, (12, 64), (116, 64), (0, 0, 0), 10, tipLength=0.4)
    cv2.imwrite(str(folder / 'arrow right.png'), arrow)
    return folder


def test_what_is_shipped():
    assert shipped_models() == [NAME]
    for name in shipped_models():
        weights = load_file(shipped_weights(name))
        assert os.path.getsize(shipped_weights(name)) <= 20e6
        assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float16}
        parameters = sum(p.numel() for p in load_model(name).parameters())
        assert parameters == ModelHub.get(name).metadata.parameters <= 10e6
        for file in ('tokenizer.json', 'README.md'):
            assert os.path.isfile(local_path(f'mmcoca://{name}/{file}'))
        assert local_path(name) == shipped_weights(name)


def test_a_file_of_the_name_comes_before_the_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_path(NAME) == shipped_weights(NAME)
    Path(NAME).touch()
    assert local_path(NAME) == NAME


def test_it_is_loaded_by_name_from_any_folder(icons, tmp_path, monkeypatch):
    """By mmpretrain's functions and ours, with the same captions."""
    monkeypatch.chdir(tmp_path)
    paths = sorted(map(str, icons.iterdir()))
    ours = ImageCaptionInferencer(load_model(NAME, device='cpu'))(paths)
    models = [NAME, mmpretrain.get_model(NAME, pretrained=True)]
    for model in models:
        assert ImageCaptionInferencer(model, device='cpu')(paths) == ours
    assert mmpretrain.inference_model(NAME, paths[0])['pred_caption'] == ours[0]['pred_caption']


def run_offline(*command, cwd):
    env = dict(os.environ, **OFFLINE)
    done = subprocess.run(
        [sys.executable, '-m', 'mmcoca', *map(str, command)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_knows_common_icons(icons):
    """By the program as a user starts it: each right among 40 names, and captioned in a word."""
    names = [
        *(
            'arrow right,arrow left,arrow up,check,heart,home,mail,plus,minus,star,moon,sun,cloud,'
            'umbrella,car,airplane,bicycle,train,anchor,camera,clock,phone,printer,lock,key,trash,'
            'pencil,scissors,search,calendar,cat,dog,bird,fish,tree,flower,apple,hammer,wifi,bell'
        ).split(',')
    ]
    rows = run_offline('classify', NAME, 'icons', '--classes', *names, cwd=icons.parent)
    found = {Path(row['image']).stem: row['class'] for row in csv.DictReader(io.StringIO(rows))}
    assert found == {path.stem: path.stem for path in icons.iterdir()}

    run_offline('caption', NAME, 'icons', '--out', 'captions.jsonl', cwd=icons.parent)
    lines = (icons.parent / 'captions.jsonl').read_text('utf-8').splitlines()
    assert len(lines) == len(found) and all(json.loads(line)['caption'] for line in lines)
