# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Tokenizers: strings to the (B,L) token ids and lengths that the text decoder takes, and back."""

from __future__ import annotations

import gzip
import html
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import ftfy
import regex
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from mmcoca.errors import MissingFileError
from mmcoca.registry import TOKENIZER
from mmcoca.shipped_files import local_path

# Captions are short: threads inside the tokenizer cost more than they save, and would make the
# library warn at each fork of a dataloader worker.
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')


class TextBatch(NamedTuple):
    """Token ids (B,L), start and end included, padded to the longest text; lengths (B,).

    On the host, where the decoder lays them out.
    """

    token_ids: Tensor
    lengths: Tensor


HALF_CHARACTER = regex.compile(r'[\ud800-\udfff]')


def refuse_half_characters(texts: Sequence[str]) -> None:
    """Raise ValueError for a text with a surrogate without its partner, which no UTF-8 can hold."""
    for text in texts:
        if not text.isascii() and HALF_CHARACTER.search(text):
            raise ValueError(f'{text!r} has half a character (a surrogate without its partner)')


@TOKENIZER.register_module()
class TextTokenizer:
    """A tokenizer of the `tokenizers` library, from its JSON file.

    Args:
        vocab_file: What `Tokenizer.save` of that library wrote; mmcoca://MODEL/tokenizer.json is
            a shipped model's.
        max_length: Most tokens of a text, start and end included; a longer text is cut and keeps
            its end token.
        start_token, end_token, pad_token: Names of these tokens in the file.

    Raises FileNotFoundError without the file, ValueError for a file that is no tokenizer or lacks
    one of the three tokens.
    """

    def __init__(
        self,
        vocab_file: str,
        max_length: int = 64,
        start_token: str = '<sos>',
        end_token: str = '<eos>',
        pad_token: str = '<pad>',
    ) -> None:
        vocab_file = local_path(vocab_file)
        if not os.path.isfile(vocab_file):
            raise MissingFileError.of('tokenizer file', vocab_file)
        try:
            tokenizer = Tokenizer.from_file(vocab_file)
        except Exception as error:  # the library raises plain Exception
            raise ValueError(f'{vocab_file} is not a tokenizer file: {error}') from error
        self._set_up(tokenizer, vocab_file, max_length, start_token, end_token, pad_token)

    def _set_up(
        self,
        tokenizer: Tokenizer,
        source: str,
        max_length: int,
        start_token: str,
        end_token: str,
        pad_token: str,
    ) -> None:
        ids = [tokenizer.token_to_id(token) for token in (start_token, end_token, pad_token)]
        for token, token_id in zip((start_token, end_token, pad_token), ids):
            if token_id is None:
                raise ValueError(f"{source} has no token '{token}'")
        if max_length < 3:
            raise ValueError(f'max_length {max_length} leaves no room between start and end token')
        # A text that holds the name of such a token is text.
        added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
        tokenizer.add_special_tokens([t for t in (start_token, end_token, pad_token) if t in added])
        tokenizer.encode_special_tokens = True
        # A file may have been saved with both switched on.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.start_id, self.end_id, self.pad_id = ids

    def __setstate__(self, state: dict) -> None:
        """For a copy: the library's own forgets how special tokens are encoded."""
        self.__dict__.update(state)
        self.tokenizer.encode_special_tokens = True

    @property
    def vocab_size(self) -> int:
        """Number of token ids, V."""
        return self.tokenizer.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> TextBatch:
        """Encode texts, padded to the batch's longest.

        Raises TypeError for a text that is no string and for a lone string in place of the list,
        ValueError for an empty text, naming its row, and for no texts at all.
        """
        if isinstance(texts, str):
            raise TypeError(f'a list of texts is needed, not one text: [{texts!r}]')
        if len(texts) == 0:
            raise ValueError('there are no texts to encode')
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f'text {row} of the batch is {type(text).__name__}, not a string')
        rows = []
        for row, content in enumerate(self.encode(texts)):
            if not content:
                raise ValueError(f'text {row} of the batch is empty: {texts[row]!r}')
            rows.append([self.start_id, *content[:self.max_length - 2], self.end_id])
        lengths = torch.tensor([len(row) for row in rows])
        longest = int(lengths.max())
        token_ids = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in rows])
        return TextBatch(token_ids, lengths)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Strings -> the ids of each, without start and end, uncut.

        Raises ValueError for half a character.
        """
        refuse_half_characters(texts)
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, token_ids: Sequence[Sequence[int]] | Tensor) -> list[str]:
        """Token ids (B,L) -> texts, each up to its first end token, without start and padding.

        Only padding at the end goes: its id may be a token of the text too.
        """
        rows = token_ids.tolist() if isinstance(token_ids, Tensor) else token_ids
        contents = []
        for row in rows:
            row = list(row)
            if self.end_id in row:
                row = row[:row.index(self.end_id)]
            while row and row[-1] == self.pad_id:
                row.pop()
            contents.append([i for i in row if i != self.start_id])
        return [text.strip() for text in self.tokenizer.decode_batch(contents)]


CLIP_START, CLIP_END = '<start_of_text>', '<end_of_text>'
# CLIP's words: contractions, runs of letters, single digits, runs of anything else.
CLIP_WORD = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)


def clip_words(text: str) -> list[str]:
    """The words that CLIP's BPE sees: Unicode and HTML entities repaired, in lower case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return CLIP_WORD.findall(' '.join(text.split()).lower())


