# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Weights of a model with one vocabulary for a model with another."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

TOKEN_EMBEDDING = 'text.unimodal.token_embedding.weight'
# Tensors (V,D) with a row a token.
ROWS_OF_TOKENS = (TOKEN_EMBEDDING, 'captioning_head.weight')


def vocabulary_problem(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Why weights are of another vocabulary than the model's, or None."""
    if TOKEN_EMBEDDING not in found or TOKEN_EMBEDDING not in expected:
        return None
    there, here = len(found[TOKEN_EMBEDDING]), len(expected[TOKEN_EMBEDDING])
    if there == here:
        return None
    return (
        f'the weights are of a vocabulary of {there} tokens, the model has {here} (vocab_size): '
        'tools/model_converters/change_vocabulary.py keeps the tokens that both have'
    )


def tokens_by_meaning(tokenizer) -> dict[str | tuple[str], int]:
    """The id of each token; start and end by what they are, whatever their names.

    Args:
        tokenizer: A TextTokenizer.
    """
    ends = {tokenizer.start_id: ('start', ), tokenizer.end_id: ('end', )}
    return {
        ends.get(token_id, token): token_id
        for token, token_id in tokenizer.tokenizer.get_vocab().items()
    }


def change_vocabulary(
    weights: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    old_tokens: Mapping[object, int],
    new_tokens: Mapping[object, int],
) -> tuple[dict[str, Tensor], int]:
    """Weights whose rows of tokens are the new vocabulary's, how many tokens it has of the old one.

    Args:
        weights: Of the old vocabulary.
        fresh: Of a new model at its start, whose rows the other tokens keep.
        old_tokens, new_tokens: The row of each token.

    Raises ValueError where the rows are not equally wide.
    """
    kept = [token for token in new_tokens if token in old_tokens]
    old_rows = [old_tokens[token] for token in kept]
    new_rows = [new_tokens[token] for token in kept]
    changed = dict(weights)
    for name in ROWS_OF_TOKENS:
        if name not in weights or name not in fresh:
            continue
        if weights[name].shape[1] != fresh[name].shape[1]:
            raise ValueError(
                f'{name} is {weights[name].shape[1]} wide in the weights, '
                f'{fresh[name].shape[1]} in the new model'
            )
        changed[name] = fresh[name].to(weights[name].dtype).clone()
        changed[name][new_rows] = weights[name][old_rows]
    return changed, len(kept)
