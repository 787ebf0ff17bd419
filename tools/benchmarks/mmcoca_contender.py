# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Our CoCa in open_clip's architecture."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from sizes import Size
from torch import Tensor

from mmcoca.models.activation_checkpointing import checkpoint_activations

CONFIG = Path(__file__).parents[2] / 'configs' / 'coca' / 'open_clip_vit-b-p32.py'
METHODS = {'6 beams': dict(num_beams=6), 'sampling': dict(do_sample=True, top_k=50), 'greedy': {}}


def sized_config(size: Size) -> Config:
    """open_clip_vit-b-p32.py with the widths and depths of a size."""
    cfg = Config.fromfile(CONFIG)
    init_default_scope(cfg.default_scope)
    cfg.merge_from_dict(
        {
            'model.tokenizer.max_length':
            size.max_length,
            'model.backbone.arch':
            dict(
                _delete_=True,
                embed_dims=size.image_dims,
                num_layers=size.image_layers,
                num_heads=size.image_dims // 64,
                feedforward_channels=4 * size.image_dims,
            ),
            'model.backbone.img_size':
            size.image_size,
            'model.backbone.patch_size':
            size.patch_size,
            'model.neck.num_queries':
            size.num_queries,
            'model.neck.dims':
            size.dims,
            'model.neck.memory_dims':
            size.image_dims,
            'model.neck.num_heads':
            size.num_heads,
            'model.text.vocab_size':
            size.vocab_size,
            'model.text.max_length':
            size.max_length,
            'model.text.dims':
            size.dims,
            'model.text.num_heads':
            size.num_heads,
            'model.text.mlp_dims':
            4 * size.dims,
            'model.text.num_unimodal_layers':
            size.text_layers,
            'model.text.num_multimodal_layers':
            size.text_layers,
            'model.contrastive_head.dims':
            size.dims,
            'model.contrastive_head.embed_dims':
            size.dims,
            'model.captioning_head.vocab_size':
            size.vocab_size,
            'model.captioning_head.dims':
            size.dims,
        }
    )
    return cfg


class MMCoCaContender:
    """As our train.py runs it, in float32."""

    def __init__(self, size: Size) -> None:
        self.model = MODELS.build(sized_config(size).model)
        self.model.init_weights()

    def losses(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """Both losses."""
        samples = [DataSample(gt_caption=caption) for caption in captions]
        losses = self.model(images, samples, mode='loss')
        return {name: loss for name, loss in losses.items() if 'loss' in name}

    def encode_images(self, images: Tensor) -> Tensor:
        """Embeddings (B,E)."""
        return self.model.encode_image(images)

    def encode_texts(self, captions: Sequence[str]) -> Tensor:
        """Embeddings (B,E)."""
        return self.model.encode_text(captions)

    def checkpoint_activations(self) -> None:
        """As activation_checkpointing=['backbone', 'neck', 'text'] in a config."""
        checkpoint_activations(self.model, ['backbone', 'neck', 'text'])

    def compile(self) -> None:
        """As CompileHook, with the sizes that docs/scale.md names."""
        self.model.text.token_multiple = 64
        self.model.losses = torch.compile(self.model.losses, fullgraph=True)

    def generate(self, images: Tensor, method: str, length: int, num_beam_groups: int = 1) -> None:
        """The end token is kept away until the last."""
        options = dict(METHODS[method], num_beam_groups=num_beam_groups)
        captions = self.model.generate_captions(
            images, max_length=length, min_length=length - 2, **options
        )
        assert all(len(of_image[0].token_ids) == length - 1 for of_image in captions)

    def load_open_clip(self, path: str) -> None:
        """Take open_clip's weights."""
        from mmcoca.weights import from_open_clip

        self.model.load_state_dict(from_open_clip(torch.load(path, weights_only=True)))
