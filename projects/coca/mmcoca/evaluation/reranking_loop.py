# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A test loop for retrieval re-ranked by the captioner."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, broadcast, get_rank, get_world_size
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.errors import SettingError
from mmcoca.registry import LOOPS
from mmcoca.samples import texts_of

from .feature_loop import FeatureTestLoop, gather, gather_objects
from .recall import recalls_from_ranks, relevant_ranks
from .reranking import nearest_keys, reranked_ranks
from .retrieval_metric import RetrievalMetric, relevant_pairs


@LOOPS.register_module()
class RerankingTestLoop(FeatureTestLoop):
    """MMEngine's TestLoop, then the best of each query ordered anew by log p(text | image).

    Each image is encoded once; its regional tokens are kept, on the model's device, until all pairs
    are scored. Adds `i2t/reranked/Recall@1`, `t2i/reranked/Recall@1` and so on to the evaluator's
    metrics, of which RetrievalMetric has the same without re-ranking. Each of several processes
    scores the pairs of its own images.

    Args:
        runner, dataloader, evaluator, fp16: As in TestLoop.
        num_candidates: Of a query, the most similar, that are ordered anew.
        similarity_weight: Of the cosine similarity over the temperature, added to log p(text |
            image); 0: the captioner alone.
        merge_identical_texts: As in RetrievalMetric; None: as the evaluator's has it.
        topk: The k of Recall@k.

    Raises SettingError for a model without one of the two heads and for less than one candidate.
    """

    def __init__(
        self,
        *args,
        num_candidates: int = 16,
        similarity_weight: float = 1.0,
        merge_identical_texts: bool | None = None,
        topk: Sequence[int] = (1, 5, 10),
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        for head in ('contrastive_head', 'captioning_head'):
            if getattr(self.model, head, None) is None:
                raise SettingError(f're-ranking needs a {head}, but the model has none')
        if num_candidates < 1:
            raise SettingError(f'num_candidates is {num_candidates}, but must be positive')
        self.num_candidates = num_candidates
        self.similarity_weight = similarity_weight
        if merge_identical_texts is None:
            metrics = self.evaluator.metrics
            merge_identical_texts = any(
                isinstance(x, RetrievalMetric) and x.merge_identical_texts for x in metrics
            )
        self.merge_identical_texts = merge_identical_texts
        self.topk = tuple(topk)

    def prepare(self) -> None:
        """Nothing is kept of an earlier test."""
        self.samples: list[DataSample] = []
        self.regional_tokens: list[Tensor] = []

    def predict(self, data_batch: dict) -> list[DataSample]:
        """Predict a batch and keep what re-ranking needs of it."""
        with self.autocast():
            data = self.model.data_preprocessor(data_batch, False)
            global_tokens, regional_tokens = self.model.pool(data['images'])
            samples = self.model.predict_pooled_images(
                global_tokens, regional_tokens, data['data_samples']
            )
        self.samples += samples
        self.regional_tokens.append(regional_tokens)
        return samples

    def more_metrics(self) -> dict[str, float]:
        """The re-ranked recalls of all samples."""
        size = len(self.dataloader.dataset)
        images = gather(torch.stack([sample.image_feature for sample in self.samples]), size)
        features = gather_objects([sample.text_features.cpu() for sample in self.samples], size)
        captions = gather_objects([texts_of(sample) for sample in self.samples], size)
        captions = [caption for of_image in captions for caption in of_image]
        relevant, chosen = relevant_pairs(
            [len(texts) for texts in features], captions if self.merge_identical_texts else None
        )
        texts = torch.cat(features)[chosen].to(images.device)
        relevant = relevant.to(images.device)
        texts_near, i2t_similarities = nearest_keys(images, texts, self.num_candidates)
        images_near, t2i_similarities = nearest_keys(texts, images, self.num_candidates)
        for near in (texts_near, images_near):
            broadcast(near)  # other hardware could order equal similarities otherwise
        # A pair for which both directions ask is scored once.
        asked = torch.cat([pairs_of(texts_near), pairs_of(images_near).flip(1)])
        asked, places = asked.unique(dim=0, return_inverse=True)
        scores = self.score([captions[i] for i in chosen], asked)[places]
        i2t_scores, t2i_scores = scores.split([texts_near.numel(), images_near.numel()])
        scale = self.similarity_weight * self.model.contrastive_head.scale
        ranks = dict(
            i2t=reranked_ranks(
                relevant_ranks(images, texts, relevant),
                texts_near,
                i2t_scores.view_as(texts_near) + scale * i2t_similarities,
                relevant,
            ),
            t2i=reranked_ranks(
                relevant_ranks(texts, images, relevant.flip(1)),
                images_near,
                t2i_scores.view_as(images_near) + scale * t2i_similarities,
                relevant.flip(1),
            ),
        )
        return {
            f'{direction}/reranked/Recall@{k}': recall
            for direction in ranks
            for k, recall in recalls_from_ranks(ranks[direction], self.topk).items()
        }

    def score(self, texts: list[str], pairs: Tensor) -> Tensor:
        """Image and text (pairs,2), the same everywhere -> log p(text | image) (pairs,)."""
        # Image i is the one at i // P of process i % P: see `gather`.
        is_own = pairs[:, 0] % get_world_size() == get_rank()
        own = pairs[is_own]
        own[:, 0] //= get_world_size()
        scores = torch.zeros(len(pairs), device=pairs.device)
        if len(own):
            with self.autocast():
                scores[is_own] = self.model.score_pairs(torch.cat(self.regional_tokens), texts, own)
        all_reduce(scores)
        return scores


def pairs_of(keys: Tensor) -> Tensor:
    """Keys (queries,candidates) of each query -> pairs (queries*candidates,2) of query and key."""
    queries = torch.arange(len(keys), device=keys.device)[:, None].expand_as(keys)
    return torch.stack([queries, keys], dim=-1).flatten(0, 1)
