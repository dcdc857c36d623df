"""Files of stores: where one can be, and how one is whole or not there, whatever happens to the power."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from ..errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path  # which is slow to import


def check_path(path: Path, example: str) -> None:
    """Raise `StorageError` where no file can be, or something else is; `example` is the name of one."""
    try:
        if path.is_dir():
            raise StorageError(f"{path} is a folder: name a file in it, such as {path / example}")
        if path.exists() and not path.is_file():
            raise StorageError(f"{path} is a device or a pipe, not a file: give another path")
        folder = path.parent
        if not folder.exists():
            raise StorageError(f"{path} cannot be created: there is no folder {folder}; create it first")
        if not folder.is_dir():
            raise StorageError(f"{path} cannot be created: {folder} is a file, not a folder; give another path")
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"{str(path)!r} cannot be the path of a file: {why}; give another one") from error


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of what lies at a path when the block ends without an error.

    A link stays one: what it leads to is replaced, as other programs may open that by another name.

    Raises:
        OSError: it cannot be written; what lay at the path is as it was.
    """
    path = path.resolve()
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Make a file's name last: it is the folder that holds it."""
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise
    finally:
        os.close(fd)
