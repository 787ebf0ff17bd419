# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make a large data set of icons with captions: the free icon sets of @iconify/json.

The package's version and sha512 value are pinned. What is written: shards of drawings by about 165
designers with their captions, to train on; COCO-caption files with PNG images of three designers to
test on and two to choose by (dev); a byte-level BPE tokenizer trained on the training captions; the
attributions that the licences ask for; a manifest. No drawing to train on is one to test on or to
choose by, but for size and line width. Logos, flags, maps and emoji are left out, and sets whose
licences ask to share alike or forbid commercial use.
"""

import argparse
import io
import json
import random
import re
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from icon_brands import Brands, logos_of
from icon_captions import Words, aliases_of, caption_of, count_words, habits_of, topic_of
from icon_sets import HELD_OUT, PACKAGE, IconSet, is_taken, read_sets
from icon_twins import TWINS, distinct, highest_correlations, signature
from npm_packages import fetch_tarballs
from svg_rendering import in_parallel, render_svg
from whole_folders import (
    REMEDY,
    ConverterError,
    check_files,
    exit_status,
    partial_folder,
    read_manifest,
    sha256,
    write_json,
)

from mmcoca.datasets.shards import ShardSample, write_shard
from mmcoca.models.text import clip_vocabulary_words, train_tokenizer

DATASET = 'mmcoca icons'  # by which a manifest is known as ours
SEED = 0
SHARD_SIZE = 2000
VOCAB_SIZE = 8192
FLAG = re.compile(r'flag [a-z]{2}')


class Drawing(NamedTuple):
    designer: str  # the set's prefix
    name: str
    caption: str
    aliases: list[str]
    categories: list[str]
    svg: str

    @property
    def split(self) -> str:
        return HELD_OUT.get(self.designer, 'train')

    @property
    def labels(self) -> dict:
        """What is known of the drawing, but for what is empty."""
        labels = dict(
            caption=self.caption,
            aliases=self.aliases,
            categories=self.categories,
            designer=self.designer,
            name=self.name,
        )
        return {key: value for key, value in labels.items() if value}


class Picture(NamedTuple):
    png: bytes
    signature: np.ndarray
