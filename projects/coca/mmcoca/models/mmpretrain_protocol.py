# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What mmpretrain's inferencers and loops call a model by, on top of CoCa's own methods."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.samples import texts_of

from .layers import similarities
from .parts import warn_of_random_weights


class MMPretrainProtocol:
    """`extract_feat` and `predict_all` of a model with `pool`, `encode_image` and `encode_text`."""

    def extract_feat(
        self,
        inputs: Tensor | None = None,
        stage: str = 'embedding',
        *,
        images: Tensor | None = None,
        data_samples: Sequence[DataSample] | None = None,
    ) -> Tensor | tuple[Tensor, ...] | dict[str, Tensor]:
        """Features, in the two forms that mmpretrain's inferencers ask for.

        `inputs` (B,3,height,width), as FeatureExtractor has them, give the images' features of a
        stage: 'backbone' a tuple with (B,N,W), 'neck' global (B,1,D) and regional (B,Q,D) tokens,
        'embedding' (B,E).

        `images` and `data_samples`, by name, as the retrieval inferencers have them, give a
        dictionary: 'image_feat' (B,E) and, where samples have a caption or `text`, 'text_feat'.

        Raises ValueError for another stage.
        """
        warn_of_random_weights(self)
        if inputs is not None:
            stages = dict(backbone=self.backbone, neck=self.pool, embedding=self.encode_image)
            if stage not in stages:
                raise ValueError(f"stage '{stage}' is unknown: use one of {', '.join(stages)}")
            return stages[stage](inputs)
        features = {}
        if images is not None:
            features['image_feat'] = self.encode_image(images)
        texts = [text for sample in data_samples or () for text in texts_of(sample)]
        if texts:
            features['text_feat'] = self.encode_text(texts)
        return features

    def predict_all(
        self,
        feats: dict[str, Tensor],
        data_samples: Sequence[DataSample],
        num_images: int | None = None,
        num_texts: int | None = None,
        cal_i2t: bool = True,
        cal_t2i: bool = True,
    ) -> tuple[list[DataSample], ...]:
        """Match 'image_feat' and 'text_feat' (`extract_feat`), as mmpretrain's retrieval asks.

        Returns, for each direction asked for, the queries as data samples with `pred_score`, their
        cosine similarities to all candidates.
        """
        images, texts = feats['image_feat'][:num_images], feats['text_feat'][:num_texts]
        results = []
        if cal_i2t:
            results.append(image_queries(similarities(images, texts), data_samples))
        if cal_t2i:
            results.append(text_queries(similarities(texts, images), data_samples))
        return tuple(results)


def image_queries(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Scores (B,texts) of images and all texts -> the images' samples with predictions."""
    for sample in samples:
        if 'gt_text_id' in sample:
            sample.set_gt_label(sample.gt_text_id)
    return with_predictions(scores, samples)


def text_queries(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Scores (texts,B) of texts and all images -> a sample for each text of the samples."""
    queries = []
    for sample in samples:
        for place, text in enumerate(texts_of(sample)):
            query = DataSample()
            query.set_field(text, 'text')
            if 'gt_image_id' in sample:
                query.set_gt_label(sample.gt_image_id[place])
            queries.append(query)
    return with_predictions(scores, queries)


def with_predictions(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Set each sample's `pred_score`, a row of the scores, and `pred_label`, its best."""
    for sample, row in zip(samples, scores, strict=True):
        sample.set_pred_score(row).set_pred_label(row.argmax())
    return list(samples)
