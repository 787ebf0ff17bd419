# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Embeddings of images or texts in a file, and search among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mmcoca.errors import MissingFileError, UserError
from mmcoca.models.layers import similarities
from mmcoca.weights import weights_mark


@dataclass
class EmbeddingIndex:
    """Embeddings (items,E), L2-normalised, and what each is of: a path below a folder, or a text.

    `weights` is the `weights_mark` of the model that made them, if it is known.

    Raises ValueError for another number of names.
    """

    embeddings: Tensor
    names: list[str]
    weights: str = ''

    def __post_init__(self) -> None:
        if len(self.names) != len(self.embeddings):
            raise ValueError(f'{len(self.names)} names for {len(self.embeddings)} embeddings')

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, the names in its metadata. Raises UserError if it cannot."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        names = json.dumps(self.names, ensure_ascii=False)
        metadata = dict(names=names, weights=self.weights)
        try:
            save_file(dict(embeddings=self.embeddings.contiguous()), path, metadata)
        except SafetensorError as error:  # which is no OSError
            raise UserError(f'{path} cannot be written: {error}') from error

    @classmethod
    def load(cls, path: str | Path) -> EmbeddingIndex:
        """What `save` wrote. Raises FileNotFoundError, and ValueError for another file."""
        if not Path(path).is_file():
            raise MissingFileError.of('embeddings file', path)
        try:
            with safe_open(path, 'pt') as file:
                embeddings = file.get_tensor('embeddings')
                metadata = file.metadata() or {}
                names = json.loads(metadata['names'])
        except Exception as error:  # the library's own class is not public
            raise ValueError(f'{path} is no file of embed.py: {error}') from error
        return cls(embeddings, names, metadata.get('weights', ''))

    def check_weights(self, model: nn.Module) -> None:
        """Raise ValueError if it is known that other weights than the model's made these."""
        if self.weights and self.weights != weights_mark(model):
            raise ValueError(
                'the embeddings were made with other weights (another type, such as float16, makes '
                'others of them): embed anew'
            )

    @cached_property
    def faiss_index(self):
        """Faiss' flat inner-product index of the embeddings. Raises ImportError without faiss."""
        if find_spec('faiss') is None:
            raise ImportError("engine 'faiss' needs faiss: pip install faiss-cpu")
        import faiss

        index = faiss.IndexFlatIP(self.embeddings.shape[1])
        index.add(self.embeddings.float().numpy())
        return index

    def search(self, queries: Tensor, top_k: int = 5, engine: str = 'exact') -> list[list[tuple]]:
        """Queries (queries,E), L2-normalised -> the (name, cosine similarity) of each one's top k.

        Args:
            engine: 'exact', or 'faiss' for the same by that library.

        Raises ValueError for queries of another width, another engine or a top_k below 1,
        ImportError without faiss.
        """
        if top_k < 1:
            raise ValueError(f'top_k={top_k} is less than 1')
        if queries.shape[1] != self.embeddings.shape[1]:
            raise ValueError(
                f'queries are {queries.shape[1]} wide, the embeddings {self.embeddings.shape[1]}'
            )
        queries = queries.to(self.embeddings.dtype)
        top_k = min(top_k, len(self.names))
        if engine == 'exact':
            scores, places = similarities(queries, self.embeddings).topk(top_k, dim=1)
        elif engine == 'faiss':
            scores, places = map(
                torch.from_numpy, self.faiss_index.search(queries.float().numpy(), top_k)
            )
        else:
            raise ValueError(f"engine '{engine}' is unknown: use 'exact' or 'faiss'")
        return [
            [(self.names[place], score)
             for place, score in zip(*row)]
            for row in zip(places.tolist(), scores.tolist())
        ]


def joined_queries(*parts: Tensor) -> Tensor:
    """Embeddings (queries,E) or (1,E) of texts and of images -> those of what is like all of them.

    Their sums, L2-normalised. Raises ValueError for other numbers of queries.
    """
    numbers = {len(part) for part in parts} - {1}
    if len(numbers) > 1:
        raise ValueError(f'{" and ".join(map(str, sorted(numbers)))} queries cannot be joined')
    return F.normalize(sum(parts), dim=-1)
