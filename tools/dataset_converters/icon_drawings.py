# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What is drawn of the icon sets: each icon with its captions, before anything is rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from icon_brands import Brands, marked_logos
from icon_captions import (
    Habits,
    Words,
    aliases_of,
    caption_of,
    count_words,
    english_words,
    habits_of,
    topic_of,
)
from icon_sets import HELD_OUT, IconSet, is_taken


class Drawing(NamedTuple):
    designer: str  # prefix of the set
    name: str
    svg: str
    coloured: bool
    caption: str
    aliases: list[str]
    categories: list[str]

    @property
    def labels(self) -> dict:
        """What is known of it, without what is empty."""
        labels = dict(
            caption=self.caption,
            aliases=self.aliases,
            categories=self.categories,
            designer=self.designer,
            name=self.name,
        )
        return {key: value for key, value in labels.items() if value}


def read_drawings(sets: Sequence[IconSet]) -> tuple[list[Drawing], dict[str, int]]:
    """All drawings that may be data, and how many icons were left out, by reason.

    Of a held-out designer's drawings with one caption there is the one with the shortest name,
    which is the plainest.
    """
    authors = {s.info['author']['name'] for s in sets if s.prefix in HELD_OUT}
    taken = [icon_set for icon_set in sets if is_taken(icon_set, authors)]
    logos = {
        s.prefix: set(s.names()) if s.has_logos else marked_logos(s.names(), s.categories)
        for s in sets
    }
    brands = Brands(logos.values())
    known = Words(count_words(s.names() for s in taken), english_words())
    drawings, left_out = [], Counter()
    for icon_set in taken:
        names = icon_set.names()
        habits = habits_of(names, icon_set.prefixes, icon_set.suffixes, known)
        own_logos = logos[icon_set.prefix]
        things = [name for name in names if name not in own_logos and not brands.has(name)]
        one_size = icon_set.without_other_sizes(things)
        described = [d for d in describe(icon_set, one_size, habits, known) if d.caption]
        no_logos = [d for d in described if not any(map(brands.has, spellings(d.caption)))]
        chosen = plainest(no_logos) if icon_set.prefix in HELD_OUT else no_logos
        left_out += Counter(
            logos=len(names) - len(things) + len(described) - len(no_logos),
            other_sizes=len(things) - len(one_size),
            no_words=len(one_size) - len(described),
            other_styles=len(no_logos) - len(chosen),
        )
        drawings += chosen
    return drawings, left_out


def spellings(caption: str) -> tuple[str, str]:
    """'you tube' -> you-tube, youtube."""
    return caption.replace(' ', '-'), caption.replace(' ', '')


def describe(icon_set: IconSet, names: Sequence[str], habits: Habits,
             known: Words) -> Iterator[Drawing]:
    """Icons of a set with their captions, '' for a name without words."""
    for icon in icon_set.icons(names):
        caption = caption_of(icon.name, habits, known)
        topics = {topic_of(category) for category in icon.categories} - {''}
        aliases = aliases_of(icon.aliases, caption, habits, known)
        yield Drawing(
            icon_set.prefix,
            icon.name,
            icon.svg,
            icon_set.info['palette'],
            caption,
            aliases,
            sorted(topics),
        )


def plainest(drawings: Sequence[Drawing]) -> list[Drawing]:
    """One drawing a caption."""
    best = {}
    for drawing in sorted(drawings, key=plainness):
        best.setdefault(drawing.caption, drawing)
    return sorted(best.values(), key=lambda drawing: drawing.name)


def plainness(drawing: Drawing) -> tuple:
    """Orders one set's drawings with the same caption, the plainest first."""
    return drawing.name.count('-'), len(drawing.name), drawing.name
