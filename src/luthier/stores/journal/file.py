"""The file under a journal: read where one stopped, appended to, replaced as a whole; always under its lock."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import StorageError
from ..files import check_path, sync_folder, written_whole
from .framing import damage, frame, header_id, is_torn_header, new_header, next_whole_frame, whole_frames
from .lock import Patience, ThreadsLock, lock_descriptor, unlock_descriptor, watch

_CHUNK = 1 << 22  # bytes read at once


class JournalFile:
    """A handle on a journal, which it makes if it is not there. A forked child opens its own.

    Args:
        path: of the file.
        timeout: seconds to wait for others.

    Raises:
        StorageError, SchemaTooNew, StorageBusy: as `JournalStore`.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path = path.absolute()  # whatever the working directory is later
        self._fd: int | None = None
        check_path(path, "study.journal")
        self._timeout = timeout
        self._threads = ThreadsLock(path)
        self._may_write = True
        self._id = ""
        self._start = self._end = 0  # of what follows the header, and of what was read
        watch(self)
        patience = Patience(path, timeout)
        with self._threads.held(patience):
            try:
                self._open(os.O_CREAT)
                self._make_header(patience)
            except BaseException:
                self.drop_descriptor()
                raise

    @contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[str]:
        """Hold the lock; yields the file's id: where it is another than before, all that was read is void.

        Raises:
            StorageBusy: others held it until the deadline.
            StorageError: it was removed, is damaged, or may only be read and `exclusive` is asked for.
        """
        patience = Patience(self.path, self._timeout)
        with self._threads.held(patience):
            fd = self._lock_present_file(patience, exclusive=exclusive)
            try:
                yield self._id
            except OSError as error:
                raise StorageError(f"{self.path} cannot be read: {error.strerror}") from error
            finally:
                self._unlock(fd)

    def news(self) -> Iterator[list[str]]:
        """Return the texts that were appended since the last time, in lists.

        Raises:
            StorageError: it is damaged, or shorter than it was.
        """
        fd = self._descriptor
        size, chunk = os.fstat(fd).st_size, _CHUNK
        if size < self._end:
            raise StorageError(f"{self.path} shrank from {self._end} to {size} bytes: restore a copy of it")
        while self._end < size:
            data = os.pread(fd, chunk, self._end)
            texts, read = whole_frames(data)
            if texts:
                yield texts
                self._end += read
            elif len(data) == chunk:
                chunk *= 2  # a frame longer than that
            else:
                if next_whole_frame(data, 0) < len(data):
                    raise damage(self.path, self._end)
                return  # torn: its writer died, so nothing of it was acknowledged

    def rewind(self) -> None:
        """Read everything again at the next `news`."""
        self._end = self._start

    def append(self, text: str, *, durable: bool) -> None:
        """Add a frame where the read frames end; it is read with the next `news`.

        Raises:
            StorageError: it could not be written, and the file is as it was.
        """
        fd = self._descriptor
        try:
            if os.fstat(fd).st_size > self._end:  # a torn frame
                os.ftruncate(fd, self._end)
            _write_all(fd, frame(text), self._end)
            if durable:
                os.fsync(fd)
        except OSError as error:
            undone = "Nothing that was acknowledged is lost, and this change is undone"
            try:
                os.ftruncate(fd, self._end)
            except OSError as second:
                undone = f"It could not be undone either ({second.strerror}): this change may or may not be visible"
            raise StorageError(f"{self.path} cannot be written: {error.strerror}. {undone}: free some space") from error

    def replace(self, texts: Iterable[str]) -> None:
        """Put a new file with these texts in the place of this one, whole or not at all."""
        write_journal(self.path, map(frame, texts), like=self._descriptor)

    def close(self) -> None:
        """Close the file; it is opened again on use."""
        with self._threads.held(Patience(self.path, self._timeout)):
            self.drop_descriptor()

    def drop_descriptor(self) -> None:
        """Close the file without a lock."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.drop_descriptor()

    @property
    def _descriptor(self) -> int:
        assert self._fd is not None, "the lock is not held"
        return self._fd

    def _open(self, flags: int = 0) -> None:
        try:
            self._fd, self._may_write = os.open(self.path, os.O_RDWR | flags, 0o666), True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not self.path.is_file():
                raise _cannot_open(self.path, error) from error
            try:
                self._fd, self._may_write = os.open(self.path, os.O_RDONLY), False
            except OSError as second:
                raise _cannot_open(self.path, second) from second

    def _make_header(self, patience: Patience) -> None:
        """Write the header of a file that is empty."""
        fd = self._descriptor
        if not self._may_write:
            return
        lock_descriptor(fd, patience, self.path, exclusive=True)
        try:
            if is_torn_header(os.pread(fd, _CHUNK, 0)):
                os.ftruncate(fd, 0)
                _write_all(fd, new_header(), 0)
                os.fsync(fd)
                sync_folder(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):  # what is left of it is a torn header, which the next one replaces
                os.ftruncate(fd, 0)
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error
        finally:
            unlock_descriptor(fd)

    def _lock_present_file(self, patience: Patience, *, exclusive: bool) -> int:
        """Lock what lies at the path now, which may be another file than the one that is open."""
        while True:
            if reopened := self._fd is None:
                self._open()
            fd = self._descriptor
            if exclusive and not self._may_write:
                raise StorageError(f"{self.path}: it is read-only: allow writing, or use a copy")
            try:
                lock_descriptor(fd, patience, self.path, exclusive=exclusive)
                if is_at(self.path, fd):
                    if reopened or not self._id:
                        self._read_header(fd)
                    return fd
            except BaseException as error:
                self.drop_descriptor()  # which frees the lock
                if not isinstance(error, OSError):
                    raise
                if error.errno != errno.ESTALE or patience.left == 0:
                    raise StorageError(f"{self.path} cannot be read: {error.strerror}") from error
            self.drop_descriptor()

    def _unlock(self, fd: int) -> None:
        try:
            unlock_descriptor(fd)
        except OSError:  # closing it frees the lock
            self.drop_descriptor()

    def _read_header(self, fd: int) -> None:
        line = os.pread(fd, 4096, 0).partition(b"\n")[0] + b"\n"
        found = header_id(line, self.path)
        if found is None:
            data = os.pread(fd, os.fstat(fd).st_size, 0)
            if next_whole_frame(data, 0) < len(data):
                raise damage(self.path, 0)
            raise StorageError(f"{self.path} is not a Luthier journal: give another path")
        if found != self._id:
            self._id = found
            self._start = self._end = len(line)


def write_journal(path: Path, frames: Iterable[bytes], *, like: int) -> None:
    """Put a new journal at a path, whole or not at all, with the mode of an open file.

    Raises:
        StorageError: it cannot be written; what was there is as it was.
    """
    try:
        with written_whole(path) as file:
            os.fchmod(file.fileno(), os.fstat(like).st_mode & 0o7777)
            file.write(new_header())
            file.writelines(frames)
    except OSError as error:
        raise StorageError(f"{path} cannot be rewritten: {error.strerror}. It is unchanged: free some space") from error


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def is_at(path: Path, fd: int) -> bool:
    """Return whether an open file is what lies at a path. Raises `StorageError` where nothing does."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError as error:
        raise StorageError(f"{path} was removed while it was in use: restore it, or create a new study") from error


def _cannot_open(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be opened: {error.strerror}")
