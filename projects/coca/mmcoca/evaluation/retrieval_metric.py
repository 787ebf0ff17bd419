# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Image-text retrieval recall as an MMEngine metric."""

import logging
from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmcoca.errors import SettingError
from mmcoca.registry import METRICS

from .recall import recalls_from_ranks, relevant_ranks


@METRICS.register_module()
class RetrievalMetric(BaseMetric):
    """Recall@k in percent, from images to texts and back, over the whole data set.

    Each data sample is one image with its n texts: `image_feature` (E,) and `text_features` (n,E),
    both L2-normalised, and for `merge_identical_texts` also `gt_caption`, a string or n strings.
    The keys are `i2t/retrieval/Recall@1`, `t2i/retrieval/Recall@1` and so on. Ties: `recall.py`.

    Args:
        topk: The k of Recall@k.
        merge_identical_texts: Count equal captions as one text, relevant to every image that
            carries it. Needed where images share captions, as class names or emoji do; the
            published COCO and Flickr30K figures do without.
        folds: Parts of the data set, in its order, with as many images each, whose mean is taken:
            5 for the figures on "COCO 1k".
        collect_device: As in `BaseMetric`.
        prefix: Put before the keys, with a slash.
        collect_dir: As in `BaseMetric`.
    """

    default_prefix = ''  # the keys are complete; with None MMEngine would warn

    def __init__(
        self,
        topk: Sequence[int] = (1, 5, 10),
        merge_identical_texts: bool = False,
        folds: int = 1,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.topk = tuple(topk)
        self.merge_identical_texts = merge_identical_texts
        self.folds = folds

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store one entry per data sample, as gathering over processes requires.

        Raises:
            KeyError: A data sample lacks a feature or, if texts are merged, the caption.
            ValueError: A data sample has not as many captions as text features.
        """
        needed = ['image_feature', 'text_features']
        needed += ['gt_caption'] if self.merge_identical_texts else []
        for sample in data_samples:
            missing = [name for name in needed if sample.get(name) is None]
            if missing:
                raise KeyError(f'RetrievalMetric needs {", ".join(missing)} in each data sample')
            # Copies: a view would drag its whole batch along when results are gathered.
            image, texts = (sample[name].detach().to('cpu', copy=True) for name in needed[:2])
            result = dict(image_feature=image, text_features=texts)
            if self.merge_identical_texts:
                caption = sample['gt_caption']
                result['captions'] = [caption] if isinstance(caption, str) else list(caption)
                if len(result['captions']) != len(texts):
                    raise ValueError(
                        f'a data sample has {len(result["captions"])} captions in gt_caption '
                        f'but {len(texts)} text_features'
                    )
            self.results.append(result)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Recalls of all entries of `process`.

        Raises:
            ValueError: There is no image, or an image has no text.
            SettingError: The images do not divide into the folds.
        """
        if not results:
            raise ValueError('RetrievalMetric got no data samples')
        if len(results) % self.folds:
            raise SettingError(f'{len(results)} images do not divide into {self.folds} folds')
        size = len(results) // self.folds
        recalls = [
            self.recalls_of(results[start:start + size]) for start in range(0, len(results), size)
        ]
        return {key: sum(fold[key] for fold in recalls) / self.folds for key in recalls[0]}

    def recalls_of(self, results: list[dict]) -> dict[str, float]:
        """Recalls among these entries of `process`."""
        images = torch.stack([result['image_feature'] for result in results])
        texts = torch.cat([result['text_features'] for result in results])
        captions = None
        if self.merge_identical_texts:
            captions = [caption for result in results for caption in result['captions']]
        relevant, chosen = relevant_pairs(
            [len(result['text_features']) for result in results], captions
        )
        texts = texts[chosen]
        trivial = [str(k) for k in self.topk if k >= min(len(images), len(texts))]
        if trivial:
            print_log(
                f'{len(images)} images and {len(texts)} texts: Recall@{", @".join(trivial)} would '
                'be 100 whatever the model',
                'current',
                logging.WARNING,
            )
        ranks = dict(
            i2t=relevant_ranks(images, texts, relevant),
            t2i=relevant_ranks(texts, images, relevant.flip(1)),
        )
        return {
            f'{direction}/retrieval/Recall@{k}': recall
            for direction in ranks
            for k, recall in recalls_from_ranks(ranks[direction], self.topk).items()
        }


def relevant_pairs(counts: Sequence[int],
                   captions: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
    """Each image's number of texts -> relevant pairs (pairs,2) of image and text, texts (chosen,).

    Args:
        captions: The texts themselves: of equal ones only the first is chosen, and it is relevant
            to every image that has one. None: each text stands for itself.
    """
    image_ids = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    chosen = text_ids = torch.arange(len(image_ids))
    if captions is not None:
        numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
        text_ids = torch.tensor([numbers[caption] for caption in captions])
        first = {caption: place for place, caption in reversed(list(enumerate(captions)))}
        chosen = torch.tensor([first[caption] for caption in numbers])
    return torch.stack([image_ids, text_ids], dim=1), chosen
