# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training of a tokenizer on the texts that a model will read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL_TOKENS = ('<pad>', '<sos>', '<eos>')  # what TextTokenizer asks for; ids 0, 1, 2
UNKNOWN = '<unk>'
NUM_BYTES = 256


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    byte_level: bool = True,
    show_progress: bool = False,
) -> Tokenizer:
    """A byte-pair encoding of these texts, for `TextTokenizer`.

    Args:
        texts: A word counts as often as it occurs in them.
        vocab_size: Most tokens, the special ones included.
        special_tokens: They have the first ids.
        byte_level: Begin with the 256 bytes, so that every text can be written; off: with the
            texts' characters, and what has others is '<unk>'.
        show_progress: Draw the library's bars on stderr.

    Raises ValueError for a vocabulary that is too small for what it begins with.
    """
    if not byte_level:
        special_tokens = [*special_tokens, UNKNOWN]
    fewest = len(special_tokens) + (NUM_BYTES if byte_level else 1)
    if vocab_size < fewest:
        raise ValueError(f'a vocabulary of {vocab_size} tokens is too small: at least {fewest}')
    if byte_level:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        alphabet = []
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        initial_alphabet=alphabet,
        show_progress=show_progress,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def share_kept_whole(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[float, float]:
    """Of all words of the texts, and of the different ones, the share that is one token each."""
    counts = Counter(
        word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)
    )
    whole = [word for word in counts if tokenizer.token_to_id(word) is not None]
    of_all = sum(counts[word] for word in whole) / max(counts.total(), 1)
    return of_all, len(whole) / max(len(counts), 1)
