# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which settings of a config are made with a variable of it.

A config file is a program: what an option sets in a variable afterwards does not reach the settings
that were made with it before. So the program is run once more, with the option set as soon as the
variable is: what comes out otherwise was made with it.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.config import Config

from mmcoca.composition import PIPELINES

MISSING = object()


def settings_made_with(filename: str, option: str, value: Any) -> list[str]:
    """Dotted names of the settings that differ if a variable is set before they are made.

    Args:
        filename: Of a config. option: A variable, or a dotted name within it. value: For it.

    Raises what running the config with this value raises.
    """
    if Path(filename).suffix != '.py' or Config._is_lazy_import(filename):
        return []  # no program, or one whose bases are imported
    with TemporaryDirectory() as folder:
        top = copy_with_bases(Path(filename), Path(folder), None, None)
        plain = dict(leaves(Config.fromfile(top)._cfg_dict))
        copy_with_bases(Path(filename), Path(folder), option, value)
        changed = dict(leaves(Config.fromfile(top)._cfg_dict))
    variable = option.split('.')[0]
    return [
        place for place in {**plain, **changed} if
        plain.get(place, MISSING) != changed.get(place, MISSING) and place.split('.')[0] != variable
    ]


def copy_with_bases(
    source: Path, folder: Path, option: str | None, value: Any, number: str = '0'
) -> Path:
    """Copy a config file and those that it inherits to a folder, with an option set in them.

    It is set where the variable that the config ends up with is: in the file itself, or in a base.
    """
    lines = source.read_text('utf-8').splitlines()
    statements = ast.parse('\n'.join(lines)).body
    edits = {}  # what takes the place of lines, by the first and the one after the last
    if option is not None:
        variable, *path = option.split('.')
        places = [node for node in statements if variable in names_changed_by(node)]
        if places:
            last = max(places, key=lambda node: node.end_lineno)
            module = f"__import__({__name__!r}, fromlist=['with_option'])"
            options = f'{".".join(path)!r}, {value!r}'
            edit = f'{variable} = {module}.with_option({variable}, {options})'
            if joins(last):
                edit = f'{module}.change_pipelines(_base_, {variable!r}, {options})'
            edits[last.end_lineno, last.end_lineno] = [edit]
            option = None
    for node in statements:
        if '_base_' in names_changed_by(node):
            bases = [
                Path(Config._get_cfg_path(base, str(source))[0])
                for base in Config._get_base_files(str(source))
            ]
            copies = [
                str(copy_with_bases(base, folder, option, value, f'{number}_{i}'))
                if base.suffix == '.py' else str(base.resolve()) for i, base in enumerate(bases)
            ]
            edits[node.lineno - 1, node.end_lineno] = [f'_base_ = {copies!r}']
    for (start, end), replacement in sorted(edits.items(), reverse=True):
        lines[start:end] = replacement
    target = folder / f'config_{number}.py'
    target.write_text('\n'.join(lines) + '\n', 'utf-8')
    return target


def joins(statement: ast.stmt) -> bool:
    """Whether a statement is join(_base_), which makes pipelines of the bases' own."""
    return isinstance(statement, ast.Expr) and ast.unparse(statement) == 'join(_base_)'


def names_changed_by(statement: ast.stmt) -> set[str]:
    """Variables that a statement assigns, or changes in place: x = 1, x.a[0] = 1, x.update(a=1)."""
    if joins(statement):
        return set(PIPELINES)
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = [statement.value.func]
    else:
        targets = []
    names = set()
    for target in targets:
        for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            while isinstance(part, ast.Attribute | ast.Subscript):
                part = part.value
            if isinstance(part, ast.Name):
                names.add(part.id)
    return names


def with_option(variable: Any, path: str, value: Any) -> Any:
    """A variable with an option set in it, as MMEngine merges options; in place where that goes."""
    config = Config(dict(variable=variable))
    config.merge_from_dict({f'variable.{path}'.rstrip('.'): value})
    if isinstance(variable, list):
        variable[:] = config.variable
    elif isinstance(variable, dict):
        variable.clear()
        variable.update(config.variable)
    else:
        variable = config.variable
    return variable


def change_pipelines(bases: dict, variable: str, path: str, value: Any) -> None:
    """Set an option in a joined pipeline, in place, and so in the loaders that have it."""
    pipeline = bases[variable]
    changed = with_option(copy.deepcopy(pipeline), path, value)
    replace_equal(bases, pipeline, changed)


def replace_equal(settings: object, old: list, new: list) -> None:
    """Replace the lists within dictionaries that equal one."""
    if isinstance(settings, dict):
        for key, item in settings.items():
            if item == old:
                settings[key] = new
            else:
                replace_equal(item, old, new)


def leaves(settings: object, path: str = '') -> Iterator[tuple[str, object]]:
    """Dotted name and value of each setting; a list that holds no other settings is one."""
    if isinstance(settings, dict):
        items = settings.items()
    elif isinstance(settings, list
                    | tuple) and any(isinstance(item, dict | list | tuple) for item in settings):
        items = enumerate(settings)
    else:
        yield path, settings
        return
    for key, item in items:
        yield from leaves(item, f'{path}.{key}' if path else key)
