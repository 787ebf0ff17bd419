# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Write a model as ONNX files, for programs without PyTorch, and compare them with it.

OUT gets image_encoder.onnx, text_encoder.onnx, decoding_step.onnx (a token of captions, with what
was computed for those before), tokenizer.json and settings.json; batch and length may be any.
docs/examples/caption_with_onnx.py shows how a program uses them. Where they differ by more than
rounding the exit status is 1. With --quantize the weights of products then get 8 bits: a quarter of
the size, and other embeddings.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from mmcoca.apis.onnx_export import export_onnx, quantize_onnx
from mmcoca.apis.onnx_model import OnnxModel
from mmcoca.command_line import user_errors
from mmcoca.command_line.models import add_model_arguments, load_model_of, parse_model_arguments
from mmcoca.errors import UserError
from mmcoca.models import CoCa

NUM_IMAGES = 8
ROUNDING = 1e-3  # at most, in embeddings of length 1
TEXTS = ['cat', 'a shopping cart', 'a text of a few more words than the others have', '!']


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/model_converters/to_onnx.py coca_small_icons --out onnx',
    )
    add_model_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder')
    parser.add_argument('--quantize', action='store_true', help='weights of 8 bits')
    return parse_model_arguments(parser, argv)


class Differences(NamedTuple):
    """The largest in embeddings of images and of texts, and how many greedy captions are the same.
    """

    images: float
    texts: float
    same_captions: int

    def __str__(self) -> str:
        return (
            f'largest difference from PyTorch: {self.images:.1e} in embeddings of images, '
            f'{self.texts:.1e} of texts; {self.same_captions} of {NUM_IMAGES} greedy captions are '
            'the same'
        )

    def are_rounding(self) -> bool:
        """Whether both compute the same; of captions, a near tie may end otherwise."""
        return max(self.images, self.texts) <= ROUNDING and self.same_captions >= NUM_IMAGES / 2


@torch.no_grad()
def differences(model: CoCa, exported: OnnxModel) -> Differences:
    """How far what was exported is from the model in PyTorch."""
    torch.manual_seed(0)
    images = torch.randn(NUM_IMAGES, 3, 4, 4)
    images = F.interpolate(images, size=model.backbone.img_size, mode='nearest')
    of_images = exported.encode_image(images.numpy()) - model.encode_image(images).numpy()
    token_ids, lengths = model.tokenizer(TEXTS)
    embeddings = exported.encode_text(token_ids.numpy(), lengths.numpy())
    of_texts = embeddings - model.encode_text(TEXTS).numpy()
    captions = model.generate_captions(images, max_length=model.text.max_length)
    end = [model.tokenizer.end_id]
    expected = [of_image[0].token_ids.tolist() for of_image in captions]
    expected = [ids[:(ids + end).index(*end)] for ids in expected]  # some have not ended
    same = sum(ids == e for ids, e in zip(exported.caption(images.numpy()), expected))
    return Differences(abs(of_images).max(), abs(of_texts).max(), same)


def main(argv: Sequence[str] | None = None) -> None:
    """Write, and compare."""
    args = parse_args(argv)
    args.device = args.device or 'cpu'
    with user_errors():
        if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
            raise UserError(f'{args.out} is there already: choose another --out')
        model = load_model_of(args)
        files = export_onnx(model, args.out)
        found = differences(model, OnnxModel(args.out))
        if not found.are_rounding():
            raise UserError(
                f'{args.out} computes something else than the model, do not use it: {found}. A '
                'part of the model does not do when exported what it does in PyTorch'
            )
        if args.quantize:
            quantize_onnx(args.out)
            found = differences(model, OnnxModel(args.out))
        for file in files:
            print(f'{file}: {file.stat().st_size / 1e6:.1f} MB')
        print(found)


if __name__ == '__main__':
    main()
