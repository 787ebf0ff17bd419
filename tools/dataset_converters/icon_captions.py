# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions of icons, from the names that their designers gave them."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from mmcoca.models.text.tokenizers import find_clip_vocabulary

# How a drawing is made, wherever in a name it stands.
STYLE_WORDS = set('outline outlined filled solid duotone twotone linear variant alt'.split())
# The same at either end, where a set has many of them; elsewhere they name what is drawn.
OFTEN_STYLE = set(
    'fill line light thin bold regular round rounded sharp broken flat duo remix expressive print '
    'small active baseline mirrored ltr rtl i o r f md ios'.split()
)
OFTEN = 0.03
GLUES = 0.05
VOWEL = re.compile('[aeiouy]')
NO_STYLE = {'traffic light', 'text bold', 'format bold', 'color fill', 'paint fill', 'bucket fill'}
# A last number counts variants of a drawing, but not with these words.
NUMBERED = set(
    'number numeric digit keycap dice die domino counter level stage looks exposure replay forward '
    'rewind battery timer heading header h index beaufort covid rotate days hours'.split()
)
NUMERALS = set('one two three four five six seven eight nine ten'.split())
SHORT_WORDS = set('up in on off no to by of at alt'.split())  # that a glued word may have
MOST_ALIAS_WORDS = 6
EMPTY_TOPICS = set('general misc other others regular common core base newicons ui it'.split())
CLIP_MERGES = 48894
# In how many sets a word is ...
KNOWN = 2  # ... that is none by chance
FREQUENT = 5  # ... that is not parted
A_PART = 20  # ... that glued words are made of


class Habits(NamedTuple):
    """How a designer names icons.

    Attributes:
        prefixes, suffixes: Words at the ends of names that tell how a drawing is made.
        counts_in_words: 'bell-two' is the second bell.
        glues: Writes words together, so that an unknown one is likely to be several.
    """
    prefixes: frozenset[tuple[str, ...]]
    suffixes: frozenset[tuple[str, ...]]
    counts_in_words: bool
    glues: bool


class Words:
    """What is known as a word.

    Args:
        sets: In how many sets each word is.
        english: A list of English ones.
    """

    def __init__(self, sets: Mapping[str, int], english: Collection[str]) -> None:
        self.sets = sets
        self.english = english
        self._parts: dict[str, list[str]] = {}

    def knows(self, word: str) -> bool:
        return word in self.english or self.sets.get(word, 0) >= KNOWN

    def parts(self, word: str) -> list[str]:
        """Part words that were glued: 'arrowdown' -> arrow, down; a number at the end goes."""
        if word not in self._parts:
            self._parts[word] = self._parted(word)
        return self._parts[word]

    def _parted(self, word: str) -> list[str]:
        match = re.fullmatch(r'([a-z]{3,})\d{1,2}', word)
        if match and self.knows(match[1]) and self.sets.get(word, 0) < FREQUENT:
            word = match[1]
        if word in self.english or self.sets.get(word, 0) >= FREQUENT or not word.isalpha():
            return [word]
        return parts_of(word, self.sets) or [word]


def english_words() -> set[str]:
    """The frequent words of English captions: those that CLIP's vocabulary has whole."""
    with gzip.open(find_clip_vocabulary(), 'rt', encoding='utf-8') as file:
        _, *merges = file.read().split('\n')[:CLIP_MERGES + 1]
    words = (merge.replace(' ', '').removesuffix('</w>') for merge in merges if '</w>' in merge)
    return {word for word in words if len(word) > 1}


def count_words(names_of_sets: Iterable[Iterable[str]]) -> Counter[str]:
    """In how many sets each word is."""
    counts = Counter()
    for names in names_of_sets:
        counts.update({word for name in names for word in name.split('-')})
    return counts


def habits_of(
    names: Collection[str], prefixes: Iterable[str], suffixes: Iterable[str], known: Words
) -> Habits:
    """The habits of a set: those that it states, and those that many of its names show."""
    firsts = Counter(name.split('-')[0] for name in names)
    lasts = Counter(name.split('-')[-1] for name in names)
    fewest = max(OFTEN * len(names), 10)

    def style(stated: Iterable[str], counts: Counter[str]) -> frozenset[tuple[str, ...]]:
        often = {word for word in OFTEN_STYLE if counts[word] >= fewest}
        return frozenset(tuple(text.split('-')) for text in {*stated, *often} - {''})

    words = {word for name in names for word in name.split('-') if len(word) > 3}
    return Habits(
        style(prefixes, firsts),
        style(suffixes, lasts),
        counts_in_words=sum(lasts[word] for word in NUMERALS) >= fewest,
        glues=sum(len(known.parts(word)) > 1 for word in words) > GLUES * len(words),
    )


