# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model as ONNX files, for programs without PyTorch."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from mmcoca.errors import UserError
from mmcoca.models import CoCa
from mmcoca.models.exportable import DecodingStep, ImageEncoder, ImageMemory, TextEncoder

OPSET = 20
REMEDY = 'pip install "mmcoca[onnx]"'
IMAGE_ENCODER, TEXT_ENCODER, DECODING_STEP = (
    f'{name}.onnx' for name in ('image_encoder', 'text_encoder', 'decoding_step')
)
SETTINGS, TOKENIZER = 'settings.json', 'tokenizer.json'
ROWS, LENGTH = Dim('rows'), Dim('length')


class ImageSide(nn.Module):
    """Images (B,3,height,width) -> embeddings (B,E) and what captions read of them."""

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.encoder, self.memory = ImageEncoder(model), ImageMemory(model)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `ImageEncoder` and `ImageMemory`."""
        embeddings, regional_tokens = self.encoder(images)
        return embeddings, self.memory(regional_tokens)


@torch.no_grad()
def export_onnx(model: CoCa, folder: Path) -> list[Path]:
    """Write a model's parts into a folder -> the files.

    image_encoder.onnx: images (B,3,height,width), prepared as settings.json says -> embeddings
    (B,E), memory (layers,2,B,heads,Q,C). text_encoder.onnx: token_ids (B,L), lengths (B,) ->
    embeddings (B,E). decoding_step.onnx: as `mmcoca.models.exportable.DecodingStep`. Batch and
    length may be any. tokenizer.json is a file of the `tokenizers` library.

    Raises UserError without onnxscript, and for a model without captions or embeddings.
    """
    if importlib.util.find_spec('onnxscript') is None:
        raise UserError(f'onnxscript is missing: {REMEDY}')
    if model.contrastive_head is None or model.captioning_head is None:
        raise UserError('a model is exported with both heads, contrastive and captioning')
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval()
    size = model.backbone.img_size
    images = torch.randn(2, 3, *size)
    image_side, step = ImageSide(model), DecodingStep(model)
    write_onnx(
        folder / IMAGE_ENCODER,
        image_side,
        dict(images=images),
        ['embeddings', 'memory'],
        dict(images={0: ROWS}),
    )
    token_ids, lengths = model.tokenizer(['a', 'some words'])
    write_onnx(
        folder / TEXT_ENCODER,
        TextEncoder(model),
        dict(token_ids=token_ids, lengths=lengths),
        ['embeddings'],
        dict(token_ids={0: ROWS, 1: LENGTH}, lengths={0: ROWS}),
    )
    memory = image_side(images)[1]
    caches = step.empty_caches(2)
    for length in range(1, 4):
        caches = step(token_ids[:, :1].expand(2, length), caches, memory)[1]
    cached = Dim('cached', min=1, max=model.text.max_length - 1)
    write_onnx(
        folder / DECODING_STEP,
        step,
        dict(token_ids=token_ids[:, :1].repeat(1, 4), caches=caches, memory=memory),
        ['logits', 'grown_caches'],
        dict(token_ids={0: ROWS, 1: cached + 1}, caches={2: ROWS, 4: cached}, memory={2: ROWS}),
    )
    model.tokenizer.tokenizer.save(str(folder / TOKENIZER))
    (folder / SETTINGS).write_text(json.dumps(settings_of(model), indent=1) + '\n')
    names = (IMAGE_ENCODER, TEXT_ENCODER, DECODING_STEP, TOKENIZER, SETTINGS)
    return [folder / name for name in names]


def quantize_onnx(folder: Path) -> None:
    """Give the products of exported files weights of 8 bits, in place (dynamic quantisation).

    Raises UserError without onnxruntime.
    """
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise UserError(f'onnxruntime is missing: {REMEDY}') from error
    for name in (IMAGE_ENCODER, TEXT_ENCODER, DECODING_STEP):
        path = folder / name
        quantize_dynamic(
            path,
            path,
            # Not convolutions, which onnxruntime computes slower in 8 bits.
            op_types_to_quantize=['MatMul', 'Gemm', 'Gather'],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


def settings_of(model: CoCa) -> dict:
    """What a program must know beside the files: how an image is prepared, where texts begin."""
    preprocessor, tokenizer = model.data_preprocessor, model.tokenizer
    layers, _, _, heads, _, channels = DecodingStep(model).empty_caches(1).shape
    return dict(
        image_size=list(model.backbone.img_size),
        mean=preprocessor.mean.flatten().tolist(),
        std=preprocessor.std.flatten().tolist(),
        start_id=tokenizer.start_id,
        end_id=tokenizer.end_id,
        max_length=model.text.max_length,
        cache_shape=[layers, 2, 1, heads, 0, channels],
        logit_scale=float(model.contrastive_head.scale),
    )


def write_onnx(
    path: Path,
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    dynamic_shapes: dict[str, dict],
) -> None:
    """Export one module, without the exporter's own remarks."""
    for name in ('torch.onnx', 'onnxscript'):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='# The axis name')
        program = torch.onnx.export(
            module.eval(),
            kwargs=inputs,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dynamic_shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    program.save(str(path))
