# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions in scripts that put no spaces between words."""

from __future__ import annotations

from collections.abc import Iterable

import regex

from .ptb_tokenizer import tokenize_captions

# A character with the marks on it, such as vowels; the last two are of Japanese.
_CHARACTER = regex.compile(
    r'[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々]\p{M}*'
)
# Punctuation of these scripts, which the tokenizer of English would keep as words.
_PUNCTUATION = regex.compile(r'[\u3000-\u3004\u3008-\u3020\u3030\u30fb\uff01-\uff0f\uff1a-\uff20]')


def has_no_spaces(caption: str) -> bool:
    """Whether most of a caption's letters are of such a script."""
    letters = regex.findall(r'\p{L}', caption)
    return 2 * len(_CHARACTER.findall(caption)) > len(letters) > 0


def tokenize_characters(captions: Iterable[str]) -> list[str]:
    """As `tokenize_captions`, but that each character of such a script is a token of its own.

    `'一只猫 on a sofa。'` becomes `'一 只 猫 on a sofa'`.
    """
    return tokenize_captions(
        _CHARACTER.sub(r' \g<0> ', _PUNCTUATION.sub(' ', caption)) for caption in captions
    )
