# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The icon sets of @iconify/json: which are taken, and the icons that are in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from icon_captions import camel_words
from npm_packages import Package, read_members

PACKAGE = Package(
    '@iconify/json',
    '2.2.535',
    'nAV60ACUSHwnsb6fsp+letHlNkrwO4vzBtcC6B4EDHErQQfezk7E3nJdnwJjve6OCfMNO0uVT5Vrgna9/NCmXw==',
)
MEMBERS = re.compile(r'json/.+\.json')
HELD_OUT = {
    'ph': 'test',
    'game-icons': 'test',
    'flat-color-icons': 'test',
    'lucide': 'dev',
    'marketeq': 'dev',
}
REFUSED_LICENSE = re.compile(r'\b(SA|NC|ND|A?L?GPL|MPL)\b')
LOGO_SETS = set(
    'academicons catppuccin devicon devicon-line devicon-original devicon-plain fa-brands '
    'fa6-brands file-icons gcp k8s material-icon-theme skill-icons unjs vscode-icons'.split()
)
USUAL_SIZE = 24
LINE_WIDTHS = {'thin', 'light', 'regular', 'bold'}
MOVING = re.compile(r'<(animate|set)\b')  # drawings that begin empty
# Sets whose names begin with a topic: the categories, or those named here.
TOPIC_FIRST = {'streamline-guidance', 'streamline-pixel'}
TOPICS = {
    'streamline-block':
    'basic basic-ui content control-buttons devices drink-food entertainment '
    'nature other other-ui programming shopping smileys text-formatting travel',
}


class Icon(NamedTuple):
    """One drawing: an SVG with a square view box, black where the set leaves the colour open."""
    name: str
    svg: str
    aliases: list[str]
    categories: list[str]


class IconSet(NamedTuple):
    """The content of json/PREFIX.json, as the package has it."""
    prefix: str
    content: dict

    @property
    def info(self) -> dict:
        return self.content['info']

    @property
    def categories(self) -> dict[str, list[str]]:
        return self.content.get('categories', {})

    @property
    def has_logos(self) -> bool:
        """Whether the set is one of logos."""
        return self.info.get('category') == 'Logos' or self.prefix in LOGO_SETS

    @property
    def prefixes(self) -> list[str]:
        """What names begin with that tells nothing of the drawing."""
        topics = TOPICS.get(self.prefix, '').split()
        if self.prefix in TOPIC_FIRST:
            topics += ['-'.join(camel_words(category)) for category in self.categories]
        return [*self.content.get('prefixes', {}), *topics]

    @property
    def suffixes(self) -> list[str]:
        """The words for styles that names end with, as the set states them."""
        return list(self.content.get('suffixes', {}))

    def names(self) -> list[str]:
        """The icons that the set has today, and that are whole when still."""
        return [
            name for name, icon in self.content['icons'].items()
            if not icon.get('hidden') and not MOVING.search(icon['body'])
        ]

    def without_other_sizes(self, names: Iterable[str]) -> list[str]:
        """Of drawings that the set has for several sizes and line widths, the most usual one."""
        texts = sorted(filter(None, self.suffixes), key=len, reverse=True)
        suffixes = {f'-{text}': size_and_style(text, self.line_widths) for text in texts}
        best = {}
        for name in names:
            suffix = next((text for text in suffixes if name.endswith(text)), '')
            size, style = suffixes.get(suffix, (USUAL_SIZE, ''))
            place = abs(size - USUAL_SIZE), 'regular' not in suffix, len(name), name
            key = name.removesuffix(suffix), style
            best[key] = min(best.get(key, place), place)
        return [place[-1] for place in best.values()]

    @property
    def line_widths(self) -> set[str]:
        """The words for these. 'bold' is one beside thinner ones, elsewhere a filled drawing."""
        words = {word for text in self.suffixes for word in text.split('-')}
        return words & LINE_WIDTHS if words & {'thin', 'light'} else set()

    def icons(self, names: Iterable[str]) -> Iterator[Icon]:
        """Icons, with what the set says of each."""
        aliases, categories = {}, {}
        for alias, entry in self.content.get('aliases', {}).items():
            if set(entry) <= {'parent', 'hidden'}:  # not turned, nor mirrored
                aliases.setdefault(entry['parent'], []).append(alias)
        for category, members in self.categories.items():
            for name in members:
                categories.setdefault(name, []).append(category)
        for name in names:
            yield Icon(name, self.svg(name), aliases.get(name, []), categories.get(name, []))

    def svg(self, name: str) -> str:
        """The text of an SVG file, the drawing in its centre."""
        icon = self.content['icons'][name]
        left, top, width, height = (
            icon.get(key, self.content.get(key, default))
            for key, default in (('left', 0), ('top', 0), ('width', 16), ('height', 16))
        )
        side = max(width, height)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left + (width - side) / 2} {top + (height - side) / 2} {side} {side}">'
            f'{icon["body"].replace("currentColor", "black")}</svg>'
        )


def size_and_style(suffix: str, line_widths: set[str]) -> tuple[int, str]:
    """'20-filled' -> 20, 'filled'."""
    size = re.search(r'\b(\d+)(px)?\b', suffix)
    words = re.sub(r'\b\d+(px)?\b', '', suffix).split('-')
    style = '-'.join(word for word in words if word and word not in line_widths)
    return int(size[1]) if size else USUAL_SIZE, style


def read_sets(folder: Path) -> list[IconSet]:
    """All sets of the package in `folder`. Raises ConverterError where that is not the pinned one.
    """
    sets = []
    for _, content in read_members(folder, PACKAGE, MEMBERS):
        content = json.loads(content)
        sets.append(IconSet(content['prefix'], content))
    return sorted(sets, key=lambda icon_set: icon_set.prefix)


def is_taken(icon_set: IconSet, held_out_authors: set[str]) -> bool:
    """Whether a set is data: free to use and change, of things, and of a designer of its own.

    Args:
        held_out_authors: Of the sets in HELD_OUT; others by them are left out.
    """
    info = icon_set.info
    return (
        not REFUSED_LICENSE.search(info['license'].get('spdx') or info['license']['title'])
        and info.get('category') not in ('Logos', 'Emoji', 'Flags / Maps')
        and 'emoji' not in icon_set.prefix + info['name'].lower() and not icon_set.has_logos
        and (icon_set.prefix in HELD_OUT or info['author']['name'] not in held_out_authors)
    )
