# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where the images of an annotation file lie."""

from __future__ import annotations

import os
import os.path as osp
import stat

from mmengine.fileio import get_file_backend


def image_path(prefix: str, image: str) -> str:
    """What an annotation file names, below the prefix unless it is absolute or a URL."""
    return image if '://' in image else osp.join(prefix, image)


def storage_problem(path: str) -> str | None:
    """Why MMEngine has no storage for a path, or None."""
    if '://' not in path:
        return None
    try:
        get_file_backend(path)
    except ImportError as error:
        return f'image {path}: {error}'
    except Exception:  # MMEngine takes the URL apart without a check
        return (
            f'image {path}: its storage is unknown; use a local path, http://, https://, or s3:// '
            '(by petrel_client)'
        )
    return None


def existence_problem(path: str) -> str | None:
    """Why there is no image to read at a path, or None; web servers are not asked."""
    if '://' in path:
        backend = get_file_backend(path)
        there = not hasattr(backend, 'exists') or backend.exists(path)
    else:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return f'image {path} is no regular file'
            there = True
        except PermissionError as error:
            return f'image {path}: {error.strerror}'
        except (OSError, ValueError):  # ValueError: no path can have these characters
            there = False
    return None if there else f'image {path} does not exist'
