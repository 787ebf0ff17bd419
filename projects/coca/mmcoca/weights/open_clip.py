# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""State dicts of open_clip's CoCa and of ours, each turned into the other without any arithmetic.

Shapes in letters: W image width, p patch, N image positions (class token included), i image MLP,
Q pooler queries, D text width, t text MLP, L text positions ([CLS] included), V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Names = dict[str, str]  # a tensor's name, {i} standing for its layer -> its shape in letters
Mapped = tuple[Names, Names, bool]  # source, target, whether one is the other transposed


class WeightsError(ValueError):
    """A state dict is not what it should be: one line says what is wrong."""


@dataclass(frozen=True)
class Rule:
    """Tensors of open_clip and of mmcoca with the same numbers.

    Put one below the other, the tensors of one side are those of the other, or their transposed.
    """

    open_clip: Names
    mmcoca: Names
    transposed: bool = False


def layer(theirs: str, ours: str, rows: str, columns: str) -> list[Rule]:
    """Weight and bias of a linear layer."""
    return [
        Rule({f'{theirs}.weight': f'{rows} {columns}'}, {f'{ours}.weight': f'{rows} {columns}'}),
        Rule({f'{theirs}.bias': rows}, {f'{ours}.bias': rows}),
    ]


def norm(theirs: str, ours: str, width: str) -> list[Rule]:
    """Weight and bias of a LayerNorm."""
    return [Rule({f'{theirs}.{name}': width}, {f'{ours}.{name}': width}) for name in WEIGHT_BIAS]


def self_attention(theirs: str, ours: str, width: str) -> list[Rule]:
    """One projection for query, key and value, and one for the output."""
    weight, bias = f'3{width} {width}', f'3{width}'
    return [
        Rule({f'{theirs}.in_proj_weight': weight}, {f'{ours}.qkv.weight': weight}),
        Rule({f'{theirs}.in_proj_bias': bias}, {f'{ours}.qkv.bias': bias}),
        *layer(f'{theirs}.out_proj', f'{ours}.proj', width, width),
    ]


def cross_attention_bias_and_output(theirs: str, ours: str) -> list[Rule]:
    """Ours has the query apart from key and value, which are computed once an image."""
    biases = {f'{ours}.query.bias': 'D', f'{ours}.key_value.bias': '2D'}
    return [
        Rule({f'{theirs}.in_proj_bias': '3D'}, biases),
        *layer(f'{theirs}.out_proj', f'{ours}.proj', 'D', 'D'),
    ]


def decoder_layer(theirs: str, ours: str) -> list[Rule]:
    """A text layer's self-attention and MLP, each with its norm."""
    return [
        *norm(f'{theirs}.ln_1', f'{ours}.self_attention_norm', 'D'),
        *self_attention(f'{theirs}.attn', f'{ours}.self_attention', 'D'),
        *norm(f'{theirs}.ln_2', f'{ours}.mlp_norm', 'D'),
        *layer(f'{theirs}.mlp.c_fc', f'{ours}.mlp.0', 't', 'D'),
        *layer(f'{theirs}.mlp.c_proj', f'{ours}.mlp.2', 'D', 't'),
    ]


WEIGHT_BIAS = ('weight', 'bias')
VISION, VIT = 'visual.transformer.resblocks.{i}', 'backbone.layers.{i}'
POOLER = 'neck.pooler.attention'
CROSS, MULTIMODAL = 'text_decoder.cross_attn.{i}', 'text.multimodal.layers.{i}'

