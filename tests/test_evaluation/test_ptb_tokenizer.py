# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import json
import shutil
from pathlib import Path

import pytest

from mmcoca.evaluation import tokenize_captions

HERE = Path(__file__).parent
CAPTIONS = (HERE / 'captions.txt').read_text(encoding='utf-8').splitlines()
needs_java = pytest.mark.skipif(shutil.which('java') is None, reason='java is not installed')


def java_tokens(captions):
    """Tokens of Stanford's tokenizer, as pycocoevalcap calls it."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenized = PTBTokenizer().tokenize({0: [dict(caption=caption) for caption in captions]})
    return tokenized[0]


def test_tokens_are_those_of_the_java_tokenizer():
    """`captions_tokens.txt` holds what the Java program makes of `captions.txt`."""
    expected = (HERE / 'captions_tokens.txt').read_text(encoding='utf-8').splitlines()
    ours = tokenize_captions(CAPTIONS)
    assert len(CAPTIONS) > 150
    for caption, tokens, truth in zip(CAPTIONS, ours, expected, strict=True):
        assert tokens == truth, caption


@needs_java
def test_recorded_tokens_are_current():
    assert java_tokens(CAPTIONS) == tokenize_captions(CAPTIONS)


@needs_java
def test_emoji_captions_agree_with_the_java_tokenizer(emoji_data):
    annotations = json.loads((emoji_data / 'annotations' / 'train.json').read_text('utf-8'))
    captions = sorted({entry['caption'] for entry in annotations['annotations']})
    assert len(captions) > 500
    assert java_tokens(captions) == tokenize_captions(captions)


@pytest.mark.parametrize(
    'caption, tokens',
    [
        ("A man's dog, isn't it?", "a man 's dog is n't it"),
        ('the letter A.', 'the letter a'),  # whatever caption follows
        ('plan B. is a go', 'plan b. is a go'),
        ('one\u2028two\nthree\tfour\x85five', 'one two three four five'),
        ('', ''),
        (' ?! ... ', '?!'),
        ('😀', ''),
    ],
)
def test_single_captions(caption, tokens):
    assert tokenize_captions([caption]) == [tokens]
    assert tokenize_captions([caption, 'The next one.'])[0] == tokens
