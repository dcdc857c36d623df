"""The terminal of a program that may be gone: `script 2>&1 | head`, a closed window, a full disk.

What is shown there is for someone who looks on. When it can be shown no more, the work goes on.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import Any


class Shown:
    """A text file that writes to another, and drops what cannot be written.

    >>> import sys
    >>> from luthier.terminal import Shown
    >>> print("trial 0 complete", file=Shown(sys.stdout))
    trial 0 complete

    Args:
        stream: the other file.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, if it can be written."""
        with suppress(OSError, ValueError):  # ValueError: it was closed
            if type(self._stream) is io.TextIOWrapper:
                self._write_through(text)
            else:
                self._stream.write(text)
                self._stream.flush()
        return len(text)

    def _write_through(self, text: str) -> None:
        """Past the buffer: it would keep what failed, and Python would exit with code 120 as it fails again then."""
        stream = self._stream
        stream.flush()  # what others have written comes first
        raw = getattr(stream.buffer, "raw", stream.buffer)
        left = text.replace("\n", os.linesep).encode(stream.encoding, stream.errors or "strict")
        while left:
            left = left[raw.write(left) or len(left) :]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        """Nothing is left to be flushed."""
