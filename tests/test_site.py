# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS


def test_the_site_is_built_without_a_warning(repository, tmp_path):
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', 'docs', tmp_path]
    done = subprocess.run(list(map(str, command)), cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'ImageCaptionInferencer' in (tmp_path / 'api.html').read_text()


def test_links_to_files_of_the_repository_lead_somewhere(repository):
    """In pages that are read on the code's host, without the site."""
    pages = [*repository.glob('*.md'), *repository.glob('docs/**/*.md')]
    pages += repository.glob('projects/**/README.md')
    for page in pages:
        text = re.sub('```.*?```', '', page.read_text(), flags=re.DOTALL)
        for link in re.findall(r'\]\(([^)#]+)[^)]*\)', text):
            if '://' not in link:
                assert Path(page.parent, link).exists(), f'{page.name}: {link}'


def test_messages_of_the_troubleshooting_are_ours(repository):
    """But for the section of installing, where others' stand. … and N stand for what varies."""
    texts = [
        node.value
        for path in repository.glob('projects/coca/mmcoca/**/*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    page = (repository / 'docs' / 'troubleshooting.md').read_text().partition('## Data')[2]
    rows = [line.split('|')[1] for line in page.splitlines() if line.startswith('| `')]
    messages = [message for row in rows for message in re.findall('`([^`]+)`', row)]
    assert len(messages) > 20
    for message in messages:
        for part in re.split(r'…|\b[NM]\b|[a-z]\.py', message):
            words = part.strip(' :;,.')
            assert any(words in text for text in texts), message


def config_snippets(repository):
    """The configs that the pages show, a file each: (page, its text)."""
    for page in [repository / 'README.md', *sorted(repository.glob('docs/**/*.md'))]:
        for text in re.findall(r'```python\n(.*?)```', page.read_text(), flags=re.DOTALL):
            is_of_repository = text.startswith('# configs/')  # and tested there
            if re.search(r'^_base_ = ', text, flags=re.MULTILINE) and not is_of_repository:
                yield str(page.relative_to(repository)), text


SNIPPETS = list(config_snippets(Path(__file__).parents[1]))


@pytest.mark.parametrize('number', range(len(SNIPPETS)), ids=[page for page, _ in SNIPPETS])
def test_configs_that_pages_show_are_whole(number, repository, tmp_path, monkeypatch, emoji_data):
    """They parse, and their models build; a snippet may name another of its page, such as my_task.
    """
    page, text = SNIPPETS[number]
    if 'detection' in text:
        pytest.importorskip(
            'mmdet', reason='mmdet is not installed (pip install -e ".[detection]")'
        )
    for other in re.findall(
        r'```python\n(# \w+\.py.*?)```', (repository / page).read_text(), re.DOTALL
    ):
        (tmp_path / re.match(r'# (\w+\.py)', other)[1]).write_text(other)
    (tmp_path / 'configs').symlink_to(repository / 'configs')
    path = tmp_path / 'shown.py'
    path.write_text(text)
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(path)
    if cfg.default_scope != 'mmpretrain':
        return  # mmdet builds with compiled operators alone
    init_default_scope(cfg.default_scope)
    if 'vocab_file' in cfg.model.get(
        'tokenizer', {}
    ) and '://' not in cfg.model.tokenizer.vocab_file:
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    with torch.device('meta'):
        MODELS.build(cfg.model)
    steps = cfg.train_cfg.get('max_iters')
    if steps:  # what the inherited config says fits its own length alone
        assert cfg.default_hooks.checkpoint.interval <= steps
        assert cfg.train_cfg.val_interval <= steps
        for scheduler in cfg.param_scheduler:
            assert max(scheduler.get('begin', 0), scheduler.get('end') or 0) <= steps
        for hook in cfg.get('custom_hooks', []):
            assert hook.get('momentum', 1) * steps > 1  # an average that forgets the start
