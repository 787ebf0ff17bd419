# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .captioning_loss import CaptioningLoss
from .contrastive_loss import ContrastiveLoss
from .sigmoid_contrastive_loss import SigmoidContrastiveLoss

__all__ = ['CaptioningLoss', 'ContrastiveLoss', 'SigmoidContrastiveLoss']
