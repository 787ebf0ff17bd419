# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Classification of a text with its image, or images (paper section 4.2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import MODELS

from ..coca import CoCa
from ..parts import build_part, head_of_loss, parts_of_loss
from ..text import PackedTexts, TextBatch


@MODELS.register_module()
class CoCaForUnderstanding(CoCa):
    """A CoCa that gives a label to each sample's `text` with its image, or images.

    SNLI-VE: does the image entail the sentence? NLVR2: is the sentence true of two images?

    Args:
        understanding_head: Reads the multimodal decoder's states of the text's tokens, start and
            end included. Its dims and num_heads are the text decoder's unless it has its own.
        **kwargs: As in CoCa.

    Raises ValueError, besides CoCa's, for a text decoder without its multimodal half and for a head
    of another width.
    """

    def __init__(self, *args, understanding_head: dict, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.micro_batch_size is not None:
            raise ValueError(
                'micro_batch_size is for the contrastive loss: gradients of this task are added up '
                'over batches by optim_wrapper.accumulative_counts'
            )
        self.understanding_head = build_part(
            'understanding_head',
            MODELS,
            understanding_head,
            dims=self.text.dims,
            num_heads=self.text.num_heads,
        )
        if self.text.multimodal is None:
            raise ValueError('an understanding head needs num_multimodal_layers > 0, but it is 0')
        width = self.understanding_head.pooler.queries.shape[1]
        if width != self.text.dims:
            raise ValueError(
                f'the understanding head is {width} wide (dims), but the text decoder is '
                f'{self.text.dims}'
            )

    def untrained_parts(self) -> list[str]:
        """As in CoCa: the loss of the labels is the only one, and reads what captions read."""
        return parts_of_loss(self, 'contrastive') + head_of_loss(self, 'captioning')

    def pool_regions(self, images: Tensor) -> Tensor:
        """Images (B,3,height,width) or (B,images,3,height,width) -> (B*images,Q,D)."""
        return self.pool(images.flatten(0, -4))[1]

    def understand(self, regional_tokens: Tensor, texts: Sequence[str]) -> Tensor:
        """Regional tokens (B*images,Q,D), those of a text next to each other -> logits (B,classes).
        """
        return self.classify(regional_tokens, self.lay_out(self.tokenizer(texts)))

    def classify(self, regional_tokens: Tensor, texts: PackedTexts) -> Tensor:
        """As `understand`, of texts that `lay_out` has packed.

        Raises ValueError for another number of images than the head concatenates.
        """
        num_images = self.understanding_head.num_images
        num_texts = len(texts.cls_rows)
        if len(regional_tokens) != num_images * num_texts:
            raise ValueError(
                f'{len(regional_tokens)} images for {num_texts} texts: the understanding head '
                f'takes {num_images} a text (num_images)'
            )
        # The unimodal half knows no image: it reads a text once.
        token_states, _ = self.text.unimodal(texts)
        states = self.text.read_whole(token_states, regional_tokens, texts)
        packing = texts.whole.packing
        return self.understanding_head(packing.pad(states), packing.lengths)

    @staticmethod
    def texts_of_loss(data_samples: Sequence[DataSample]) -> list[list[str]]:
        """As in CoCa: each sample's `text`."""
        return [[sample.text for sample in data_samples]]

    def prepare(self, data_samples: Sequence[DataSample], texts: Sequence[TextBatch]) -> dict:
        """As in CoCa, with each sample's `gt_label`."""
        labels = torch.cat([sample.gt_label for sample in data_samples])
        return dict(texts=self.lay_out(texts[0]), labels=labels)

    def losses(self, images: Tensor, texts: PackedTexts, labels: Tensor) -> dict[str, Tensor]:
        """Images, a text of each or of several, and labels (B,) -> 'loss_label'."""
        logits = self.classify(self.pool_regions(images), texts)
        return dict(loss_label=self.understanding_head.loss(logits, labels))

    def lay_out(self, texts: TextBatch) -> PackedTexts:
        """Texts of the host, packed for so many images as the head takes of each."""
        num_texts = len(texts.lengths)
        return self.text.lay_out(
            texts,
            np.arange(num_texts).repeat(self.understanding_head.num_images)
        )

    @torch.no_grad()
    def predict(self, images: Tensor, data_samples: Sequence[DataSample]) -> list[DataSample]:
        """Set each sample's `pred_score` (classes,) and `pred_label`."""
        texts = [sample.text for sample in data_samples]
        logits = self.understand(self.pool_regions(images), texts)
        return [
            sample.set_pred_score(chances).set_pred_label(chances.argmax())
            for sample, chances in zip(data_samples, logits.softmax(dim=-1))
        ]
