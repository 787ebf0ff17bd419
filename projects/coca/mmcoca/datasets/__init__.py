# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .annotation_files import AnnotationError
from .image_label_dataset import ImageLabelDataset
from .image_question_dataset import ImageQuestionDataset
from .image_text_dataset import ImageTextDataset
from .mixed_dataset import MixedDataset
from .msr_vtt import MSRVTT
from .sampling import DrawnIndex, EpochOrder, TrainingSampler
from .seeded_dataset import SeededDataset
from .shards import ImageLabelShards, ImageTextShards
from .snli_ve import SNLIVE
from .texts_of_batch import CollateWithTexts
from .transforms import (
    CropToContent,
    ForEachFrame,
    LabelsAsText,
    LoadImage,
    LoadVideoFrames,
    RandomAffine,
    RandomColorMatrix,
    RandomElastic,
    RandomStrokeWidth,
    ResizeShorterSide,
    UnreadableImageError,
    UnreadableVideoError,
    read_image,
)
from .video_dataset import VideoDataset

__all__ = [
    'AnnotationError',
    'CollateWithTexts',
    'CropToContent',
    'DrawnIndex',
    'EpochOrder',
    'ForEachFrame',
    'ImageLabelDataset',
    'ImageQuestionDataset',
    'ImageLabelShards',
    'ImageTextDataset',
    'ImageTextShards',
    'LabelsAsText',
    'LoadImage',
    'LoadVideoFrames',
    'MSRVTT',
    'MixedDataset',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'ResizeShorterSide',
    'SNLIVE',
    'SeededDataset',
    'TrainingSampler',
    'UnreadableImageError',
    'UnreadableVideoError',
    'VideoDataset',
    'read_image',
]
