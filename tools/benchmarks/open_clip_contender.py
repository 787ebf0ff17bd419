# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""open_clip's CoCa, with the losses of its training loop."""

from collections.abc import Sequence

import open_clip
import torch
from sizes import Size
from torch import Tensor

METHODS = {
    '6 beams': dict(generation_type='beam_search', num_beams=6),
    'sampling': dict(generation_type='top_k', top_k=50),
    'greedy': dict(generation_type='top_k', top_k=1),
}


def model_config(size: Size) -> dict:
    """What open_clip's model files hold."""
    text = dict(
        context_length=size.max_length,
        vocab_size=size.vocab_size,
        width=size.dims,
        heads=size.num_heads,
        layers=size.text_layers,
    )
    return dict(
        embed_dim=size.dims,
        vision_cfg=dict(
            image_size=size.image_size,
            patch_size=size.patch_size,
            layers=size.image_layers,
            width=size.image_dims,
            attentional_pool=True,
            attn_pooler_queries=size.num_queries,
            attn_pooler_heads=size.num_heads,
            output_tokens=True,
        ),
        text_cfg=dict(text, embed_cls=True, output_tokens=True),
        multimodal_cfg=dict(text, attn_pooler_heads=size.num_heads),
    )


class OpenCLIPContender:
    """As open_clip's trainer runs it: texts are padded to 76 tokens."""

    def __init__(self, size: Size) -> None:
        self.model = open_clip.CoCa(**model_config(size))
        # open_clip leaves the decoder's output matrix uninitialised.
        self.model.text_decoder.text_projection.data.normal_(std=size.dims**-0.5)
        self.tokenize = open_clip.SimpleTokenizer(context_length=size.max_length)
        self.loss = open_clip.CoCaLoss(caption_loss_weight=2.0, clip_loss_weight=1.0)

        self.forward = self.model

    def losses(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """Both losses."""
        outputs = self.forward(images, self.tokenize(list(captions)).to(images.device))
        return self.loss(**outputs, output_dict=True)

    def encode_images(self, images: Tensor) -> Tensor:
        """Embeddings (B,E)."""
        return self.model.encode_image(images)

    def encode_texts(self, captions: Sequence[str]) -> Tensor:
        """Embeddings (B,E)."""
        return self.model.encode_text(self.tokenize(list(captions)))

    def checkpoint_activations(self) -> None:
        """As --grad-checkpointing of its trainer."""
        self.model.set_grad_checkpointing()

    def compile(self) -> None:
        """As --torchcompile of its trainer."""
        self.forward = torch.compile(self.model)

    def generate(self, images: Tensor, method: str, length: int, num_beam_groups: int = 1) -> None:
        """The end token is kept away until the last."""
        token_ids = self.model.generate(
            images,
            seq_len=length,
            min_seq_len=length - 1,
            num_beam_groups=num_beam_groups,
            **METHODS[method],
        )
        assert token_ids.shape == (len(images), length)
