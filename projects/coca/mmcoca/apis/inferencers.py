# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmpretrain's inferencers of images read as in training; classes of one's own, search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import mmpretrain
import numpy as np
import torch
from mmpretrain.apis.base import BaseInferencer, InputType, ModelType
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.datasets import LoadImage
from mmcoca.labels import class_names
from mmcoca.models.tasks import KeptClassEmbeddings, classify_images

from .embeddings import EmbeddingIndex, joined_queries


class ImagesAsTrained(BaseInferencer):
    """An inferencer of images whose files the `mmcoca.LoadImage` of the model's config reads.

    mmpretrain's own read files by OpenCV, which drops transparency.
    """

    def preprocess(self, inputs: Iterable[InputType], batch_size: int = 1) -> Iterator[dict]:
        """Batches of image paths, arrays in BGR, or PIL images."""
        return super().preprocess(map(self._load, inputs), batch_size)

    def _load(self, image: InputType) -> np.ndarray:
        # The retrieval inferencers have one pipeline for images and one for texts.
        pipelines = self.pipeline if isinstance(self.pipeline, tuple) else (self.pipeline, )
        steps = [step for pipeline in pipelines for step in getattr(pipeline, 'transforms', ())]
        loaders = [step for step in steps if isinstance(step, LoadImage)]
        if not loaders:
            return image
        key = 'img_path' if isinstance(image, (str, Path)) else 'img'
        return loaders[0]({key: image})['img']


class ImageCaptionInferencer(ImagesAsTrained, mmpretrain.ImageCaptionInferencer):
    """mmpretrain's, of images read as in training: paths, arrays in BGR, or PIL images."""


class ImageToTextRetrievalInferencer(ImagesAsTrained, mmpretrain.ImageToTextRetrievalInferencer):
    """mmpretrain's, of images read as in training: paths, arrays in BGR, or PIL images."""


class FeatureExtractor(ImagesAsTrained, mmpretrain.FeatureExtractor):
    """mmpretrain's, of images read as in training: paths, arrays in BGR, or PIL images."""


class ZeroShotClassificationInferencer(ImagesAsTrained, mmpretrain.ImageClassificationInferencer):
    """mmpretrain's image classification, with classes named in words.

    Args:
        model, pretrained, device, kwargs: As in mmpretrain's inferencers.
        classes, templates: As in `class_embeddings`.

    Example:
        >>> classify = ZeroShotClassificationInferencer(model, ['cat', 'dog'])
        >>> classify('pets/001.jpg')[0]['pred_class']
        'cat'

    Raises ValueError as `class_embeddings`.
    """

    def __init__(
        self,
        model: ModelType,
        classes: str | Sequence[str],
        templates: str | Sequence[str] | None = None,
        pretrained: bool | str = True,
        device: str | torch.device | None = None,
        **kwargs,
    ) -> None:
        super().__init__(model, pretrained, device, classes=class_names(classes), **kwargs)
        self.templates = templates
        self._named = classes
        self._kept = KeptClassEmbeddings()
        self._kept.of(self.model, classes, templates)

    @property
    def class_embeddings(self) -> Tensor:
        """The classes' embeddings (classes,E) by the model's present weights."""
        return self._kept.of(self.model, self._named, self.templates)

    @torch.no_grad()
    def forward(self, inputs: dict) -> list[DataSample]:
        """A batch of the pipeline's -> data samples with `pred_score` (classes,) and `pred_label`.
        """
        images = self.model.data_preprocessor(inputs, False)['images']
        return [
            DataSample().set_pred_score(chances).set_pred_label(chances.argmax())
            for chances in classify_images(self.model, images, self.class_embeddings)
        ]


class SearchInferencer(FeatureExtractor):
    """Images, texts or both -> the nearest of an index, as tools/inference/embed.py writes it.

    Args:
        model, pretrained, device, kwargs: As in mmpretrain's inferencers.
        index: An `EmbeddingIndex` of the same weights, or its file.

    Example:
        >>> search = SearchInferencer(model, 'photos.safetensors')
        >>> search(texts='a red car', top_k=2)
        [{'names': ['trip/007.jpg', 'city/112.jpg'], 'pred_score': [0.31, 0.27]}]
        >>> search('query.jpg')[0]['names'][0]
        'city/019.jpg'
        >>> search('query.jpg', 'at night')[0]['names'][0]  # like both
        'city/032.jpg'

    Raises ValueError, also when called, for an index that other weights have made.
    """

    def __init__(
        self,
        model: ModelType,
        index: EmbeddingIndex | str | Path,
        pretrained: bool | str = True,
        device: str | torch.device | None = None,
        **kwargs,
    ) -> None:
        super().__init__(model, pretrained, device, **kwargs)
        self.index = index if isinstance(index, EmbeddingIndex) else EmbeddingIndex.load(index)
        self.index.check_weights(self.model)

    @torch.no_grad()
    def __call__(
        self,
        inputs: InputType | None = None,
        texts: str | Sequence[str] | None = None,
        top_k: int = 5,
        engine: str = 'exact',
        batch_size: int = 1,
    ) -> list[dict]:
        """Names and cosine similarities of each query's top k, the nearest first.

        Args:
            inputs: Image paths or arrays.
            texts: Texts instead, or besides: a query is then the sum of an image's and a text's
                embedding, of which there must be equally many, or one of either.
            engine: As in the index's search.

        Raises ValueError for neither, for other numbers, and as `EmbeddingIndex.search`.
        """
        if inputs is None and texts is None:
            raise ValueError('a search needs images or texts')
        self.index.check_weights(self.model)
        parts = []
        if inputs is not None:
            parts.append(torch.stack(super().__call__(inputs, batch_size, stage='embedding')))
        if texts is not None:
            parts.append(self.model.encode_text([texts] if isinstance(texts, str) else texts))
        results = self.index.search(joined_queries(*parts).cpu(), top_k, engine)
        return [
            dict(names=[name
                        for name, _ in result], pred_score=[score
                                                            for _, score in result])
            for result in results
        ]
