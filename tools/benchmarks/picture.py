# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The benchmarks as a picture."""

from collections.abc import Mapping
from statistics import median

from matplotlib.figure import Figure
from report import Row, Section

COLORS = {'open_clip': '#1f77b4', 'CoCa-pytorch': '#ff7f0e'}
TICKS = (0.5, 1, 2, 5, 10, 20)


def draw(sections: Mapping[str, Section]) -> Figure:
    """How much more time or memory the peers take, a bar each; 1 is mmcoca."""
    rows = [row for section in sections.values() for row in section.rows if is_compared(row)]
    figure = Figure(figsize=(9, 1.5 + 0.3 * len(rows)), layout='constrained', dpi=120)
    axes = figure.subplots()
    for position, row in enumerate(rows):
        own = median(row.values['mmcoca'])
        peers = [name for name in row.values if name != 'mmcoca']
        height = 0.8 / len(peers)
        for number, name in enumerate(peers):
            ratio = median(row.values[name]) / own
            y = position - 0.4 + (number + 0.5) * height
            axes.barh(y, ratio, height, color=COLORS.get(name, '#2ca02c'), label=name)
            axes.text(ratio, y, f' {ratio:.2g}', va='center', fontsize=7)
    axes.axvline(1, color='black', linewidth=1)
    axes.set_xscale('log')
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first row on top
    axes.set_xlabel('times what mmcoca takes (logarithmic)')
    handles, names = axes.get_legend_handles_labels()
    labelled = dict(zip(names, handles))
    figure.legend(labelled.values(), labelled.keys(), loc='outside upper center', ncols=3)
    return figure


def is_compared(row: Row) -> bool:
    """Whether a row has a cost, seconds or bytes, of mmcoca and of others."""
    return row.unit in ('s', 'GiB') and 'mmcoca' in row.values and len(row.values) > 1
