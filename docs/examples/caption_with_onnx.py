# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Caption icons with what tools/model_converters/to_onnx.py wrote, without PyTorch and mmcoca.

Usage: python caption_with_onnx.py FOLDER IMAGE ... (Pillow opens the images)
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image, ImageOps
from tokenizers import Tokenizer

if len(sys.argv) < 3:
    sys.exit(__doc__)
folder = Path(sys.argv[1])
settings = json.loads((folder / 'settings.json').read_text())
tokenizer = Tokenizer.from_file(str(folder / 'tokenizer.json'))
encoder, step = (
    InferenceSession(str(folder / f'{name}.onnx')) for name in ('image_encoder', 'decoding_step')
)


def prepare(path):
    """An icon of 8 bits on white, in a square around what is drawn -> (3,height,width)."""
    image = ImageOps.exif_transpose(Image.open(path)).convert('RGBA')
    image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image).convert('RGB')
    image = image.crop(ImageOps.invert(image).point(lambda level: 255 * (level > 7)).getbbox())
    longer = max(image.size)
    square = Image.new('RGB', [longer + 2 * round(0.045 * longer)] * 2, 'white')
    square.paste(image, [(square.width - side) // 2 for side in image.size])
    rows, columns = (areas(square.width, size) for size in settings['image_size'])
    levels = np.einsum('yh,hwc,xw->yxc', rows, np.asarray(square), columns, optimize=True).round()
    pixels = (levels - settings['mean']) / settings['std']
    return pixels.transpose(2, 0, 1).astype(np.float32)


def areas(source, target):
    """Which part of each new pixel (target,source) the old ones cover, along one side."""
    edges = np.arange(target + 1) * source / target
    first, last = np.maximum(edges[:-1, None], np.arange(source)), np.arange(1, source + 1)
    return np.maximum(np.minimum(edges[1:, None], last) - first, 0) * target / source


images = np.stack([prepare(path) for path in sys.argv[2:]])
_, memory = encoder.run(None, {'images': images})
token_ids = np.full((len(images), 1), settings['start_id'])
shape = settings['cache_shape']
caches = np.zeros([*shape[:2], len(images), *shape[3:]], np.float32)
while token_ids.shape[1] < settings['max_length']:
    inputs = {'token_ids': token_ids, 'caches': caches, 'memory': memory}
    logits, caches = step.run(None, inputs)
    token_ids = np.concatenate([token_ids, logits.argmax(axis=1)[:, None]], axis=1)
for path, ids in zip(sys.argv[2:], token_ids.tolist()):
    ids.append(settings['end_id'])
    print(path, tokenizer.decode(ids[1:ids.index(settings['end_id'])]).strip(), sep='\t')
