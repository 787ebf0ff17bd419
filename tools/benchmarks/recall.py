# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Recall@1, 5 and 10 of retrieval: mmcoca beside mmpretrain's RetrievalRecall.

As many images and captions as COCO 5k has, random features, both directions, in one process. Both
take the features; mmcoca needs a product of all with all for each direction, whose time alone
stands beside.
"""

import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from mmpretrain.evaluation import RetrievalRecall
from report import Row, Settings
from torch import Tensor
from workers import WARMUP_ROUNDS

from mmcoca.evaluation.recall import recalls_from_ranks, relevant_ranks

TOPK = (1, 5, 10)
NUM_IMAGES = 5000
CAPTIONS = 5  # of an image
DIMS = 512


def ours(images: Tensor, texts: Tensor) -> list[float]:
    """Recalls of image to text and text to image, in percent."""
    owners = torch.arange(len(images)).repeat_interleave(CAPTIONS)
    relevant = torch.stack([owners, torch.arange(len(texts))], dim=1)
    ranks = relevant_ranks(images, texts, relevant), relevant_ranks(texts, images, relevant.flip(1))
    return [recall for r in ranks for recall in recalls_from_ranks(r, TOPK).values()]


def theirs(images: Tensor, texts: Tensor) -> list[float]:
    """The same by mmpretrain's metric, a query at a time as its evaluator hands them over."""
    scores = images @ texts.T
    texts_of_image = torch.arange(len(texts)).view(-1, CAPTIONS)
    image_of_text = torch.arange(len(images)).repeat_interleave(CAPTIONS)[:, None]
    recalls = []
    for of_queries, labels in ((scores, texts_of_image), (scores.T.contiguous(), image_of_text)):
        metric = RetrievalRecall(topk=TOPK)
        for pred_score, gt_label in zip(of_queries, labels):
            metric.process(None, [dict(pred_score=pred_score, gt_label=gt_label)])
        recalls += metric.compute_metrics(metric.results).values()
    return recalls


def products(images: Tensor, texts: Tensor) -> None:
    """Scores alone, in both directions, in parts that stay in the processor's cache."""
    for queries, keys in ((images, texts), (texts, images)):
        for part in queries.split(max(1, 2**22 // len(keys))):
            part @ keys.T


def random_features(num_images: int) -> tuple[Tensor, Tensor]:
    """Images (A,E) and their captions' (5A,E), which are near them, L2-normalised."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(num_images, DIMS, generator=generator)
    texts = images.repeat_interleave(CAPTIONS, dim=0)
    texts = texts + 6 * torch.randn(texts.shape, generator=generator)
    return F.normalize(images, dim=1), F.normalize(texts, dim=1)


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds, in turns after those to warm up; ends the program where the recalls differ."""
    torch.set_num_threads(settings.threads)
    features = random_features(NUM_IMAGES)
    functions = {'mmcoca': ours, "mmpretrain's RetrievalRecall": theirs, 'products': products}
    seconds = {name: [] for name in functions}
    recalls = {}
    for _ in range(WARMUP_ROUNDS + settings.rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            recalls[name] = function(*features)
            seconds[name].append(time.perf_counter() - start)
    found, expected, _ = recalls.values()
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))
    label = f'{NUM_IMAGES:,} images, {NUM_IMAGES * CAPTIONS:,} captions'
    own, peer, alone = (values[WARMUP_ROUNDS:] for values in seconds.values())
    yield Row(label, 's', {'mmcoca': own, "mmpretrain's RetrievalRecall": peer})
    yield Row(f'mmcoca, {label}', 's', {'whole': own, 'products alone': alone})
