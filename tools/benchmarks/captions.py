# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The texts of the benchmarks."""

import json
import random
from pathlib import Path

ANNOTATIONS = Path('data/emoji/annotations/train.json')
KINDS = ('emoji', 'COCO-length', 'full')


def draw_captions(kind: str, count: int, seed: int = 0) -> list[str]:
    """Texts of a kind: 'emoji' (1-8 words), 'COCO-length' (8-21 words), 'full' (76 tokens).

    The longer ones are captions of the default data put together; of COCO's captions they have the
    length alone, 10 to 11 words on average.
    """
    short = [row['caption'] for row in json.loads(ANNOTATIONS.read_text())['annotations']]
    generator = random.Random(seed)
    if kind == 'emoji':
        return generator.sample(short, count)
    least = [80] * count
    if kind == 'COCO-length':
        least = [min(8 + int(generator.expovariate(0.5)), 17) for _ in range(count)]
    return [together(short, words, generator) for words in least]


def together(short: list[str], least: int, generator: random.Random) -> str:
    """Captions, one beside the other, until there are enough words."""
    text = f'a {generator.choice(short)}'
    while len(text.split()) < least:
        text += f' beside a {generator.choice(short)}'
    return text


def captions_of(num_tokens: int, count: int) -> list[str]:
    """Texts of exactly so many tokens, start and end included."""
    return [' '.join(['cat'] * (num_tokens - 2))] * count
