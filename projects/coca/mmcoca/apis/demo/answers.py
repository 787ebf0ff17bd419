# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the demo's page asks of a model."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import Compose
from PIL import Image
from torch import Tensor

from mmcoca.datasets import LoadImage
from mmcoca.datasets.transforms import UnreadableImageError
from mmcoca.errors import UserError
from mmcoca.models import CoCa
from mmcoca.models.tasks import CoCaForVQA, class_embeddings, classify_images
from mmcoca.models.word_occlusion import word_occlusion

from ..captioning import describe_images
from ..embeddings import EmbeddingIndex, joined_queries
from ..image_files import pipeline_of
from .pictures import FolderPictures, ShardPictures

MAX_PIXELS = 2**24  # of an upload: a page is no place for more
Picture = np.ndarray  # (height,width,3), RGB


class Token(NamedTuple):
    """A token of a caption, with its log-probability in nats."""

    text: str
    log_probability: float


class Captioned(NamedTuple):
    """A caption, its tokens, and for each word the picture under what the word needs of it."""

    text: str
    tokens: list[Token]
    needs: list[tuple[Picture, str]]


class Answers:
    """Search, captions, classes and questions.

    Args:
        model: With both heads.
        index: Of the pictures; None: nothing is searched.
        vqa: A model that answers questions; None: none are asked.
    """

    def __init__(
        self,
        model: CoCa,
        index: EmbeddingIndex | None = None,
        pictures: FolderPictures | ShardPictures | None = None,
        vqa: CoCaForVQA | None = None,
    ) -> None:
        self.model, self.index, self.pictures, self.vqa = model, index, pictures, vqa

    @torch.no_grad()
    def search(self, words: str, upload: str | None, drawing: Picture | None,
               top_k: int) -> list[tuple[Picture, str]]:
        """Words, an image file, a drawing, or several together -> the nearest pictures and titles.

        Raises UserError for nothing to search by, UnreadableImageError for another file.
        """
        parts = []
        if words.strip():
            parts.append(self.model.encode_text([words.strip()]))
        if upload is not None:
            parts.append(self.model.encode_image(self.prepare(self.model, upload)))
        if drawing is not None and (drawing != 255).any():
            parts.append(self.model.encode_image(self.prepare(self.model, drawing)))
        if not parts:
            raise UserError('Type words, choose a file, or draw.')
        (found, ) = self.index.search(joined_queries(*parts).cpu(), top_k)
        shown = []
        for name, score in found:
            with suppress(UnreadableImageError):  # it may have gone since it was indexed
                picture = self.pictures.picture(name)[..., ::-1]
                shown.append((picture, f'{self.pictures.title(name)} · {score:.2f}'))
        return shown

    @torch.no_grad()
    def caption(self, upload: str | None) -> Captioned:
        """The most probable caption of an image file.

        Raises UserError without a file, UnreadableImageError for another one.
        """
        images = self.prepare(self.model, upload)
        (description, ) = describe_images(self.model, images)
        caption = description.captions[0]
        ids = caption.token_ids.tolist()
        texts = self.model.tokenizer.tokenizer.decode_batch([[i] for i in ids])
        if ids[-1] == self.model.tokenizer.end_id:
            texts[-1] = '(end)'
        tokens = [Token(*pair) for pair in zip(texts, caption.log_probabilities.tolist())]
        needs = []
        if caption.text.strip():
            ((words, maps), ) = word_occlusion(self.model, images, [caption.text])
            needs = [(overlay(self.seen(images)[0], m), word) for word, m in zip(words, maps)]
        return Captioned(caption.text, tokens, needs)

    @torch.no_grad()
    def classify(self, upload: str | None, names: str) -> dict[str, float]:
        """An image file, and classes with commas between them -> the chance of each.

        Raises UserError without a file or with less than two classes.
        """
        classes = list(dict.fromkeys(name.strip() for name in names.split(',') if name.strip()))
        if len(classes) < 2:
            raise UserError('Name two classes or more, with commas between them.')
        images = self.prepare(self.model, upload)
        (chances, ) = classify_images(self.model, images, class_embeddings(self.model, classes))
        return dict(zip(classes, chances.tolist()))

    @torch.no_grad()
    def answer(self, upload: str | None, question: str) -> tuple[str, float]:
        """An image file and a question -> the answer and its probability.

        Raises UserError without either.
        """
        if not question.strip():
            raise UserError('Type a question.')
        images = self.prepare(self.vqa, upload)
        answers, chances = self.vqa.answer(self.vqa.pool_regions(images), [question.strip()])
        return answers[0], float(chances[0])

    def prepare(self, model: CoCa, image: str | Picture | None) -> Tensor:
        """A file, or an array in RGB -> (1,3,height,width), as the model's config prepares it."""
        if image is None:
            raise UserError('Choose an image file.')
        steps = Compose(pipeline_of(model))
        for step in steps.transforms:
            if isinstance(step, LoadImage):
                step.max_pixels = min(step.max_pixels, MAX_PIXELS)
        is_file = isinstance(image, str)
        results = dict(img_path=image if is_file else 'the drawing')
        if not is_file:
            results['img'] = np.ascontiguousarray(image[..., ::-1])
        inputs = steps(results)['inputs']
        return model.data_preprocessor(dict(inputs=inputs[None]), False)['images']

    def seen(self, images: Tensor) -> np.ndarray:
        """Normalised images (B,3,height,width) -> (B,height,width,3), 0..1."""
        preprocessor = self.model.data_preprocessor
        pixels = images * preprocessor.std + preprocessor.mean
        return (pixels.permute(0, 2, 3, 1) / 255).clamp(0, 1).cpu().numpy()


def overlay(picture: np.ndarray, needs: Tensor) -> Picture:
    """A picture (height,width,3), 0..1, red where a word needs it (rows,columns) -> RGB, larger."""
    size = 4 * np.array(picture.shape[:2])
    strength = (needs.clamp(min=0) / needs.max().clamp(min=1e-6)).cpu().numpy()
    strength = np.asarray(Image.fromarray(strength).resize(size[::-1], Image.Resampling.BICUBIC))
    strength = strength.clip(0, 1)[..., None]
    levels = Image.fromarray((255 * picture).round().astype(np.uint8))
    pale = 1 - 0.5 * (1 - np.asarray(levels.resize(size[::-1], Image.Resampling.NEAREST)) / 255)
    red = np.array([0.86, 0.08, 0.08])
    return (255 * ((1 - 0.6 * strength) * pale + 0.6 * strength * red)).astype(np.uint8)
