# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The shipped model in onnxruntime beside PyTorch: sizes, times, and what weights of 8 bits cost.

Sizes are those of the files that the three parts of a model need; PyTorch's is its file of 16 bits.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from report import Row, Settings
from workers import WARMUP_ROUNDS

from mmcoca.apis import load_images, load_model
from mmcoca.apis.onnx_export import export_onnx, quantize_onnx
from mmcoca.apis.onnx_model import OnnxModel
from mmcoca.evaluation import retrieval_recalls
from mmcoca.models import CoCa
from mmcoca.shipped_files import shipped_weights

MODEL = 'coca_small_icons'
DESIGNER = 'ph'
BATCH = 16
PYTORCH, ONNX, EIGHT_BITS = 'PyTorch', 'onnxruntime', 'onnxruntime, 8 bits'


def megabytes(folder: Path) -> float:
    """Of the models in a folder."""
    return sum(path.stat().st_size for path in folder.glob('*.onnx')) / 1e6


def in_turns(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, after rounds to warm up."""
    values = {name: [] for name in works}
    for _ in range(WARMUP_ROUNDS + rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            values[name].append(1000 * (time.perf_counter() - start))
    return {name: times[WARMUP_ROUNDS:] for name, times in values.items()}


def test_set(data: Path) -> tuple[list[Path], list[str], torch.Tensor]:
    """Drawings, their different captions, and which of these is each drawing's."""
    content = json.loads((data / 'annotations' / f'test_{DESIGNER}.json').read_text('utf-8'))
    captions = {a['image_id']: a['caption'] for a in content['annotations']}
    paths = [data / 'images' / image['file_name'] for image in content['images']]
    of_image = [captions[image['id']] for image in content['images']]
    texts = sorted(set(of_image))
    return paths, texts, torch.tensor([texts.index(caption) for caption in of_image])


@torch.no_grad()
def measure(settings: Settings) -> Iterator[Row]:
    """Sizes, milliseconds of a batch, and Recall@1 on a designer never seen."""
    data = Path('data/icons')
    if not data.is_dir():
        sys.exit(f'error: {data} is missing: tools/dataset_converters/icons.py makes it')
    torch.set_num_threads(settings.threads)
    model = load_model(MODEL, device='cpu')
    with tempfile.TemporaryDirectory() as folder:
        plain, eight_bits = Path(folder, 'plain'), Path(folder, 'eight_bits')
        export_onnx(model, plain)
        shutil.copytree(plain, eight_bits)
        quantize_onnx(eight_bits)
        sizes = {
            PYTORCH: [Path(shipped_weights(MODEL)).stat().st_size / 1e6],
            ONNX: [megabytes(plain)],
            EIGHT_BITS: [megabytes(eight_bits)],
        }
        yield Row('size', 'MB', sizes)
        exported = {
            ONNX: OnnxModel(plain, settings.threads),
            EIGHT_BITS: OnnxModel(eight_bits, settings.threads),
        }
    paths, texts, groups = test_set(data)
    images = torch.cat([batch for _, batch, _ in load_images(model, paths)])
    yield from times_of(model, exported, images[:BATCH], texts[:BATCH], settings.rounds)
    yield from recalls_of(model, exported, images, texts, groups)


def times_of(
    model: CoCa, exported: Mapping[str, OnnxModel], images: torch.Tensor, texts: list[str],
    rounds: int
) -> Iterator[Row]:
    """Milliseconds of a batch; texts are tokens already."""
    batch = model.tokenizer(texts)
    tokens = [part.numpy() for part in batch]
    length = model.text.max_length
    encode_image = {PYTORCH: lambda: model.encode_image(images)}
    encode_text = {PYTORCH: lambda: model.encode_text(texts)}
    caption = {PYTORCH: lambda: model.generate(images, max_length=length)}
    for name, onnx in exported.items():
        encode_image[name] = lambda onnx=onnx: onnx.encode_image(images.numpy())
        encode_text[name] = lambda onnx=onnx: onnx.encode_text(*tokens)
        caption[name] = lambda onnx=onnx: onnx.caption(images.numpy())
    yield Row(f'encoding {BATCH} images', 'ms', in_turns(encode_image, rounds))
    yield Row(f'encoding {BATCH} names', 'ms', in_turns(encode_text, rounds))
    yield Row(f'captions of {BATCH} images', 'ms', in_turns(caption, rounds))


def recalls_of(
    model: CoCa, exported: Mapping[str, OnnxModel], images: torch.Tensor, texts: list[str],
    groups: torch.Tensor
) -> Iterator[Row]:
    """Recall@1 in both directions."""
    token_ids, lengths = (part.numpy() for part in model.tokenizer(texts))
    features = {PYTORCH: (model.encode_image(images), model.encode_text(texts))}
    for name, onnx in exported.items():
        of_images = onnx.encode_image(images.numpy())
        of_texts = onnx.encode_text(token_ids, lengths)
        features[name] = (torch.from_numpy(of_images), torch.from_numpy(of_texts))
    recalls = {
        name: retrieval_recalls(*both, groups, torch.arange(len(texts)), (1, ))
        for name, both in features.items()
    }
    for direction, label in dict(i2t='image to text', t2i='text to image').items():
        values = {name: [of_both[direction][1]] for name, of_both in recalls.items()}
        yield Row(f'Phosphor: {label} R@1', '%', values)
