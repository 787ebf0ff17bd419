# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa: one image encoder and one decoupled text decoder, trained with two losses in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmcoca.errors import SettingError, is_positive
from mmcoca.registry import MODELS, TOKENIZER
from mmcoca.samples import texts_of

from .activation_checkpointing import checkpoint_activations
from .generation import Caption, GenerationOptions, generate_captions
from .mmpretrain_protocol import MMPretrainProtocol
from .pair_scores import score_pairs
from .parts import (
    build_part,
    check_parts,
    freeze,
    is_trained,
    keep_in_evaluation,
    note_weights,
    parts_of_loss,
    refuse_other_weights,
    warn_of_random_weights,
)
from .text import PackedTexts, TextBatch


class EncodedPairs(NamedTuple):
    """What both losses are made of.

    global_tokens (B,1,D), text_features (B,D), and of the captions' T tokens that have a next one
    caption_states (T,D) and targets (T,).
    """

    global_tokens: Tensor
    text_features: Tensor
    caption_states: Tensor | None
    targets: Tensor | None

    @classmethod
    def joined(cls, parts: Sequence[EncodedPairs]) -> EncodedPairs:
        """Those of the parts of a batch as one."""
        return cls(*(None if part[0] is None else torch.cat(part) for part in zip(*parts)))