def without_style(words: Sequence[str], habits: Habits) -> list[str]:
    """Take style words off; something is left of every name."""
    words = tuple(words)
    starts = [len(s) for s in habits.prefixes if len(s) < len(words) and words[:len(s)] == s]
    words = words[max(starts, default=0):]
    while ' '.join(words[-2:]) not in NO_STYLE:
        ends = [len(s) for s in habits.suffixes if len(s) < len(words) and words[-len(s):] == s]
        if not ends:
            break
        words = words[:-max(ends)]
    return [word for word in words if word not in STYLE_WORDS] or list(words[:1])


def without_numbers(words: Sequence[str], counts_in_words: bool = False) -> list[str]:
    """Take sizes and the numbers of variants off: 'bell 02', 'bell 24px', 'bell 3'."""
    words = [w for w in words if not re.fullmatch(r'0\d|\d+px', w)]
    while len(words) > 1 and NUMBERED.isdisjoint(words[:-1]):
        if not (words[-1].isdecimal() or counts_in_words and words[-1] in NUMERALS):
            break
        words.pop()
    return words


def parts_of(word: str, sets: Mapping[str, int]) -> list[str]:
    """The two, or else three, words that make this one and of which the rarest is the most
    frequent; none where there are no such.
    """
    ends = range(2, len(word) - 1)
    pairs = [(word[:i], word[i:]) for i in ends]
    threes = [(word[:i], word[i:j], word[j:]) for i in ends for j in ends if j > i + 1]
    for candidates, shortest in ((pairs, 3), (threes, 4)):
        found = [(0, ())]
        for parts in candidates:
            if all(len(part) >= shortest or part in SHORT_WORDS for part in parts):
                found.append((min(sets.get(part, 0) for part in parts), parts))
        count, parts = max(found)
        if count >= A_PART:
            return list(parts)
    return []


def caption_of(name: str, habits: Habits, known: Words) -> str:
    """A name -> its caption; '' where it has no words."""

    def is_word(text: str) -> bool:
        new = not habits.glues and len(text) > 3 and VOWEL.search(text)
        return text.isalpha() and len(text) > 1 and bool(known.knows(text) or new)

    def bare(words: Sequence[str]) -> list[str]:
        return without_numbers(without_style(words, habits), habits.counts_in_words)

    words = bare(name.split('-'))
    parts = [part for word in words for part in known.parts(word)]
    if parts != words:
        words = bare(parts)
    words = joined_letters(words)
    words = [word for i, word in enumerate(words) if i == 0 or word != words[i - 1]]
    if any(map(is_word, words)):
        if 2 * sum(is_word(word) or word.isdecimal() for word in words) >= len(words):
            return ' '.join(words)
    return ''


def joined_letters(words: Sequence[str]) -> list[str]:
    """Join what a tool parted: file, s, q, l -> file, sql."""
    text = re.sub(r'\b\w( \w)+ \w\b', lambda run: run[0].replace(' ', ''), ' '.join(words))
    return text.split()


def aliases_of(names: Iterable[str], caption: str, habits: Habits, known: Words) -> list[str]:
    """Other names of an icon -> other captions, each once: short ones, of known words alone."""
    texts = {caption_of(name, habits, known) for name in names} - {'', caption}
    return sorted(
        text for text in texts if len(text.split()) <= MOST_ALIAS_WORDS
        and all(known.knows(word) or word.isdecimal() for word in text.split())
    )


def topic_of(category: str) -> str:
    """A category -> words: 'FoodDrink' -> 'food drink'; '' where it says nothing."""
    text = ' '.join(camel_words(category.replace('&', ' and ')))
    return '' if text in EMPTY_TOPICS else text


def camel_words(text: str) -> list[str]:
    """'FoodDrink' -> food, drink."""
    return re.findall(r'[a-z0-9]+', re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', text).lower())
