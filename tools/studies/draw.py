# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A study's results as a table and as a picture."""

from statistics import mean

from matplotlib.figure import Figure
from studies import Study

# epochs, cfg_options, runs {row: {seed: {metric: value}}},
# step_costs {row: {'seconds': …, 'operations': …}}
Results = dict


def values_of(results: Results, row: str, metric: str) -> list[float]:
    """A metric of a row, of each seed that has it."""
    runs = sorted(results['runs'].get(row, {}).items())
    return [run[metric] for _, run in runs if metric in run]


def cell(values: list[float]) -> str:
    """Mean and range."""
    if not values:
        return '–'
    spread = f' ({min(values):.1f}–{max(values):.1f})' if len(values) > 1 else ''
    return f'{mean(values):.1f}{spread}'


def ratio(costs: dict[str, dict[str, float]], row: str, kind: str) -> str:
    """A cost of a row's step beside the first row's."""
    first = next(iter(costs.values()), {})
    return f'{costs[row][kind] / first[kind]:.2f}x' if row in costs else '–'


def markdown(results: Results, study: Study) -> str:
    """The table, beside the paper's figures."""
    costs = results['step_costs']
    columns = ['', *study.metrics, 'step', 'operations', 'paper']
    lines = [f"| {' | '.join(columns)} |", '|---' * len(columns) + '|']
    seeds = sorted({seed for runs in results['runs'].values() for seed in runs}, key=int)
    for name, row in study.rows.items():
        cells = [cell(values_of(results, name, metric)) for metric in study.metrics.values()]
        cells += [ratio(costs, name, kind) for kind in ('seconds', 'operations')]
        its = sorted(results['runs'].get(name, {}), key=int)
        title = name if its in ([], seeds) else f"{name} (seed {', '.join(its)})"
        lines.append(f"| {' | '.join([title, *cells, row.paper])} |")
    epochs = f"{results['epochs']} epochs" if results['epochs'] else "the configs' epochs"
    told = f'seed {seeds[0]}' if len(seeds) == 1 else (
        f"the mean of the seeds\n{', '.join(seeds)} (and their range)"
    )
    return f"""# {study.title}

On the dev designer of the icons (Lucide) after {epochs}, in percent: {told}.
Step: the median time of a training step beside the first row's; operations: of the products in
it. Paper: zero-shot ImageNet / VQA
(and step) of CoCa-Base with 12 decoder layers (arXiv 2205.01917, Table 8).

""" + '\n'.join(lines) + '\n'


def picture(results: Results, study: Study) -> Figure:
    """A panel for each metric: the mean as a bar, each seed as a point."""
    rows = list(study.rows)
    size = (2 + 2.6 * len(study.metrics), 1 + 0.35 * len(rows))
    figure = Figure(figsize=size, layout='constrained', dpi=120)
    panels = figure.subplots(1, len(study.metrics), sharey=True)
    for axes, (title, metric) in zip(panels, study.metrics.items()):
        for position, row in enumerate(rows):
            values = values_of(results, row, metric)
            if values:
                axes.barh(position, mean(values), color='#a9c4e4')
                axes.plot(values, [position] * len(values), 'o', color='#1f3b5c', markersize=4)
        axes.set_title(title, fontsize=9)
        axes.set_xlim(left=0)
        axes.grid(axis='x', alpha=0.3)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)  # the first row on top
    figure.suptitle(study.title)
    return figure
