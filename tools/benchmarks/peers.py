# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The environment in which the peers run."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

# open_clip 3.3.0 needs an old transformers to generate.
PACKAGES = (
    'open_clip_torch[training]==3.3.0',
    'CoCa-pytorch==0.1.0',
    'vit-pytorch==1.26.11',
    'transformers==4.46.3',
)
COMPLETE = 'complete'  # a file that is written last, with the packages


def peer_python(folder: Path) -> Path:
    """The Python of a virtual environment with the peers, made in the folder if need be.

    What they do not pin, torch above all, comes from the environment that runs this: both sides
    have the very same torch. Ends the program if pip fails.
    """
    python = folder / 'bin' / 'python'
    complete, packages = folder / COMPLETE, '\n'.join(PACKAGES)
    if complete.is_file() and complete.read_text() == packages:
        return python
    print(f'installing {", ".join(PACKAGES)} into {folder}', file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    scheme = dict(base=str(folder), platbase=str(folder))
    own = Path(sysconfig.get_path('purelib', 'venv', vars=scheme))
    (own / 'the_other_environment.pth').write_text(sysconfig.get_path('purelib') + '\n')
    done = subprocess.run(
        [python, '-m', 'pip', 'install', '-q', *PACKAGES], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f'error: the peers cannot be installed: {done.stderr.strip()}')
    complete.write_text(packages)
    return python
