# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions of images, with what else is known of them, and of whole folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcoca.models import CoCa
from mmcoca.models.generation import Caption, GenerationOptions, check_lengths
from mmcoca.models.word_attention import word_maps
from mmcoca.weights import weights_mark

from .image_files import load_images, name_below


@dataclass
class Description:
    """What `describe_images` knows of an image.

    Attributes:
        captions: The best first. embedding: (E,), L2-normalised, if asked for.
        attention: If asked for, for each caption its words and where in the image the model looks
            for them, (words,height,width), each word's map adding up to 1 but for extra tokens.
    """

    captions: list[Caption]
    embedding: Tensor | None = None
    attention: list[tuple[list[str], Tensor]] | None = None


@torch.no_grad()
def describe_images(
    model: CoCa,
    images: Tensor,
    with_embedding: bool = False,
    with_attention: bool = False,
    **options,
) -> list[Description]:
    """Captions of preprocessed images (B,3,height,width), each of which is encoded once.

    Args:
        options: Of `GenerationOptions`.
    """
    image_tokens = model.backbone(images)[-1]
    global_tokens, regional_tokens = model.neck(image_tokens)
    descriptions = [
        Description(captions)
        for captions in model.caption_pooled_images(regional_tokens, GenerationOptions(**options))
    ]
    if with_embedding:
        for description, feature in zip(descriptions, model.embed_pooled_images(global_tokens)):
            description.embedding = feature
    if with_attention:
        texts = [[caption.text for caption in d.captions] for d in descriptions]
        attention = attention_in_pixels(model, image_tokens, images.shape[-2:], texts)
        for description, of_image in zip(descriptions, attention):
            description.attention = of_image
    return descriptions


def attention_in_pixels(
    model: CoCa,
    image_tokens: Tensor,
    image_size: tuple[int, int],
    texts: Sequence[Sequence[str]],
) -> list[list[tuple[list[str], Tensor]]]:
    """Image tokens (B,N,W) and each image's texts -> their words and maps (words,height,width).

    A text without a word has no map.
    """
    places = [i for i, of_image in enumerate(texts) for text in of_image if text.strip()]
    spoken = [text for of_image in texts for text in of_image if text.strip()]
    maps = iter(word_maps(model, image_tokens[places], image_size, spoken) if spoken else ())
    nothing = [], image_tokens.new_zeros(0, *image_size)
    return [
        [spread(*next(maps), image_size) if text.strip() else nothing
         for text in of_image]
        for of_image in texts
    ]


def spread(words: list[str], patches: Tensor, image_size: tuple[int,
                                                                int]) -> tuple[list[str], Tensor]:
    """Words, maps (words,rows,columns) -> the words, maps (words,height,width) of equal sums."""
    pixels_of_patch = image_size[0] * image_size[1] / patches[0].numel()
    return words, F.interpolate(patches[None], size=image_size)[0] / pixels_of_patch


class CaptionFileError(ValueError):
    """A file that should hold captions holds something else."""


def read_captions(path: Path, settings: dict) -> dict[str, dict]:
    """What `caption_images` wrote with the same settings, by image; none if there is nothing yet.

    A last line without its end, as an interruption leaves, is cut off the file.

    Raises CaptionFileError, and leaves the file alone, for anything else in it.
    """
    if not path.exists() or not path.stat().st_size:
        return {}
    check_settings(path, settings)
    text = path.read_bytes()
    complete = text[:text.rfind(b'\n') + 1]
    captions = {}
    for number, line in enumerate(
        complete.decode('utf-8', errors='replace').split('\n')[:-1], start=1
    ):
        try:
            caption = json.loads(line)
            captions[caption['image']] = caption
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise CaptionFileError(
                f'{path}, line {number}: no caption of an image, so nothing is added to it'
            ) from error
    if complete != text:
        with open(path, 'r+b') as file:  # nothing is written again, and so nothing can be lost
            file.truncate(len(complete))
    return captions


def settings_file(path: Path) -> Path:
    """Where the settings stand with which a file of captions was made."""
    return path.with_suffix('.settings.json')


def write_settings(path: Path, settings: dict) -> None:
    """Write the settings of a file of captions, whole or not at all."""
    target = settings_file(path)
    partial = target.with_name(f'{target.name}.partial')
    try:
        partial.write_text(json.dumps(settings, indent=1), encoding='utf-8')
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def check_settings(path: Path, settings: dict) -> None:
    """Raise CaptionFileError if a file of captions was not begun with these settings."""
    advice = 'choose another file, or delete it'
    if not settings_file(path).is_file():
        raise CaptionFileError(f'{path} exists, but was not begun by this tool: {advice}')
    try:
        begun = dict(json.loads(settings_file(path).read_text('utf-8')))
    except (ValueError, TypeError) as error:
        raise CaptionFileError(
            f'{settings_file(path)} does not tell with which settings {path} was begun: {advice}'
        ) from error
    for name, value in json.loads(json.dumps(settings)).items():
        if begun.get(name) != value:
            raise CaptionFileError(
                f'{path} was begun with other settings ({name} {begun.get(name)} there, {value} '
                f'here): {advice}'
            )


@torch.no_grad()
def caption_images(
    model: CoCa,
    paths: Sequence[Path],
    folder: Path,
    out: Path,
    batch_size: int = 16,
    num_workers: int = 0,
    **options,
) -> Iterator[tuple[int, list[Path]]]:
    """Append a line of JSON an image to a file, but for those that it has.

    A line has the image's path below `folder`, its caption and its log-probability; with
    `num_return_sequences` lists of them. A file beside it keeps folder, options and a mark of the
    weights, so that only the same run goes on. Yields, after each batch, how many images are done
    and which of them could not be read.

    Args:
        options: Of `GenerationOptions`.

    Raises ValueError for options that the model does not have, CaptionFileError for a file of
    something else or of other settings.
    """
    check_lengths(GenerationOptions(**options), model.text, model.tokenizer)
    settings = dict(options, folder=str(folder.resolve()), weights=weights_mark(model))
    done = read_captions(out, settings)
    names = {path: name_below(path, folder) for path in paths}
    missing = [path for path in paths if names[path] not in done]
    yield len(paths) - len(missing), []
    out.parent.mkdir(parents=True, exist_ok=True)
    write_settings(out, settings)
    with open(out, 'a', encoding='utf-8') as file:
        for read, images, unreadable in load_images(model, missing, batch_size, num_workers):
            captions = model.generate_captions(images, **options) if read else []
            for path, of_image in zip(read, captions):
                texts = [caption.text for caption in of_image]
                chances = [round(caption.log_probability, 4) for caption in of_image]
                line = dict(
                    image=names[path],
                    caption=texts if len(texts) > 1 else texts[0],
                    log_probability=chances if len(chances) > 1 else chances[0],
                )
                file.write(json.dumps(line, ensure_ascii=False) + '\n')
            file.flush()
            yield len(read) + len(unreadable), unreadable
