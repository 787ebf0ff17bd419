# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""BLEU, ROUGE-L, CIDEr and METEOR of generated captions, by pycocoevalcap's scorers."""

import contextlib
import io
import shutil
from collections.abc import Sequence

from .caption_characters import tokenize_characters
from .ptb_tokenizer import tokenize_captions

TOKENIZERS = dict(ptb=tokenize_captions, characters=tokenize_characters)


def exact_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Percent of predictions equal to one of their references, case and spacing aside."""

    def normalise(text: str) -> str:
        return ' '.join(text.casefold().split())

    hits = [
        normalise(prediction) in map(normalise, texts)
        for prediction, texts in zip(predictions, references, strict=True)
    ]
    return 100.0 * sum(hits) / len(hits)


def _check(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if len(predictions) != len(references):
        raise ValueError(
            f'{len(predictions)} predictions do not fit {len(references)} lists of references'
        )
    if not predictions:
        raise ValueError('there is no caption to score')
    for i, texts in enumerate(references):
        if isinstance(texts, str) or not texts:
            raise ValueError(
                f'the references of prediction {i} must be a list of strings: {texts!r}'
            )


def caption_scores(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    meteor: bool = False,
    tokenizer: str = 'ptb',
) -> dict[str, float]:
    """Scores in percent: CIDEr (times 100), BLEU-1 to BLEU-4, ROUGE-L and exact_match.

    Text is tokenized as `TOKENIZERS` has it; the scores are those of pycocoevalcap's `COCOEvalCap`,
    without its SPICE. CIDEr weighs words by their rarity among the images: for one image it is 0.

    Args:
        predictions: One caption per image; may be empty strings.
        references: One or more reference captions per image.
        meteor: Add METEOR, which starts a Java program (about 20 s for 1,000 captions).
        tokenizer: 'ptb', as usual, or 'characters', for scripts without spaces between words.

    Raises:
        ImportError: pycocoevalcap is not installed.
        RuntimeError: METEOR is asked for but there is no `java`.
        ValueError: There are no captions, the lengths differ or an image has no reference.
    """
    _check(predictions, references)
    if meteor and shutil.which('java') is None:
        raise RuntimeError(
            'METEOR needs the program "java"; install a Java runtime or leave it out'
        )
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.meteor.meteor import Meteor
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError as error:
        raise ImportError('caption scores need pycocoevalcap: pip install pycocoevalcap') from error

    tokenize = TOKENIZERS[tokenizer]
    tokenized = tokenize(predictions)
    candidates = {i: [text] for i, text in enumerate(tokenized)}
    truths = {i: tokenize(texts) for i, texts in enumerate(references)}
    scores = {'CIDEr': 0.0}  # the first is what `save_best='auto'` goes by
    with contextlib.redirect_stdout(io.StringIO()):  # the scorers print
        bleu, _ = Bleu(4).compute_score(truths, candidates)
        scores.update({f'BLEU-{n}': value for n, value in enumerate(bleu, start=1)})
        scores['ROUGE-L'], _ = Rouge().compute_score(truths, candidates)
        # Cider fails where no reference has any word.
        if any(text for texts in truths.values() for text in texts):
            scores['CIDEr'], _ = Cider().compute_score(truths, candidates)
        if meteor:
            scores['METEOR'], _ = Meteor().compute_score(truths, candidates)
    scores = {name: 100.0 * float(value) for name, value in scores.items()}
    scores['exact_match'] = exact_match(predictions, references)
    return scores
