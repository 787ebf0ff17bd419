# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The studies: which configs are compared, by what, and the paper's figures for them (Table 8)."""

from typing import NamedTuple


class Row(NamedTuple):
    """A config below configs/coca, and zero-shot ImageNet / VQA (and cost of a step) in the paper.
    """

    config: str
    paper: str


class Study(NamedTuple):
    """What a table compares; its first row is what the cost of a step is measured by."""

    title: str
    rows: dict[str, Row]
    metrics: dict[str, str]  # column: key of the metric
    probe: str | None = None  # a classifier on each frozen encoder; its metrics begin with 'probe/'


RETRIEVAL_AND_CAPTIONS = {
    'image to text R@1': 'i2t/retrieval/Recall@1',
    'text to image R@1': 't2i/retrieval/Recall@1',
    'CIDEr': 'caption/CIDEr',
    'exact captions': 'caption/exact_match',
}
FAMILIES = Study(
    title='CoCa and the three families it unites',
    rows={
        'dual encoder': Row('paradigms/dual_encoder_tiny_icons.py', '70.7 / 59.2 (1x)'),
        'encoder-decoder': Row('paradigms/encoder_decoder_tiny_icons.py', '– / 68.9 (1.17x)'),
        'CoCa': Row('paradigms/coca_tiny_icons.py', '71.6 / 69.0 (1.18x)'),
        'single encoder': Row('paradigms/single_encoder_tiny_icons.py', '–'),
    },
    metrics={
        **RETRIEVAL_AND_CAPTIONS,
        'name of 1,000': 'accuracy/top1',
        'frozen: topic of 20': 'probe/accuracy/top1',
    },
    probe='classification/coca_tiny_icons_frozen_topic.py',
)
ABLATIONS = Study(
    title='Ablations of CoCa',
    rows={
        'reference': Row('ablations/reference_tiny_icons.py', '71.6 / 69.0'),
        'parallel poolers': Row('ablations/parallel_poolers_tiny_icons.py', '71.2 / 68.7'),
        '0 queries': Row('ablations/queries_0_tiny_icons.py', '71.5 / 69.0'),
        '1 query': Row('ablations/queries_1_tiny_icons.py', '69.3 / 64.4'),
        '4 queries': Row('ablations/queries_4_tiny_icons.py', '71.2 / 68.2 (of 32)'),
        '16 queries': Row('ablations/queries_16_tiny_icons.py', '71.6 / 69.0 (of 256)'),
        '1 unimodal of 4': Row('ablations/unimodal_1_tiny_icons.py', '70.2 / 69.0 (3 of 12)'),
        '3 unimodal of 4': Row('ablations/unimodal_3_tiny_icons.py', '71.4 / 68.8 (9 of 12)'),
        '[CLS] and text': Row('ablations/cls_1_with_text_tiny_icons.py', 'COCO R@1 40.2 (of 41.4)'),
        '8 [CLS]': Row('ablations/cls_8_tiny_icons.py', 'COCO R@1 36.9 (of 41.4)'),
        'captioning:contrastive 1:1': Row('ablations/loss_1to1_tiny_icons.py', '71.5 / 68.6'),
        'captioning:contrastive 1:2': Row('ablations/loss_1to2_tiny_icons.py', '71.0 / 68.1'),
    },
    metrics=RETRIEVAL_AND_CAPTIONS,
)
STUDIES = dict(families=FAMILIES, ablations=ABLATIONS)
