# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Packages of the npm registry, pinned by their content."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from re import Pattern
from typing import NamedTuple

from whole_folders import ConverterError


class Package(NamedTuple):
    name: str
    version: str
    sha512: str  # base64, what follows 'sha512-' in npm's integrity

    @property
    def integrity(self) -> str:
        return f'sha512-{self.sha512}'

    @property
    def tarball(self) -> str:
        """The file that npm pack makes."""
        return f'{self.name.lstrip("@").replace("/", "-")}-{self.version}.tgz'


def fetch_tarballs(packages: Sequence[Package], folder: Path) -> None:
    """Download packages into `folder` with the npm client. Raises ConverterError if it fails."""
    npm = shutil.which('npm')
    if npm is None:
        raise ConverterError('npm was not found: install Node.js, or name a folder by --npm-dir')
    print(f'Fetching {len(packages)} package{"s"[:len(packages) > 1]} with npm', flush=True)
    wanted = [f'{package.name}@{package.version}' for package in packages]
    command = [npm, 'pack', *wanted, '--pack-destination', str(folder), '--json']
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        try:
            reason = json.loads(done.stdout)['error']['summary'].strip().splitlines()[0]
        except (ValueError, TypeError, KeyError, IndexError):
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1] if lines else f'exit code {done.returncode}'
        raise ConverterError(f'npm failed: {reason}')


def read_members(folder: Path, package: Package,
                 needed: Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """The members whose whole name inside the package matches; nothing is unpacked to disk.

    Raises ConverterError for a file that is missing or not the pinned one.
    """
    path = folder / package.tarball
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        wanted = f'{package.name}@{package.version}'
        raise ConverterError(f'{path} is missing: npm pack {wanted} makes it') from None
    integrity = 'sha512-' + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if integrity != package.integrity:
        raise ConverterError(
            f'{path.name} is damaged or not the pinned package: '
            f'expected {package.integrity}, found {integrity}'
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode='r:gz') as archive:
        for member in archive:
            name = member.name.removeprefix('package/')
            if member.isfile() and needed.fullmatch(name):
                yield name, archive.extractfile(member).read()
