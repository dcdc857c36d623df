"""Which files count as images by their names, and what files of other kinds would need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import PurePath

from PIL import Image

_PILLOW = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".bmp", ".dib", ".gif", ".webp", ".avif"}
    | {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".pcx"}
)
_PLUGINS = {".heic": "pillow_heif", ".heif": "pillow_heif", ".hif": "pillow_heif"}  # suffix: the module that reads it

_CONVERT = "convert them to PNG or JPEG"
_NEEDS = {
    **dict.fromkeys(_PLUGINS, "pip install pillow-heif"),
    ".avif": "a newer Pillow: pip install -U pillow",
    ".webp": "a Pillow with WebP: pip install -U pillow",
    **dict.fromkeys((".jxl", ".svg", ".psd", ".eps", ".pdf", ".ico"), _CONVERT),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".raw"), _CONVERT),
    **dict.fromkeys((".dcm", ".nii", ".npy", ".mat", ".h5"), "convert them to PNG, TIFF or one .npz file"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"), "unpack them"),
}

# what systems and tools leave in folders; everything that begins with a dot is hidden too
_HIDDEN = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "@eadir", "#recycle"}
    | {"$recycle.bin", "system volume information", "lost+found"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is an operating system's or a tool's, and not the user's."""
    return name.startswith(".") or name.lower() in _HIDDEN


def is_image(name: str) -> bool:
    """Whether a file of that name can be read, by its suffix in any case."""
    suffix = PurePath(name).suffix.lower()
    if suffix in _PLUGINS:
        return find_spec(_PLUGINS[suffix]) is not None
    return suffix in _PILLOW and _known(suffix)


def _known(suffix: str) -> bool:
    """Whether this Pillow was built with the format."""
    if suffix in (".avif", ".webp", ".jp2", ".j2k"):
        return suffix in Image.registered_extensions()
    return True


def register(name: str) -> None:
    """Make Pillow able to read a file of that name, where a plugin does it."""
    suffix = PurePath(name).suffix.lower()
    if suffix in _PLUGINS:
        importlib.import_module(_PLUGINS[suffix]).register_heif_opener()


def suffixes() -> str:
    """The suffixes that are read, as text."""
    return ", ".join(s for s in sorted(_PILLOW | set(_PLUGINS)) if is_image("x" + s))


def left_out(others: Mapping[str, int]) -> tuple[str, ...]:
    """What to tell the user of files that do not count as images: at most one sentence.

    Args:
        others: how many there are of each suffix.
    """
    if not others:
        return ()
    counts = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{n} {suffix or 'without a suffix'}{_need(suffix)}" for suffix, n in counts[:12]]
    if len(counts) > 12:
        parts.append(f"{sum(n for _, n in counts[12:])} of other kinds")
    n = sum(others.values())
    return (f"left out {n} file{'s' if n > 1 else ''} that cannot be read as images: {', '.join(parts)}",)


def _need(suffix: str) -> str:
    return f" (to use them: {_NEEDS[suffix]})" if suffix in _NEEDS else ""
