# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The paper's optimizer."""

from timm.optim import AdafactorBigVision

from mmcoca.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class Adafactor(AdafactorBigVision):
    """timm's Adafactor with momentum, capped beta2 and decoupled weight decay.

    This is the variant of "Scaling Vision Transformers" (arXiv 2106.04560, section 3.4) that fits
    the paper's beta 0.9 / 0.999 (section 4.1); torch's and transformers' lack the momentum or the
    cap. As in AdamW, a step multiplies weights by 1 - lr * weight_decay.
    """
