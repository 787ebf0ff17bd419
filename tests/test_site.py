# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import ast
import re
import subprocess
import sys
from pathlib import Path


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
