"""Frames: how entries lie in a journal, so that a torn or damaged one is seen.

A frame is one line of ASCII, `LENGTH CRC32 JSON`, with both numbers as eight hexadecimal digits and the length that
of the JSON. JSON on one line holds no line feed, so after damage the next frame is found at the next line. The first
frame is the header: what the file is, its schema, and an id of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from ...errors import SchemaTooNew, StorageError
from ..codec import from_json, to_json

SCHEMA = 1
"""The newest schema that this Luthier reads; the one that it writes."""
MAGIC = "luthier-journal"
_PREFIX = 18


def frame(text: str) -> bytes:
    """Return the frame of a JSON text."""
    payload = text.encode("ascii")
    return b"%08x %08x %b\n" % (len(payload), crc32(payload), payload)


def new_header() -> bytes:
    """Return the first frame of a new file."""
    return frame(to_json({"magic": MAGIC, "schema": SCHEMA, "id": secrets.token_hex(8)}))


HEADER_SIZE = len(new_header())


def is_torn_header(data: bytes) -> bool:
    """Return whether a file is only the beginning of a header: its creator died before anything was in it."""
    length = b"%08x " % (HEADER_SIZE - _PREFIX - 1)
    return len(data) < HEADER_SIZE and b"\n" not in data and length.startswith(data[: len(length)])


def header_id(line: bytes, path: Path) -> str | None:
    """Return the file's id out of its first line; None if that is not a header.

    Raises:
        SchemaTooNew: a newer version of Luthier wrote the file.
    """
    texts, _ = whole_frames(line)
    header: Any = from_json(texts[0]) if texts else None
    if not isinstance(header, dict) or header.get("magic") != MAGIC:
        return None
    if (schema := header["schema"]) > SCHEMA:
        raise SchemaTooNew(
            f"{path} has schema {schema}, this version of Luthier reads up to {SCHEMA}: "
            "upgrade Luthier, or use another file"
        )
    return str(header["id"])


def whole_frames(data: bytes, start: int = 0) -> tuple[list[str], int]:
    """Return the texts of the frames from `start` up to the first that is not whole, and where that one begins."""
    texts = []
    while (end := data.find(b"\n", start)) >= 0:
        payload = data[start + _PREFIX : end]
        if data[start : start + _PREFIX] != b"%08x %08x " % (len(payload), crc32(payload)):
            break
        texts.append(payload.decode("ascii"))
        start = end + 1
    return texts, start


def stretches(data: bytes) -> Iterator[tuple[int, int, list[str]]]:
    """All of a file in turn: where a stretch begins and ends, and the texts of its frames; none where it is damaged."""
    start = 0
    while start < len(data):
        texts, end = whole_frames(data, start)
        if not texts:
            end = next_whole_frame(data, start)
        yield start, end, texts
        start = end


def next_whole_frame(data: bytes, start: int) -> int:
    """Where the first whole frame on a line after `start` begins; the end of the data if there is none."""
    while (end := data.find(b"\n", start)) >= 0:
        start = end + 1
        line_end = data.find(b"\n", start)
        if line_end >= 0 and whole_frames(data[start : line_end + 1])[0]:
            return start
    return len(data)


def damage(path: Path, offset: int) -> StorageError:
    """Return what is raised where whole frames follow a damaged one."""
    return StorageError(
        f"{path} is damaged at byte {offset}, and intact records follow it; nothing was changed. "
        f"`luthier repair {path}` saves them and reports what was lost"
    )
