# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Compare mmcoca with open_clip_torch: the same weights, images and texts through both.

Prints a table of the largest differences, each relative to the largest value of its own tensor in
open_clip (of a gradient: its own parameter's); and whether greedy captions are the same tokens.
Without --weights the weights are random, of deviations that keep activations near 1. Whole models
take 8 GB of memory (coca_ViT-B-32) or 17 GB (coca_ViT-L-14) in float32, and minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcoca.command_line import positive, user_errors
from mmcoca.errors import UserError
from mmcoca.weights import WeightsError, from_open_clip, read_state_dict, to_open_clip

CONFIGS = Path(__file__).parents[2] / 'configs' / 'coca'
ARCHITECTURES = dict(
    [
        ('coca_ViT-B-32', 'open_clip_vit-b-p32.py'),
        ('coca_ViT-L-14', 'open_clip_vit-l-p14.py'),
    ]
)
# 1, 5 and 30 words, one too long, one that leaves a single position of padding, the token of "!"
# that open_clip takes for padding, and two words.
TEXTS = (
    'cat',
    'a photo of a dog',
    ' '.join(['a very old man with a white beard'] * 4)[:-len(' white beard')],
    ' '.join(['far too long'] * 40),
    ' '.join(['it'] * 73),
    'look!» a !~ b',
    'hot pepper',
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/model_converters/open_clip_parity.py coca_ViT-B-32 '
        '--dtype float64',
    )
    parser.add_argument(
        'architecture', nargs='*', help=f'any of {", ".join(ARCHITECTURES)} (default: both)'
    )
    parser.add_argument(
        '--dtype',
        nargs='+',
        choices=['float32', 'float64'],
        default=['float32'],
        help='one or both (default: float32)'
    )
    parser.add_argument(
        '--batch-size',
        nargs='+',
        type=positive,
        default=[1, len(TEXTS)],
        help=f'one or several (default: 1 {len(TEXTS)})'
    )
    parser.add_argument(
        '--layers', type=positive, help='of each of the three stacks (default: all of them)'
    )
    parser.add_argument('--weights', help="a file of open_clip's, for one architecture")
    parser.add_argument('--seed', type=int, default=0, help='of weights and images (default: 0)')
    args = parser.parse_args(argv)
    args.architecture = args.architecture or list(ARCHITECTURES)
    unknown = set(args.architecture) - set(ARCHITECTURES)
    if unknown:
        parser.error(f'unknown architecture {unknown.pop()}: one of {", ".join(ARCHITECTURES)}')
    if args.weights and (len(args.architecture) > 1 or args.layers):
        parser.error('--weights needs one architecture, whole')
    return args


def build_pair(architecture: str,
               dtype: torch.dtype,
               layers: int | None = None,
               seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """open_clip's model with random weights, and ours with the same."""
    settings = open_clip.get_model_config(architecture)
    settings.pop('custom_text')
    cfg = Config.fromfile(CONFIGS / ARCHITECTURES[architecture])
    if layers is not None:
        for part in ('vision_cfg', 'text_cfg', 'multimodal_cfg'):
            settings[part]['layers'] = layers
        cfg.model.text.update(num_unimodal_layers=layers, num_multimodal_layers=layers)
        width = settings['vision_cfg']['width']
        cfg.model.backbone.arch = dict(
            embed_dims=width,
            num_layers=layers,
            num_heads=width // 64,
            feedforward_channels=4 * width
        )
    init_default_scope(cfg.default_scope)
    theirs = open_clip.CoCa(**settings).to(dtype)
    randomize(theirs, seed)
    ours = MODELS.build(cfg.model).to(dtype)
    share_weights(theirs, ours)
    return theirs.eval(), ours.eval()


@torch.no_grad()
def randomize(model: nn.Module, seed: int) -> None:
    """Normal weights: deviation 1/sqrt(fan-in), 0.1 around 1 for gains and around 0 for biases.

    Queries and keys get twice that, so that attention selects, as that of trained weights does.
    Where it is almost uniform, the queries' gradients are differences of almost equal numbers, of
    which float32 leaves three digits in either implementation.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            parameter.normal_(std=fan_in**-0.5, generator=generator)
        elif parameter.dim() == 1:
            is_gain = name.endswith('weight')
            parameter.normal_(mean=float(is_gain), std=0.1, generator=generator)
        if name.endswith(('q_proj_weight', 'k_proj_weight')):
            parameter *= 2
        elif name.endswith('in_proj_weight'):
            queries_and_keys = 2 * parameter.shape[1]
            parameter[:queries_and_keys] *= 2


def share_weights(theirs: nn.Module, ours: nn.Module) -> None:
    """Load open_clip's weights, converted, into our model."""
    ours.load_state_dict(from_open_clip(theirs.state_dict()))


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference over the largest absolute value of `theirs` (over 1 if all 0)."""
    if ours.shape != theirs.shape:
        raise ValueError(f'shapes {tuple(ours.shape)} and {tuple(theirs.shape)} differ')
    largest = theirs.abs().max()
    difference = (ours - theirs).abs().max() / torch.where(largest > 0, largest, 1)
    return float(difference.detach())


def compare(theirs: nn.Module, ours: nn.Module, images: Tensor,
            texts: Sequence[str]) -> dict[str, float]:
    """Relative differences of what both models compute from images (B,3,height,width) and texts."""
    token_ids = open_clip.SimpleTokenizer(context_length=theirs.context_length)(texts)
    expected = theirs(images, token_ids)
    expected_losses = open_clip.CoCaLoss(
        caption_loss_weight=2.0, clip_loss_weight=1.0
    )(
        *(expected[key] for key in ('image_features', 'text_features', 'logits', 'labels')),
        expected['logit_scale'],
        output_dict=True,
    )
    samples = [DataSample() for _ in texts]
    for sample, text in zip(samples, texts):
        sample.set_field(text, 'gt_caption')
    losses = ours(images, samples, mode='loss')
    with torch.no_grad():
        packed = ours.pack(texts)
        token_states, _ = ours.text.unimodal(packed)
        states = ours.text.read_whole(token_states, ours.pool(images)[1], packed)
        packing = packed.whole.packing
        logits = packing.pad(ours.captioning_head(states))
    # open_clip has no logits after the last position; padding has none here.
    length = min(logits.shape[1], expected['logits'].shape[1])
    is_text = torch.arange(length) < packing.lengths[:, None]
    differences = dict(
        image_features=relative_difference(ours.encode_image(images), expected['image_features']),
        text_features=relative_difference(ours.encode_text(texts), expected['text_features']),
        logits=relative_difference(
            logits[:, :length][is_text], expected['logits'][:, :length][is_text]
        ),
        contrastive_loss=relative_difference(
            losses['loss_contrastive'], expected_losses['contrastive_loss']
        ),
        captioning_loss=relative_difference(
            losses['loss_captioning'], expected_losses['caption_loss']
        ),
    )
    (losses['loss_contrastive'] + losses['loss_captioning']).backward()
    gradients = to_open_clip({name: p.grad for name, p in ours.named_parameters()})
    ours.zero_grad()  # a set of gradients less in memory
    theirs.zero_grad()
    sum(expected_losses.values()).backward()
    differences['gradients'] = max(
        relative_difference(gradients[name], parameter.grad)
        for name, parameter in theirs.named_parameters()
    )
    return differences


@torch.no_grad()
def greedy_tokens(theirs: nn.Module, images: Tensor, length: int) -> Tensor:
    """open_clip's most probable next token, again and again: images -> ids (B,length), start first.

    What follows an end token is replaced by padding.
    """
    encoded = theirs(images)
    image = dict(image_latent=encoded['image_features'], image_embs=encoded['image_embs'])
    token_ids = torch.full((len(images), 1), 49406)
    for _ in range(length - 1):
        logits = theirs(images, token_ids, **image, output_labels=False)['logits']
        token_ids = torch.cat([token_ids, logits[:, -1:].argmax(dim=-1)], dim=1)
    has_ended = (token_ids == 49407).cumsum(dim=1).roll(1, dims=1).bool()
    has_ended[:, 0] = False
    return token_ids.masked_fill(has_ended, theirs.pad_id)


def our_greedy_tokens(ours: nn.Module, images: Tensor, length: int) -> Tensor:
    """The same of our cached decoding."""
    captions = ours.generate_captions(images, max_length=length)
    token_ids = torch.full((len(images), length), ours.tokenizer.pad_id)
    token_ids[:, 0] = ours.tokenizer.start_id
    for row, (caption, ) in zip(token_ids, captions):
        row[1:1 + len(caption.token_ids)] = caption.token_ids
    return token_ids


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, and print a table in Markdown."""
    args = parse_args(argv)
    columns = ['image_features', 'text_features', 'logits', 'contrastive_loss']
    columns += ['captioning_loss', 'gradients']
    header = ['architecture', 'layers', 'dtype', 'batch', *columns, 'greedy captions']
    if args.weights:
        with user_errors():
            read_state_dict(args.weights)  # before the table begins
    print(f'open_clip_torch {open_clip.__version__}, torch {torch.__version__}, seed {args.seed}')
    print(f'| {" | ".join(name.replace("_", " ") for name in header)} |')
    print('|' + '---|' * len(header), flush=True)
    for architecture in args.architecture:
        for dtype in args.dtype:
            with user_errors():
                theirs, ours = build_pair(
                    architecture, getattr(torch, dtype), args.layers, args.seed
                )
                if args.weights:
                    load_weights(args.weights, theirs, ours)
            size = ours.backbone.img_size
            for batch_size in args.batch_size:
                generator = torch.Generator().manual_seed(args.seed)
                images = torch.randn(
                    batch_size, 3, *size, generator=generator
                ).to(theirs.logit_scale)
                texts = [TEXTS[i % len(TEXTS)] for i in range(batch_size)]
                differences = compare(theirs, ours, images, texts)
                captions = greedy_tokens(theirs, images, 20), our_greedy_tokens(ours, images, 20)
                verdict = 'equal' if torch.equal(*captions) else 'DIFFERENT'
                row = [architecture, args.layers or 'all', dtype, batch_size]
                row += [f'{differences[column]:.1e}' for column in columns] + [verdict]
                print(f'| {" | ".join(map(str, row))} |', flush=True)
            del theirs, ours


def load_weights(path: str, theirs: nn.Module, ours: nn.Module) -> None:
    """Put a file's weights into both models. Raises UserError if they do not fit."""
    state_dict = read_state_dict(path)
    try:
        ours.load_state_dict(from_open_clip(state_dict))
        theirs.load_state_dict(state_dict)
    except WeightsError as error:
        raise UserError(f'{path} is not a CoCa of open_clip: {error}') from error
    except RuntimeError as error:
        raise UserError(f'{path} is a CoCa of another architecture than asked for') from error


if __name__ == '__main__':
    sys.exit(main())
