# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A test loop for retrieval re-ranked by the captioner."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import get_world_size
from mmengine.runner import TestLoop
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import LOOPS
from mmcoca.samples import texts_of

from .recall import recalls_from_ranks, relevant_ranks
from .reranking import nearest_keys, reranked_ranks
from .retrieval_metric import relevant_pairs


@LOOPS.register_module()
class RerankingTestLoop(TestLoop):
    """MMEngine's TestLoop, then the best of each query ordered anew by log p(text | image).

    Each image is encoded once; its regional tokens are kept, on the model's device, until all pairs
    are scored. Adds `i2t/reranked/Recall@1`, `t2i/reranked/Recall@1` and so on to the evaluator's
    metrics, of which RetrievalMetric has the same without re-ranking.

    Args:
        runner, dataloader, evaluator, fp16: As in TestLoop.
        num_candidates: Of a query, the most similar, that are ordered anew.
        similarity_weight: Of the cosine similarity over the temperature, added to log p(text |
            image); 0: the captioner alone.
        merge_identical_texts: As in RetrievalMetric.
        topk: The k of Recall@k.

    Raises ValueError for several processes, for a model without captioning head and for less than
    one candidate.
    """

    def __init__(
        self,
        *args,
        num_candidates: int = 16,
        similarity_weight: float = 1.0,
        merge_identical_texts: bool = False,
        topk: Sequence[int] = (1, 5, 10),
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        if get_world_size() > 1:
            raise ValueError('RerankingTestLoop runs in one process')
        if self.runner.model.captioning_head is None:
            raise ValueError('re-ranking needs a captioning_head, but the model has none')
        if num_candidates < 1:
            raise ValueError(f'num_candidates is {num_candidates}, but must be positive')
        self.num_candidates = num_candidates
        self.similarity_weight = similarity_weight
        self.merge_identical_texts = merge_identical_texts
        self.topk = tuple(topk)

    def run(self) -> dict[str, float]:
        """Test, re-rank, and return all metrics."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        self.samples: list[DataSample] = []
        self.regional_tokens: list[Tensor] = []
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset)) | self.rerank()
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Predict a batch and keep what re-ranking needs of it."""
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        model = self.runner.model
        with torch.autocast(model.data_preprocessor.device.type, enabled=self.fp16):
            data = model.data_preprocessor(data_batch, False)
            global_tokens, regional_tokens = model.pool(data['images'])
            outputs = model.predict_pooled_images(
                global_tokens, regional_tokens, data['data_samples']
            )
        self.samples += outputs
        self.regional_tokens.append(regional_tokens)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )

    @torch.no_grad()
    def rerank(self) -> dict[str, float]:
        """The re-ranked recalls of all samples."""
        model = self.runner.model
        images = torch.stack([sample.image_feature for sample in self.samples])
        features = [sample.text_features for sample in self.samples]
        captions = [caption for sample in self.samples for caption in texts_of(sample)]
        relevant, chosen = relevant_pairs(
            [len(texts) for texts in features], captions if self.merge_identical_texts else None
        )
        texts, relevant = torch.cat(features)[chosen], relevant.to(images.device)
        texts_near, i2t_similarities = nearest_keys(images, texts, self.num_candidates)
        images_near, t2i_similarities = nearest_keys(texts, images, self.num_candidates)
        # A pair for which both directions ask is scored once.
        asked = torch.cat([pairs_of(texts_near), pairs_of(images_near).flip(1)])
        asked, places = asked.unique(dim=0, return_inverse=True)
        regional_tokens = torch.cat(self.regional_tokens)
        scores = model.score_pairs(regional_tokens, [captions[i] for i in chosen], asked)[places]
        i2t_scores, t2i_scores = scores.split([texts_near.numel(), images_near.numel()])
        scale = self.similarity_weight * model.contrastive_head.scale
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


def pairs_of(keys: Tensor) -> Tensor:
    """Keys (A,K) of each query -> pairs (A*K,2) of query and key."""
    queries = torch.arange(len(keys), device=keys.device)[:, None].expand_as(keys)
    return torch.stack([queries, keys], dim=-1).flatten(0, 1)
