# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A test loop for classification by nearest neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop, autocast
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import LOOPS

from .knn import knn_scores


@LOOPS.register_module()
class KNNTestLoop(TestLoop):
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

    def run(self) -> dict[str, float]:
        """Encode the keys, then test."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        self.key_features, self.key_labels = self.encode_keys()
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    @torch.no_grad()
    def encode_keys(self) -> tuple[Tensor, Tensor]:
        """Features (C,E) and labels (C,) of all keys, the same in every process."""
        size = len(self.key_dataloader.dataset)
        self.runner.logger.info(f'k-NN: encoding {size} keys')
        features, labels = [], []
        for data_batch in self.key_dataloader:
            batch_features, samples = self.encode(data_batch)
            features.append(batch_features)
            labels += [sample.gt_label for sample in samples]
        return gather(torch.cat(features), size), gather(torch.cat(labels), size)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Classify a batch."""
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        features, samples = self.encode(data_batch)
        scores = knn_scores(
            features,
            self.key_features,
            self.key_labels,
            num_classes=int(self.key_labels.max()) + 1,
            k=self.k,
            temperature=self.temperature,
        )
        outputs = [
            sample.set_pred_score(row).set_pred_label(row.argmax())
            for sample, row in zip(samples, scores)
        ]
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )

    def encode(self, data_batch: dict) -> tuple[Tensor, list[DataSample]]:
        """A batch of a dataloader -> features (B,E), L2-normalised, and its data samples."""
        model = self.runner.model
        if is_model_wrapper(model):
            model = model.module
        with autocast(enabled=self.fp16):
            data = model.data_preprocessor(data_batch, False)
            features = model.extract_feat(data['inputs'])[-1]
        return F.normalize(features.float(), dim=-1), data['data_samples']


def gather(rows: Tensor, size: int) -> Tensor:
    """Each process's rows -> all `size` rows of a data set, in its order.

    DefaultSampler deals the items out in turn, and pads the last turn.
    """
    return torch.stack(all_gather(rows), dim=1).flatten(0, 1)[:size]
