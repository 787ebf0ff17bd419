# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What test loops share that hold features of a whole data set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from mmengine.dist import all_gather, all_gather_object
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop, autocast
from mmpretrain.structures import DataSample
from torch import Tensor, nn


class FeatureTestLoop(TestLoop):
    """MMEngine's TestLoop, with the model's parts at hand and a place before and after the batches.

    `prepare`, `predict` and `more_metrics`, which a subclass fills in, run without gradients; what
    they compute with the model they put under `self.autocast()`.
    """

    @property
    def model(self) -> nn.Module:
        """The model itself, also where a launcher has wrapped it."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def autocast(self) -> autocast:
        """Mixed precision, where `fp16` asks for it."""
        return autocast(enabled=self.fp16)

    def prepare(self) -> None:
        """Before the first batch."""

    def predict(self, data_batch: dict) -> list[DataSample]:
        """A batch of the dataloader -> its data samples, with what the evaluator needs."""
        raise NotImplementedError

    def more_metrics(self) -> dict[str, float]:
        """After the last batch: metrics besides the evaluator's."""
        return {}

    def run(self) -> dict[str, float]:
        """Test, and return all metrics; the hooks are called as by TestLoop."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        with torch.no_grad():
            self.prepare()
        for idx, data_batch in enumerate(self.dataloader):
            self.run_iter(idx, data_batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        with torch.no_grad():
            metrics = metrics | self.more_metrics()
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Predict a batch and hand it to the evaluator."""
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self.predict(data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )


def gather(rows: Tensor, size: int) -> Tensor:
    """Each process's rows -> all `size` rows of a data set, in its order.

    DefaultSampler deals the items out in turn, and pads the last turn.
    """
    return torch.stack(all_gather(rows), dim=1).flatten(0, 1)[:size]


def gather_objects(items: Sequence, size: int) -> list:
    """As `gather`, for a list of anything that can be pickled."""
    return list(chain.from_iterable(zip(*all_gather_object(list(items)), strict=True)))[:size]