def find_clip_vocabulary() -> Path:
    """CLIP's merges file inside the open_clip_torch distribution, which is not imported.

    Raises FileNotFoundError when it is not installed.
    """
    try:
        files = metadata.files('open_clip_torch') or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == 'bpe_simple_vocab_16e6.txt.gz':
            return Path(file.locate())
    raise MissingFileError(
        "CLIP's vocabulary comes with open_clip_torch: pip install open_clip_torch, or name a "
        'bpe_simple_vocab_16e6.txt.gz with merges_file'
    )


@TOKENIZER.register_module()
class CLIPTokenizer(TextTokenizer):
    """CLIP's byte-pair encoding of 49,408 tokens, with its start, end and pad (0) ids.

    The names of start and end token within a text are words as others, not these tokens as in
    open_clip.

    Args:
        merges_file: CLIP's bpe_simple_vocab_16e6.txt.gz; None takes open_clip_torch's copy.
        max_length: As in TextTokenizer.
    """

    def __init__(self, merges_file: str | None = None, max_length: int = 76) -> None:
        path = Path(merges_file) if merges_file else find_clip_vocabulary()
        if not path.is_file():
            raise MissingFileError.of('merges file', path)
        with gzip.open(path, 'rt', encoding='utf-8') as file:
            lines = file.read().split('\n')
        # The first line is a header; CLIP uses as many merges as fill its 49,408 tokens.
        merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
        alphabet = list(bytes_as_characters().values())
        tokens = [*alphabet, *(c + '</w>' for c in alphabet), *(''.join(pair) for pair in merges)]
        tokens += [CLIP_START, CLIP_END]
        tokenizer = Tokenizer(
            models.BPE(
                vocab=dict(zip(tokens, range(len(tokens)))),
                merges=merges,
                end_of_word_suffix='</w>',
            )
        )
        tokenizer.add_special_tokens([CLIP_START, CLIP_END])
        # The words come from `clip_words`: Python and the library disagree on what a letter is.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.BPEDecoder(suffix='</w>')
        self._set_up(tokenizer, str(path), max_length, CLIP_START, CLIP_END, alphabet[0])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Strings -> the ids of each, without start and end, uncut.

        Raises ValueError for half a character.
        """
        refuse_half_characters(texts)
        words = [clip_words(text) for text in texts]
        encodings = self.tokenizer.encode_batch(
            words, is_pretokenized=True, add_special_tokens=False
        )
        return [encoding.ids for encoding in encodings]

    def decode(self, token_ids: Sequence[Sequence[int]] | Tensor) -> list[str]:
        """Token ids (B,L) -> lower-case texts; bytes that are no UTF-8 become U+FFFD."""
        character_bytes = {c: b for b, c in bytes_as_characters().items()}
        texts = super().decode(token_ids)
        return [
            b''.join(
                bytes([character_bytes[c]]) if c in character_bytes else c.encode() for c in text
            ).decode('utf-8', errors='replace') for text in texts
        ]


def bytes_as_characters() -> dict[int, str]:
    """A printable character for each byte, in the order of byte-level BPE vocabularies.

    Printable Latin-1 bytes stand for themselves and come first; the others follow as the
    characters from U+0100 on.
    """
    printable = [*range(ord('!'), ord('~') + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [*printable, *range(256, 256 + len(others))]
    return dict(zip([*printable, *others], map(chr, characters)))