RULES = [
    # The first rules have a single letter a dimension: they tell what the letters stand for.
    Rule({'visual.class_embedding': 'W'}, {'backbone.cls_token': '1 1 W'}),
    Rule({'text.cls_emb': 'D'}, {'text.unimodal.cls_embedding': 'D'}),
    Rule({'visual.positional_embedding': 'N W'}, {'backbone.pos_embed': '1 N W'}),
    Rule({'visual.conv1.weight': 'W 3 p p'}, {'backbone.patch_embed.projection.weight': 'W 3 p p'}),
    *norm('visual.ln_pre', 'backbone.pre_norm', 'W'),
    *norm(f'{VISION}.ln_1', f'{VIT}.ln1', 'W'),
    *self_attention(f'{VISION}.attn', f'{VIT}.attn', 'W'),
    *norm(f'{VISION}.ln_2', f'{VIT}.ln2', 'W'),
    *layer(f'{VISION}.mlp.c_fc', f'{VIT}.ffn.layers.0.0', 'i', 'W'),
    *layer(f'{VISION}.mlp.c_proj', f'{VIT}.ffn.layers.1', 'W', 'i'),
    Rule({'visual.attn_pool.query': 'Q D'}, {'neck.pooler.queries': 'Q D'}),
    *norm('visual.attn_pool.ln_q', 'neck.pooler.query_norm', 'D'),
    *norm('visual.attn_pool.ln_k', 'neck.pooler.memory_norm', 'W'),
    Rule({'visual.attn_pool.attn.q_proj_weight': 'D D'}, {f'{POOLER}.query.weight': 'D D'}),
    Rule(
        dict.fromkeys([f'visual.attn_pool.attn.{x}_proj_weight' for x in 'kv'], 'D W'),
        {f'{POOLER}.key_value.weight': '2D W'},
    ),
    *cross_attention_bias_and_output('visual.attn_pool.attn', POOLER),
    *norm('visual.ln_post', 'neck.pooler.norm', 'D'),
    Rule({'visual.proj': 'D D'}, {'contrastive_head.image_projection.weight': 'D D'}, True),
    Rule({'text.token_embedding.weight': 'V D'}, {'text.unimodal.token_embedding.weight': 'V D'}),
    Rule({'text.positional_embedding': 'L D'}, {'text.unimodal.position_embedding': 'L D'}),
    *decoder_layer('text.transformer.resblocks.{i}', 'text.unimodal.layers.{i}'),
    *norm('text.ln_final', 'text.unimodal.cls_norm', 'D'),
    Rule({'text.text_projection': 'D D'}, {'contrastive_head.text_projection.weight': 'D D'}, True),
    *decoder_layer('text_decoder.resblocks.{i}', MULTIMODAL),
    *norm(f'{CROSS}.ln_1', f'{MULTIMODAL}.cross_attention_norm', 'D'),
    *norm(f'{CROSS}.ln_1_kv', f'{MULTIMODAL}.memory_norm', 'D'),
    Rule(
        {f'{CROSS}.attn.in_proj_weight': '3D D'},
        {
            f'{MULTIMODAL}.cross_attention.query.weight': 'D D',
            f'{MULTIMODAL}.cross_attention.key_value.weight': '2D D',
        },
    ),
    *cross_attention_bias_and_output(f'{CROSS}.attn', f'{MULTIMODAL}.cross_attention'),
    *norm(f'{CROSS}.ln_2', f'{MULTIMODAL}.cross_mlp_norm', 'D'),
    *layer(f'{CROSS}.mlp.c_fc', f'{MULTIMODAL}.cross_mlp.0', 't', 'D'),
    *layer(f'{CROSS}.mlp.c_proj', f'{MULTIMODAL}.cross_mlp.2', 'D', 't'),
    *norm('text_decoder.ln_final', 'text.multimodal.norm', 'D'),
    Rule({'text_decoder.text_projection': 'D V'}, {'captioning_head.weight': 'V D'}, True),
    Rule({'logit_scale': ''}, {'contrastive_head.logit_scale': ''}),
]


