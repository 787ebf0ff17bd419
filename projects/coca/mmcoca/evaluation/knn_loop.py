# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A test loop for classification by nearest neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import LOOPS

from .feature_loop import FeatureTestLoop, gather
from .knn import knn_scores


@LOOPS.register_module()
class KNNTestLoop(FeatureTestLoop):
    """MMEngine's TestLoop for an ImageClassifier without a head: the nearest training images vote.

    Fills each data sample's `pred_score` and `pred_label`, of which Accuracy makes the metrics.

    Args:
        runner, dataloader, evaluator, fp16: As in TestLoop.
        key_dataloader: Loads the labelled images that vote, whose features stay on the device.
        k, temperature: As in `knn_scores`.

    Raises ValueError for fewer than k labelled images.
    """

    def __init__(
        self,
        *args,
        key_dataloader: dict,
        k: int = 20,
        temperature: float = 0.07,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.key_dataloader = self.runner.build_dataloader(key_dataloader, seed=self.runner.seed)
        if k > len(self.key_dataloader.dataset):
            raise ValueError(
                f'{k} nearest neighbours (k of test_cfg) of {len(self.key_dataloader.dataset)} '
                'labelled images: lower k'
            )
        self.k = k
        self.temperature = temperature

    def prepare(self) -> None:
        """Encode the keys."""
        self.key_features, self.key_labels = self.encode_keys()

    def encode_keys(self) -> tuple[Tensor, Tensor]:
        """Features (keys,E) and labels (keys,) of all keys, the same in every process."""
        size = len(self.key_dataloader.dataset)
        self.runner.logger.info(f'k-NN: encoding {size} keys')
        features, labels = [], []
        for data_batch in self.key_dataloader:
            batch_features, samples = self.encode(data_batch)
            features.append(batch_features)
            labels += [sample.gt_label for sample in samples]
        return gather(torch.cat(features), size), gather(torch.cat(labels), size)

    def predict(self, data_batch: dict) -> list[DataSample]:
        """Classify a batch."""
        features, samples = self.encode(data_batch)
        scores = knn_scores(
            features,
            self.key_features,
            self.key_labels,
            num_classes=int(self.key_labels.max()) + 1,
            k=self.k,
            temperature=self.temperature,
        )
        return [
            sample.set_pred_score(row).set_pred_label(row.argmax())
            for sample, row in zip(samples, scores)
        ]

    def encode(self, data_batch: dict) -> tuple[Tensor, list[DataSample]]:
        """A batch of a dataloader -> features (B,E), L2-normalised, and its data samples."""
        with self.autocast():
            data = self.model.data_preprocessor(data_batch, False)
            features = self.model.extract_feat(data['inputs'])[-1]
        return F.normalize(features.float(), dim=-1), data['data_samples']
