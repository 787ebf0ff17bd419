# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The architectures that all build: open_clip's, and two smaller ones of its kind."""

from typing import NamedTuple


class Size(NamedTuple):
    """Widths and depths. Heads of the image encoder are 64 wide."""

    image_size: int
    patch_size: int
    image_layers: int
    image_dims: int
    text_layers: int  # of each half
    dims: int
    num_heads: int
    num_queries: int
    vocab_size: int = 49408  # CLIP's
    max_length: int = 76


SIZES = {
    'Large': Size(288, 18, 24, 1024, 12, 1024, 16, 256),  # as CoCa-Large of the paper
    'ViT-L-14': Size(224, 14, 24, 1024, 12, 768, 12, 256),
    'ViT-B-32': Size(224, 32, 12, 768, 12, 512, 8, 256),
    'tiny': Size(64, 8, 4, 256, 2, 192, 3, 32),
    'smallest': Size(32, 8, 4, 192, 2, 128, 2, 16),
}
