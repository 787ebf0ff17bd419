# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Logos among icons: told by how designers mark them, and by names of logos elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

MARKED = re.compile(r'(?:logos?|brands?)-(?P<first>.+)|(?P<last>.+)-(?:logos?|brand)')
BRAND_CATEGORY = re.compile(r'\b(brands?|logos?)\b', re.IGNORECASE)
# How logos are drawn, at the end of their names.
STYLES = re.compile(
    r'-(fill|filled|outline|outlined|line|solid|thin|light|bold|duotone|icon|wordmark|plain|'
    r'original|alt|square|circle|rounded|sharp|social|f|o|\d+)$'
)
A_BRAND = 8  # sets with a logo of this name
A_FAMILY = 20  # and whose products are brands, too
# Words for other things, which are drawn as often.
ALSO_WORDS = set(
    'android angular apple arc asterisk atom bamboo bitcoin blender bluetooth bolt box buffer c '
    'cake capacitor chat chef circle composer crystal css cucumber cursor cypress dart data '
    'discover drone edge electron ethereum expo fedora flask gemini ghost git go hardhat helm '
    'hive html java javascript json kick less line link loom markdown matrix medium mermaid '
    'messenger meteor mix mocha moon nomad note opera oracle origin passport php pocket polygon '
    'postman processing protractor python r racket react reason rider ring rocket rss ruby '
    'satellite sentry shell signal sketch snowflake solid spring square steam stencil stripe '
    'stylus svg swift target threads unity ups usb vine wifi windows x xml yaml yarn zoom'.split()
)


def plain_name(name: str) -> tuple[str, bool]:
    """A name without style words -> what a logo shows, and whether the name marks a logo."""
    name = STYLES.sub('', STYLES.sub('', name)).removeprefix('social-')
    match = MARKED.fullmatch(name)
    return (match['first'] or match['last'], True) if match else (name, False)


def marked_logos(names: Iterable[str], categories: dict[str, list[str]]) -> set[str]:
    """The names of a set that its designer marks as logos."""
    found = {name for name in names if plain_name(name)[1]}
    for category, members in categories.items():
        if BRAND_CATEGORY.search(category):
            found.update(members)
    return found


class Brands:
    """Names of firms and their products.

    Args:
        logos_of_sets: The names of the logos of each set.
    """

    def __init__(self, logos_of_sets: Iterable[Iterable[str]]) -> None:
        counts = Counter(
            name for names in logos_of_sets for name in {plain_name(n)[0]
                                                         for n in names}
        )
        brands = {n: count for n, count in counts.items() if n not in ALSO_WORDS}
        self._brands = {n for n, count in brands.items() if count >= A_BRAND}
        self._families = tuple(f'{n}-' for n, count in brands.items() if count >= A_FAMILY)

    def has(self, name: str) -> bool:
        """Whether an icon of this name is a logo."""
        name, marked = plain_name(name)
        return marked or name in self._brands or name.startswith(self._families)