def from_open_clip(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A CoCa of open_clip -> the same for configs/coca/open_clip_*.py, bit for bit.

    Raises WeightsError unless each tensor of a CoCa is there, in a shape that fits the others, and
    nothing else.
    """
    return convert(state_dict, [(rule.open_clip, rule.mmcoca, rule.transposed) for rule in RULES])


def to_open_clip(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back. Raises WeightsError as `from_open_clip` does."""
    return convert(state_dict, [(rule.mmcoca, rule.open_clip, rule.transposed) for rule in RULES])


def convert(state_dict: Mapping[str, Tensor], rules: list[Mapped]) -> dict[str, Tensor]:
    """Apply rules, those of a layer to as many as there are. Raises WeightsError."""
    rules = expand_layers(rules, state_dict)
    check_names(state_dict, {name for source, _, _ in rules for name in source})
    sizes: dict[str, int] = {}
    for source, _, _ in rules:
        for name, letters in source.items():
            check_shape(name, state_dict[name], letters, sizes)
    converted = {}
    for source, target, transposed in rules:
        tensors = [state_dict[name] for name in source]
        joined = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        joined = joined.T if transposed else joined
        shapes = [[size_of(x, sizes) for x in letters.split()] for letters in target.values()]
        parts = joined.split([shape[0] for shape in shapes]) if len(shapes) > 1 else [joined]
        for name, shape, part in zip(target, shapes, parts, strict=True):
            # A tensor of its own, not a view that would be saved with all that it is a part of.
            converted[name] = part.reshape(shape).clone(memory_format=torch.contiguous_format)
    return converted


def expand_layers(rules: list[Mapped], names: Mapping[str, Tensor]) -> list[Mapped]:
    """Rules with {i} become one for each layer of their stack."""

    def stack(name: str) -> str:
        # open_clip has two stacks, of self- and cross-attention, where we have one of layers.
        return name.split('{i}')[0].replace('cross_attn', 'resblocks')

    depths = {stack(name): 1 for source, _, _ in rules for name in source if '{i}' in name}
    for name in names:
        match = re.fullmatch(r'(.*?\.)(\d+)\..*', stack(name))
        if match and match[1] in depths:
            depths[match[1]] = max(depths[match[1]], int(match[2]) + 1)
    expanded = []
    for source, target, transposed in rules:
        for i in range(depths.get(stack(next(iter(source))), 1)):
            sides = [numbered(side, i) for side in (source, target)]
            expanded.append((*sides, transposed))
    return expanded


def numbered(names: Names, i: int) -> Names:
    """The names of layer i."""
    return {name.replace('{i}', str(i)): letters for name, letters in names.items()}


def check_names(found: Mapping[str, Tensor], expected: set[str]) -> None:
    """Raise WeightsError for missing and for unknown tensors."""
    missing, unknown = sorted(expected - set(found)), sorted(set(found) - expected)
    problems = []
    if missing:
        problems.append(
            f'{len(missing)} of {len(expected)} tensors are missing, first {missing[0]}'
        )
    if unknown:
        problems.append(f'{len(unknown)} are unknown, first {unknown[0]}')
    if problems:
        raise WeightsError('; '.join(problems))


def check_shape(name: str, tensor: Tensor, letters: str, sizes: dict[str, int]) -> None:
    """Raise WeightsError for a shape that contradicts the sizes; note the sizes that are new."""
    if not isinstance(tensor, Tensor):
        raise WeightsError(f'{name} is a {type(tensor).__name__}, not a tensor')
    dimensions = letters.split()
    if tensor.dim() != len(dimensions):
        raise WeightsError(f'{name} has {tensor.dim()} dimensions, not {len(dimensions)}')
    for letter, size in zip(dimensions, tensor.shape):
        if letter.isalpha():
            sizes.setdefault(letter, size)
    expected = [size_of(letter, sizes) for letter in dimensions]
    if list(tensor.shape) != expected:
        raise WeightsError(
            f'{name} is {tuple(tensor.shape)}, but the other tensors ask for {tuple(expected)}'
        )


def size_of(dimension: str, sizes: Mapping[str, int]) -> int:
    """A number, a letter, or a letter with a factor, such as 3D, in numbers."""
    factor, letter = re.fullmatch(r'(\d*)(\w?)', dimension).groups()
    return int(factor or 1) * (sizes[letter] if letter else 1)
