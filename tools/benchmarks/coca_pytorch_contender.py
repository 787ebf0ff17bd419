# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa-pytorch, with vit-pytorch's ViT as its README shows."""

from collections.abc import Sequence

import open_clip
from coca_pytorch.coca_pytorch import CoCa
from sizes import Size
from torch import Tensor
from vit_pytorch.extractor import Extractor
from vit_pytorch.simple_vit import SimpleViT


class CoCaPyTorchContender:
    """As deep and wide as the others, but its layers differ: heads share keys and values, attention
    stands beside the MLP, and the output matrix is the token embedding.

    Texts are padded to the longest of a batch: it brings neither tokenizer nor data loader. It has
    no method to generate.
    """

    def __init__(self, size: Size) -> None:
        encoder = SimpleViT(
            image_size=size.image_size,
            patch_size=size.patch_size,
            num_classes=1,
            dim=size.image_dims,
            depth=size.image_layers,
            heads=size.image_dims // 64,
            mlp_dim=4 * size.image_dims,
        )
        self.model = CoCa(
            dim=size.dims,
            img_encoder=Extractor(encoder, return_embeddings_only=True, detach=False),
            image_dim=size.image_dims,
            num_tokens=size.vocab_size,
            unimodal_depth=size.text_layers,
            multimodal_depth=size.text_layers,
            num_img_queries=size.num_queries - 1,
            heads=size.num_heads,
            caption_loss_weight=2.0,
        )
        self.tokenizer = open_clip.SimpleTokenizer(context_length=size.max_length)

    def tokenize(self, captions: Sequence[str]) -> Tensor:
        """Token ids (B,L)."""
        token_ids = self.tokenizer(list(captions))
        return token_ids[:, :int((token_ids != 0).sum(dim=1).max())]

    def losses(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """The sum of both, all that it returns."""
        return dict(loss=self.model(self.tokenize(captions), images, return_loss=True))

    def encode_images(self, images: Tensor) -> Tensor:
        """Embeddings (B,E)."""
        feature, _ = self.model.embed_image(images)
        return self.model.img_to_latents(feature)

    def encode_texts(self, captions: Sequence[str]) -> Tensor:
        """Embeddings (B,E)."""
        feature, _ = self.model.embed_text(self.tokenize(captions))
        return self.model.text_to_latents(feature)
