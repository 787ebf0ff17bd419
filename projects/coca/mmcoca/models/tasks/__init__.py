# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .class_names import class_names, prompt_templates
from .zero_shot import ZeroShotCoCa, class_embeddings, classify_images

__all__ = [
    'ZeroShotCoCa',
    'class_embeddings',
    'class_names',
    'classify_images',
    'prompt_templates',
]