@MODELS.register_module()
class CoCa(MMPretrainProtocol, BaseModel):
    """Contrastive Captioner (arXiv 2205.01917, figure 2 and algorithm 1).

    Shapes, here and below: B batch, N image tokens, Q caption queries, L text tokens, W image width
    (channels), D text width, E embedding, V vocabulary; all letters stand in mmcoca.models.

    Args:
        backbone: Images (B,3,height,width) -> a tuple whose last is (B,N,W).
        neck: (B,N,W) -> global (B,1,D) and regional (B,Q,D) tokens.
        text: The decoupled text decoder.
        tokenizer: Strings -> token ids, and back.
        contrastive_head: Left out: an encoder-decoder.
        captioning_head: Left out: a dual encoder.
        generation: Options of `generate` with which mode 'predict' captions images; None: mode
            'predict' writes no captions.
        micro_batch_size: Pairs whose activations are held at a time: each such part of a batch is
            encoded without its activations, the losses are those of the whole batch, and the
            backward pass encodes each part again, with the same random numbers (gradient cache,
            arXiv 2101.06983). The contrastive loss of a large batch then needs the memory of a
            small one, for the time of one more forward pass. None: all at once.
        activation_checkpointing: Parts ('backbone', 'neck', 'text') whose layers and poolers keep
            no activations for the backward pass, which computes them again: less memory for about
            a third more time.
        templates: Prompts in which names of classes stand unless told otherwise, as in
            `prompt_templates`.
        frozen: Modules and parameters that do not learn, by name, such as 'backbone' or
            'text.unimodal.position_embedding'. What serves only a head that is left out, or whose
            loss has the weight 0, does not learn either; that loss is not computed.

    Raises ValueError when the parts contradict each other, and for a micro_batch_size below 1.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        text: dict,
        tokenizer: dict,
        contrastive_head: dict | None = None,
        captioning_head: dict | None = None,
        generation: dict | None = None,
        micro_batch_size: int | None = None,
        activation_checkpointing: Sequence[str] = (),
        templates: str | Sequence[str] = 'a photo of a {}.',
        frozen: Sequence[str] = (),
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = build_part('backbone', MODELS, backbone)
        self.neck = build_part('neck', MODELS, neck)
        self.text = build_part('text', MODELS, text)
        self.tokenizer = build_part('tokenizer', TOKENIZER, tokenizer)
        self.contrastive_head = build_part('contrastive_head', MODELS, contrastive_head)
        self.captioning_head = build_part('captioning_head', MODELS, captioning_head)
        self.generation = GenerationOptions(**generation) if generation is not None else None
        if micro_batch_size is not None and not is_positive(micro_batch_size):
            raise ValueError(f'micro_batch_size={micro_batch_size!r}: use 1 or more, or None')
        self.micro_batch_size = micro_batch_size
        self.templates = templates
        checkpoint_activations(self, activation_checkpointing)
        check_parts(self)
        if self.captioning_head is not None and self.captioning_head.tie_embeddings:
            self.captioning_head.weight = self.text.unimodal.token_embedding.weight
        freeze(self, frozen)
        untrained = self.untrained_parts()
        freeze(self, untrained)
        self.frozen = (*frozen, *untrained)
        self.has_learned = False
        self.register_load_state_dict_pre_hook(refuse_other_weights)
        self.register_load_state_dict_pre_hook(note_weights)
        self.train()

    def train(self, mode: bool = True) -> CoCa:
        """As in any module, but that frozen parts stay in evaluation mode."""
        super().train(mode)
        keep_in_evaluation(self, self.frozen)
        return self

    def untrained_parts(self) -> list[str]:
        """Names of the modules and parameters that no loss of this model trains."""
        return [
            name for loss in ('contrastive', 'captioning')
            if not is_trained(getattr(self, f'{loss}_head')) for name in parts_of_loss(self, loss)
        ]

    def forward(
        self,
        images: Tensor | None = None,
        data_samples: Sequence[DataSample] | None = None,
        mode: str = 'tensor',
        texts: Sequence[TextBatch] | None = None,
    ) -> dict[str, Tensor] | list[DataSample]:
        """Losses ('loss'), data samples with predictions ('predict'), or embeddings ('tensor').

        `images` (B,3,height,width) as the data preprocessor leaves them; a sample's caption, a
        string, is its `gt_caption` (mode 'predict' also takes a list of strings, or none). `texts`
        are what mode 'loss' reads of the samples, if the loading workers have tokenised it.
        """
        if mode == 'loss':
            self.has_learned = True
            return self.loss(images, data_samples, texts)
        if mode == 'predict':
            warn_of_random_weights(self)
            return self.predict(images, data_samples)
        if mode == 'tensor':
            return self.extract_feat(images=images, data_samples=data_samples)
        raise ValueError(f"mode '{mode}' is unknown: use 'loss', 'predict' or 'tensor'")

    @staticmethod
    def texts_of_loss(data_samples: Sequence[DataSample]) -> list[list[str]]:
        """The texts that the loss reads of samples, each kind a list: their captions.

        Raises SettingError for a sample without one.
        """
        if any('gt_caption' not in sample for sample in data_samples):
            raise SettingError(
                'a sample has no gt_caption to learn: does the data set give one (LabelsAsText '
                'makes it of labels), and PackInputs pack it (algorithm_keys)?'
            )
        return [[sample.gt_caption for sample in data_samples]]

    def loss(
        self,
        images: Tensor,
        data_samples: Sequence[DataSample],
        texts: Sequence[TextBatch] | None = None,
    ) -> dict[str, Tensor]:
        """Both losses from one pass over images (B,3,height,width) and each sample's `gt_caption`.

        Raises ValueError if neither has a weight.
        """
        if texts is None:
            texts = [self.tokenizer(of_kind) for of_kind in self.texts_of_loss(data_samples)]
        return self.losses(images, **self.prepare(data_samples, texts))

    def prepare(self, data_samples: Sequence[DataSample], texts: Sequence[TextBatch]) -> dict:
        """The host's part of a step: what `losses` takes besides the images, on the device."""
        (batch, ) = texts
        parts = zip(*(x.split(self.micro_batch_size or len(x)) for x in batch))
        return dict(texts=[self.text.lay_out(TextBatch(*part)) for part in parts])

    def losses(self, images: Tensor, texts: Sequence[PackedTexts]) -> dict[str, Tensor]:
        """Images (B,3,height,width), the texts of each part of them -> both losses.

        They are those of all processes' pairs.
        """
        if len(texts) == 1:
            return self.losses_of_pairs(self.encode_pairs(images, texts[0]), texts[0].marks)
        parts = [
            checkpoint(self.encode_pairs, *part, use_reentrant=False)
            for part in zip(images.split(self.micro_batch_size), texts)
        ]
        marks = torch.cat([part.marks for part in texts])
        return self.losses_of_pairs(EncodedPairs.joined(parts), marks)

    def encode_pairs(self, images: Tensor, texts: PackedTexts) -> EncodedPairs:
        """Images (B,3,height,width) and a text of each: all that is not joined over the batch."""
        global_tokens, regional_tokens = self.pool(images)
        token_states, text_features = self.text.unimodal(texts)
        if not is_trained(self.captioning_head):
            return EncodedPairs(global_tokens, text_features, None, None)
        states = self.text.predict_next(token_states, regional_tokens, texts)
        return EncodedPairs(global_tokens, text_features, states, texts.targets)

    def losses_of_pairs(self, pairs: EncodedPairs, caption_marks: Tensor) -> dict[str, Tensor]:
        """All pairs of the batch and its captions' marks (B,2) -> both losses."""
        losses = {}
        if is_trained(self.contrastive_head):
            losses |= self.contrastive_head.loss(
                self.contrastive_head.embed_image(pairs.global_tokens),
                self.contrastive_head.embed_text(pairs.text_features),
                caption_marks,
            )
        if is_trained(self.captioning_head):
            losses |= self.captioning_head.loss(pairs.caption_states, pairs.targets)
        if not losses:
            raise ValueError('neither loss of this model has a weight (loss_weight)')
        return losses

    def pool(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B,3,height,width) -> global (B,1,D) and regional (B,Q,D) tokens."""
        return self.neck(self.backbone(images)[-1])

    def pack(self, texts: Sequence[str], **options) -> PackedTexts:
        """Strings -> tokens on the model's device, as `DecoupledTextDecoder.lay_out`."""
        return self.text.lay_out(self.tokenizer(texts), **options)

    def encode_image(self, images: Tensor) -> Tensor:
        """Images (B,3,height,width) -> embeddings (B,E), L2-normalised."""
        return self.embed_pooled_images(self.pool(images)[0])

    def embed_pooled_images(self, global_tokens: Tensor) -> Tensor:
        """Global tokens (B,1,D) -> embeddings (B,E), L2-normalised."""
        return self._require(self.contrastive_head, 'contrastive').embed_image(global_tokens)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Strings -> embeddings (B,E), L2-normalised."""
        head = self._require(self.contrastive_head, 'contrastive')
        return head.embed_text(self.text.unimodal(self.pack(texts))[1])

    def generate(self, images: Tensor, **options) -> list[str] | list[list[str]]:
        """Captions of images (B,3,height,width), several of each with `num_return_sequences`.

        Args:
            options: Of `GenerationOptions`: num_beams, max_length, do_sample, prefix, ...
        """
        captions = self.generate_captions(images, **options)
        texts = [[caption.text for caption in of_image] for of_image in captions]
        return [of_image[0] for of_image in texts] if len(texts[0]) == 1 else texts

    @torch.no_grad()
    def generate_captions(self, images: Tensor, **options) -> list[list[Caption]]:
        """As `generate`, with token ids and log-probabilities; the best of each image first.

        Raises ValueError for options that contradict each other or the decoder.
        """
        return self.caption_pooled_images(self.pool(images)[1], GenerationOptions(**options))

    def caption_pooled_images(self, regional_tokens: Tensor,
                              options: GenerationOptions) -> list[list[Caption]]:
        """As `generate_captions`, from regional tokens (B,Q,D)."""
        head = self._require(self.captioning_head, 'captioning')
        return generate_captions(self.text, head, self.tokenizer, regional_tokens, options)

    def score(self, images: Tensor, texts: Sequence[str]) -> Tensor:
        """log p(text | image) (B,) of a text for each of the images (B,3,height,width).

        The text's end counts too. Raises ValueError for another number of texts.
        """
        head = self._require(self.captioning_head, 'captioning')
        if len(texts) != len(images):
            raise ValueError(f'{len(texts)} texts for {len(images)} images: one for each is needed')
        packed = self.pack(texts)
        token_states, _ = self.text.unimodal(packed)
        _, regional_tokens = self.pool(images)
        states = self.text.predict_next(token_states, regional_tokens, packed)
        values = head.log_probabilities(states, packed.targets)
        return packed.before_next.packing.pad(values[:, None]).sum(dim=(1, 2))

    def score_pairs(self, regional_tokens: Tensor, texts: Sequence[str], pairs: Tensor) -> Tensor:
        """Regional tokens (images,Q,D), texts, pairs (pairs,2) -> log p(text | image) (pairs,)."""
        head = self._require(self.captioning_head, 'captioning')
        return score_pairs(self.text, head, regional_tokens, self.tokenizer(texts), pairs)

    @torch.no_grad()
    def predict(self,
                images: Tensor,
                data_samples: Sequence[DataSample] | None = None) -> list[DataSample]:
        """Fill each sample with what its evaluation needs; the image is encoded once.

        `image_feature` (E,), `text_features` (captions,E), `pred_caption`.
        """
        samples = list(data_samples) if data_samples is not None else [DataSample() for _ in images]
        return self.predict_pooled_images(*self.pool(images), samples)

    def predict_pooled_images(
        self, global_tokens: Tensor, regional_tokens: Tensor, samples: list[DataSample]
    ) -> list[DataSample]:
        """As `predict`, from global (B,1,D) and regional (B,Q,D) tokens."""
        if self.contrastive_head is not None:
            for sample, feature in zip(samples, self.contrastive_head.embed_image(global_tokens)):
                sample.set_field(feature, 'image_feature')
            captions = [texts_of(sample) for sample in samples]
            texts = [text for texts in captions for text in texts]
            if texts:
                features = self.encode_text(texts).split([len(texts) for texts in captions])
                for sample, feature in zip(samples, features):
                    sample.set_field(feature, 'text_features')
        if self.captioning_head is not None and self.generation is not None:
            captions = self.caption_pooled_images(regional_tokens, self.generation)
            for sample, of_image in zip(samples, captions):
                sample.set_field(of_image[0].text, 'pred_caption')
        return samples

    @staticmethod
    def _require(head: nn.Module | None, name: str) -> nn.Module:
        if head is None:
            raise ValueError(f'this model has no {name}_head')
        return head
