# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The program `mmcoca`; its commands are tested as the tools of these names."""

import subprocess
import sys

import pytest

from mmcoca.command_line.program import COMMANDS, main


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_a_help_with_an_example(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmcoca'])
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    printed = capsys.readouterr().out
    assert end.value.code == 0
    assert f'usage: mmcoca {command}' in printed and 'example:' in printed


def test_the_commands_are_listed(tmp_path):
    """Also away from the repository, by the module's name."""
    done = subprocess.run(
        [sys.executable, '-m', 'mmcoca', '--help'], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert all(f'  {command} ' in done.stdout for command in COMMANDS)


def test_a_command_that_is_none(capsys):
    with pytest.raises(SystemExit) as end:
        main(['captoin'])
    assert end.value.code == 2 and "'captoin'" in capsys.readouterr().err


def test_options_may_stand_between_config_and_checkpoint(tmp_path, capsys, monkeypatch):
    """Though the checkpoint may be left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'images').mkdir()
    with pytest.raises(SystemExit) as end:
        main(['caption', 'mine.py', '--batch-size', '2', 'mine.pth', 'images', '--out', 'a.jsonl'])
    assert 'folder images has no file' in end.value.code


def test_a_model_without_embeddings(tmp_path, monkeypatch):
    """Said before anything is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'texts.txt').write_text('cat\n')
    options = ['--texts', 'texts.txt', '--out', 'index.safetensors']
    with pytest.raises(SystemExit) as end:
        main(
            ['embed', 'coca_small_icons', *options, '--cfg-options', 'model.contrastive_head=None']
        )
    assert 'this model makes no embeddings' in end.value.code
    assert not (tmp_path / 'index.safetensors').exists()
