# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captioning scores as an MMEngine metric."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmcoca.registry import METRICS
from mmcoca.samples import texts_of

from .caption_characters import has_no_spaces
from .caption_scores import TOKENIZERS, caption_scores


@METRICS.register_module()
class CaptionMetric(BaseMetric):
    """`caption/CIDEr`, `BLEU-1` to `BLEU-4`, `ROUGE-L` and `exact_match`, in percent.

    Each data sample is one image: `pred_caption`, a string, and `gt_caption` or `text`, a string or
    a list of strings. See `caption_scores`.

    Args:
        meteor: Add `caption/METEOR`, which starts a Java program; 'auto' means where there is one.
        save_path: Write the predictions there as COCO results, `[{"image_id": …, "caption": …}]`;
            each data sample then needs an `image_id`.
        tokenizer: 'ptb', the usual one, or 'characters', for languages that put no spaces between
            words, such as Chinese, Japanese or Thai.
        collect_device: As in `BaseMetric`.
        prefix: Replaces 'caption' in the keys.
        collect_dir: As in `BaseMetric`.
    """

    default_prefix = 'caption'

    def __init__(
        self,
        meteor: bool | Literal['auto'] = False,
        save_path: str | None = None,
        tokenizer: Literal['ptb', 'characters'] = 'ptb',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if meteor not in (True, False, 'auto'):
            raise ValueError(f"meteor must be True, False or 'auto', but is {meteor!r}")
        self.meteor = shutil.which('java') is not None if meteor == 'auto' else meteor
        self.save_path = save_path
        if tokenizer not in TOKENIZERS:
            raise ValueError(
                f'tokenizer must be one of {", ".join(TOKENIZERS)}, but is {tokenizer!r}'
            )
        self.tokenizer = tokenizer

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store one entry per data sample, as gathering over processes requires.

        Raises:
            KeyError: A data sample lacks a caption or, if predictions are saved, the `image_id`.
        """
        needed = ['pred_caption'] + ['image_id'] * (self.save_path is not None)
        for sample in data_samples:
            missing = [name for name in needed if sample.get(name) is None]
            references = texts_of(sample)
            if not references:
                missing.append('gt_caption')
            if missing:
                raise KeyError(f'CaptionMetric needs {", ".join(missing)} in each data sample')
            self.results.append(
                dict(
                    image_id=sample.get('image_id'),
                    prediction=sample['pred_caption'],
                    references=references,
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Scores of all entries of `process`; writes the predictions first, if asked to."""
        predictions = [result['prediction'] for result in results]
        if self.save_path is not None:
            path = Path(self.save_path)
            path.parent.mkdir(parents=True, exist_ok=True)
            entries = [
                dict(image_id=result['image_id'], caption=result['prediction'])
                for result in results
            ]
            path.write_text(json.dumps(entries, ensure_ascii=False), encoding='utf-8')
        references = [result['references'] for result in results]
        for line in self.reservations(references):
            print_log(line, 'current', logging.WARNING)
        return caption_scores(predictions, references, self.meteor, self.tokenizer)

    def reservations(self, references: list[list[str]]) -> Iterator[str]:
        """Why the scores would mean little."""
        if len(references) == 1:
            yield (
                f'{self.prefix}/CIDEr is 0 for any caption of a single image: it weighs words by '
                'their rarity among the images'
            )
        texts = [text for of_image in references for text in of_image]
        if self.tokenizer == 'ptb' and 2 * sum(map(has_no_spaces, texts)) > len(texts):
            yield (
                'most reference captions have no spaces between words, so that a sentence counts '
                f"as one word in all of {self.prefix}: set tokenizer='characters' of CaptionMetric"
            )
