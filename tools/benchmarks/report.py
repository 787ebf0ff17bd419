# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a section of the benchmarks has measured, as JSON, tables in Markdown, and a picture."""

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from peers import PACKAGES

INSTRUCTIONS = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16')


class Row(NamedTuple):
    """One measurement: the values of each column, one a round; others compare with the first."""

    label: str
    unit: str
    values: Mapping[str, list[float]]


class Settings(NamedTuple):
    """Options of the command that sections need."""

    peers: Path
    rounds: int
    threads: int
    batch_size: int


def describe_machine() -> str:
    """Processor, cores, and which of the instructions that matter it has."""
    text = Path('/proc/cpuinfo').read_text() if Path('/proc/cpuinfo').is_file() else ''
    names = re.findall(r'model name\s*: (.+)', text) or [platform.processor()]
    flags = set(next(iter(re.findall(r'flags\s*: (.+)', text)), '').split())
    known = ', '.join(name for name in INSTRUCTIONS if name in flags)
    return f'{os.cpu_count()} cores of {names[0]} ({known or "no known vector instructions"})'


def describe(settings: Settings) -> dict:
    """The conditions of a run."""
    return dict(
        date=date.today().isoformat(),
        machine=describe_machine(),
        torch=torch.__version__,
        peers=', '.join(PACKAGES),
        threads=settings.threads,
        rounds=settings.rounds,
        batch_size=settings.batch_size,
    )


def number(value: float) -> str:
    """Three digits, or a whole number."""
    return f'{value:,.0f}' if value >= 1000 else f'{value:.3g}'


def cells(row: Row) -> list[str]:
    """Medians, and the others' ratios to the first column, with the range over rounds."""
    columns = list(row.values.values())
    texts = [row.label, *(f'{number(median(values))} {row.unit}'.strip() for values in columns)]
    first = columns[0]
    for values in columns[1:]:
        text = f'{median(values) / median(first):.2f}'
        if len(values) == len(first) > 1:
            ratios = [other / own for own, other in zip(first, values)]
            text += f' ({min(ratios):.2f}–{max(ratios):.2f})'
        texts.append(text)
    return texts


def table(rows: list[Row]) -> str:
    """Markdown, a table for each set of columns."""
    lines = []
    for names in dict.fromkeys(tuple(row.values) for row in rows):
        head = ['', *names, *(f'{name} / {names[0]}' for name in names[1:])]
        lines += ['', f"| {' | '.join(head)} |", '|---' * len(head) + '|']
        lines += [f"| {' | '.join(cells(row))} |" for row in rows if tuple(row.values) == names]
    return '\n'.join(lines) + '\n'


class Section(NamedTuple):
    """What a section's file holds."""

    title: str
    conditions: dict
    rows: list[Row]


def write_section(folder: Path, name: str, section: Section) -> None:
    """name.json: the conditions and every value."""
    content = section._asdict() | dict(rows=[row._asdict() for row in section.rows])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(content, indent=1, ensure_ascii=False) + '\n')


def read_section(folder: Path, name: str) -> Section | None:
    """What write_section wrote, if it did."""
    file = folder / f'{name}.json'
    if not file.is_file():
        return None
    content = json.loads(file.read_text())
    return Section(**content | dict(rows=[Row(**row) for row in content['rows']]))


def tables(sections: list[Section]) -> str:
    """Markdown of all sections, each with its conditions."""
    parts = [
        '# Benchmarks\n\nWritten by tools/benchmarks/run.py: medians, and how many times the first '
        'column the others are, with\nthe range over rounds in brackets.\n'
    ]
    for section in sections:
        conditions = (
            '{machine}, {threads} threads, {batch_size} pairs, {rounds} rounds, torch {torch}, '
            '{peers}, {date}.'.format(**section.conditions)
        )
        parts.append(f'## {section.title}\n\n{conditions}\n{table(section.rows)}')
    return '\n'.join(parts)
