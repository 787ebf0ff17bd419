# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Tokenising where the loading workers put a batch together."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class CollateWithTexts:
    """A collate function whose batches also hold 'texts', tokenised, for the model's loss.

    The training step then finds token ids and lengths on the host and waits for no tokenizer.

    Args:
        collate: Makes a batch, with its 'data_samples', of samples.
        texts_of_loss: The texts that the loss reads of data samples, each kind a list, as
            `CoCa.texts_of_loss`.
        tokenizer: The model's.
    """

    def __init__(
        self, collate: Callable[[Sequence], dict], texts_of_loss: Callable, tokenizer: Callable
    ) -> None:
        self.collate = collate
        self.texts_of_loss = texts_of_loss
        self.tokenizer = tokenizer

    def __call__(self, samples: Sequence) -> dict:
        """Samples -> the batch."""
        batch = self.collate(samples)
        texts = self.texts_of_loss(batch['data_samples'])
        return batch | dict(texts=[self.tokenizer(of_kind) for of_kind in texts])
