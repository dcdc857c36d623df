"""Pixels of image files, read by Pillow: one size, one number of channels, and one unit of brightness for all."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...errors import DataError
from . import brightness, formats
from .layout import printable

MEMORY = 4 * 2**30  # bytes of pixels that are loaded at most: a search holds them four times over, as float32

Depth: TypeAlias = Literal["8-bit", "16-bit", "32-bit", "float"]

_DEPTHS: Mapping[str, Depth] = {"I;16": "16-bit", "I;16B": "16-bit", "I;16L": "16-bit", "I;16N": "16-bit"}
_GREY = frozenset({"1", "L", "LA", "La", "I", "F", *_DEPTHS})
_CLEAR = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ORIENTATION = 0x0112  # EXIF: how a camera was held; from 5 on, width and height change places
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE = 256, 257, 258  # TIFF
_SAMPLE_FORMAT = 339  # TIFF: 1 for unsigned, 2 for signed whole numbers
_LISTED = 20  # broken files in a message
_LOOKED_AT = 100  # images with transparency, to choose the background
_DIM = 32  # of 255: if 16-bit colour stays below this, too little of it is left in the upper byte


@dataclass(frozen=True)
class Reading:
    """How files become pixel values from 0 to 255: decided once for a data set, and kept with the model.

    Attributes:
        whites: the value of full brightness in files of each depth that is not 8 bits.
        background: what shows where an image is transparent: 255 for white, 0 for black.
    """

    whites: Mapping[str, float] = field(default_factory=dict)
    background: int = 255

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"whites": dict(self.whites), "background": self.background}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Reading:
        """The reading that `to_json` gave."""
        return Reading({str(k): float(v) for k, v in data["whites"].items()}, int(data["background"]))


@dataclass(frozen=True, eq=False)
class Pixels:
    """What was read.

    Attributes:
        images: (n, h, w, c) uint8 where every file has 8 bits, else float32; 0 to 255.
        kept: (n,) the rows of the files that these are.
        reading: how they were read.
        notes: what to tell the user.
    """

    images: NDArray[Any]
    kept: NDArray[np.int64]
    reading: Reading
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What the header of a file declares: (height, width) as it is seen, and more."""

    shape: tuple[int, int]
    depth: Depth
    grey: bool
    clear: bool
    frames: bool
    deep_colour: bool


@dataclass(frozen=True)
class _Plan:
    """(h, w, c) of all images, their type, and the background."""

    shape: tuple[int, int, int]
    dtype: type[np.uint8] | type[np.float32]
    background: int


class _Unreadable(Exception):
    """A file that is not a whole image; its text is the reason."""


def read_files(
    files: Sequence[Path],
    name: str,
    *,
    size: tuple[int, int] | None = None,
    shape: tuple[int, int, int] | None = None,
    reading: Reading | None = None,
    white: float | None = None,
    skip_broken: bool = False,
) -> Pixels:
    """Read image files as one array.

    Args:
        files: to read.
        name: what they are called in messages.
        size: (h, w) of all; None for the size that most of them have.
        shape: (h, w, c) of a model, in place of `size`; None for grey if every image is, else RGB.
        reading: the model's, None to decide it from these files.
        white: full brightness of the files that have more than 8 bits; None for the reading's.
        skip_broken: leave out files that cannot be read.

    Raises:
        DataError: some cannot be read (all are listed), or there are too many pixels.
    """
    if shape is not None and shape[2] not in (1, 3):
        raise DataError(f"{name}: the model takes {shape[2]} channels, but image files give 1 or 3: use an .npz file")
    with _without_warnings():
        broken: dict[int, str] = {}
        headers: dict[int, _Header] = {}
        for row, path in enumerate(files):
            try:
                headers[row] = _header(path)
            except _Unreadable as error:
                broken[row] = str(error)
        background = reading.background if reading else _background([files[r] for r, h in headers.items() if h.clear])
        images = np.empty((0, 1, 1, 1), np.uint8)
        while headers:
            plan = _plan(list(headers.values()), name, size, shape, background)
            images, failed = _decode([(row, files[row]) for row in headers], plan)
            broken |= failed
            good = np.array([row not in failed for row in headers])
            headers = {row: header for row, header in headers.items() if row not in failed}
            if not failed or not skip_broken:
                break
            if headers and _plan(list(headers.values()), name, size, shape, background) == plan:
                images = images[good]
                break  # otherwise the broken ones decided the size or the channels
    if broken and not (skip_broken and headers):
        raise DataError(_all_broken(files, broken, name, bool(headers)))
    depths = [header.depth for header in headers.values()]
    whites, notes = _whites(images, depths, files, list(headers), name, reading, white)
    if reading is None:
        _check_colour_depth(images, list(headers.values()), name)
    for depth, its_white in whites.items():
        rows = np.array([d == depth for d in depths])
        images[rows] *= np.float32(255.0 / its_white)
    if broken:
        n = f"{len(broken)} of {len(files)} files that cannot be read as images"
        notes = (f"left out {n}: {_listed(files, broken)}", *notes)
    frames = sum(header.frames for header in headers.values())
    if frames:
        notes += (f"{frames} file{'s' if frames > 1 else ''} with several frames: the first of each is used",)
    kept = np.array(list(headers), dtype=np.int64)
    return Pixels(images, kept, Reading({**(reading.whites if reading else {}), **whites}, background), notes)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Without Pillow's warnings about odd metadata and large images, which name no file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image whose header has been read.

    Raises:
        _Unreadable: anything goes wrong inside.
    """
    formats.register(path.name)
    try:
        if path.is_symlink() and not path.exists():
            raise _Unreadable("a link to a file that does not exist")
        if not path.is_file():
            raise _Unreadable("not a file")
        if path.stat().st_size == 0:
            raise _Unreadable("empty, 0 bytes")
        # a file rather than a path: Pillow maps paths into memory, and mixes up the rows of turned TIFFs there
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except _Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise _Unreadable("not in an image format that Pillow reads") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise _Unreadable(f"more than {limit:.0f} million pixels: PIL.Image.MAX_IMAGE_PIXELS can be raised") from error
    except MemoryError as error:
        raise _Unreadable("it takes more memory than there is") from error
    except OSError as error:
        raise _Unreadable(error.strerror or str(error) or "it cannot be read") from error
    except Exception as error:  # Pillow's formats raise whatever they meet in a broken file
        raise _Unreadable(str(error) or type(error).__name__) from error


def _header(path: Path) -> _Header:
    with _opened(path) as image:
        # asking a PNG without EXIF for it would decode its pixels
        turned = (image.format != "PNG" or "exif" in image.info) and _orientation(image) >= 5
        tags = getattr(image, "tag_v2", {})  # of a TIFF, whose size is as it is seen, or as it is stored, by version
        width, height = tags.get(_WIDTH, image.size[0]), tags.get(_HEIGHT, image.size[1])
        raw_modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
        return _Header(
            (width, height) if turned else (height, width),
            _depth(image.mode),
            image.mode in _GREY,
            _is_clear(image),
            image.format in ("GIF", "TIFF", "WEBP", "AVIF") and bool(getattr(image, "is_animated", False)),
            image.mode not in _GREY and any("16" in mode for mode in raw_modes),
        )


def _depth(mode: str) -> Depth:
    return _DEPTHS.get(mode) or ("32-bit" if mode == "I" else "float" if mode == "F" else "8-bit")


def _is_clear(image: Image.Image) -> bool:
    return image.mode in _CLEAR or ("transparency" in image.info and _depth(image.mode) == "8-bit")


def _background(files: list[Path]) -> int:
    """White, or black where what can be seen is nearly white itself."""
    light, weight = 0.0, 0.0
    for path in files[:: max(1, len(files) // _LOOKED_AT)]:
        try:
            with _opened(path) as image:
                pixels = np.asarray(_with_alpha(image), dtype=np.float64)  # (h, w, 4)
        except _Unreadable:
            continue  # it is met again, and named then
        seen = pixels[..., 3] / 255
        light += float((pixels[..., :3].mean(axis=2) * seen).sum())
        weight += float(seen.sum())
    return 0 if weight and light / weight > 191 else 255


def _with_alpha(image: Image.Image) -> Image.Image:
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def _plan(
    headers: list[_Header],
    name: str,
    size: tuple[int, int] | None,
    shape: tuple[int, int, int] | None,
    background: int,
) -> _Plan:
    if shape is None:
        height, width = size or Counter(header.shape for header in headers).most_common(1)[0][0]
        shape = (height, width, 1 if all(header.grey for header in headers) else 3)
    dtype = np.uint8 if all(header.depth == "8-bit" for header in headers) else np.float32
    needed = len(headers) * shape[0] * shape[1] * shape[2] * np.dtype(dtype).itemsize
    if needed > MEMORY:
        raise DataError(
            f"{name}: {len(headers)} images of {shape[0]}x{shape[1]} with {shape[2]} channel(s) take "
            f"{needed / 2**30:.1f} GiB, more than {MEMORY / 2**30:.0f}: state a smaller size, such as size=(64, 64) "
            "(--size 64)"
        )
    return _Plan(shape, dtype, background)


def _decode(files: list[tuple[int, Path]], plan: _Plan) -> tuple[NDArray[Any], dict[int, str]]:
    """(n, h, w, c) in the files' own units, and the reasons of those that cannot be read."""
    images = np.zeros((len(files), *plan.shape), dtype=plan.dtype)
    failed: dict[int, str] = {}
    for i, (row, path) in enumerate(files):
        try:
            with _opened(path) as image:
                images[i] = _pixels(image, plan)
        except _Unreadable as error:
            failed[row] = str(error)
    return images, failed


def _pixels(image: Image.Image, plan: _Plan) -> NDArray[Any]:
    """(h, w, c) of one image."""
    height, width, channels = plan.shape
    image.load()
    if _depth(image.mode) != "8-bit":
        upright = _upright(_deep(image))
    else:
        upright = _upright(image)
        if _is_clear(upright):
            over = Image.new("RGBA", upright.size, (plan.background,) * 3 + (255,))
            upright = Image.alpha_composite(over, _with_alpha(upright))
        if upright.mode not in _GREY:
            upright = upright.convert("RGB")
        upright = upright.convert("L" if channels == 1 else "RGB")
    if upright.size != (width, height):
        upright = upright.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright)
    return np.broadcast_to(pixels.reshape(height, width, -1), plan.shape)


def _orientation(image: Image.Image) -> int:
    """How the camera was held, from 1 to 8; 1 if the file does not tell, or tells it in EXIF that cannot be read."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises whatever it meets; the pixels are whole all the same
        return 1
    return found if isinstance(found, int) else 1


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _deep(image: Image.Image) -> Image.Image:
    """An image with more than 8 bits as floats, in its own unit."""
    values = np.asarray(image)
    if values.dtype == np.int32 and image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        if tags.get(_SAMPLE_FORMAT, (1,))[0] == 1 and tags.get(_BITS_PER_SAMPLE, (32,))[0] == 32:
            values = values.view(np.uint32)  # Pillow reads them as signed
    if not np.isfinite(values).all():
        raise _Unreadable("it holds NaN or infinity")
    out = Image.fromarray(values.astype(np.float32))
    exif = Image.Exif()
    exif[_ORIENTATION] = _orientation(image)
    out.info["exif"] = exif.tobytes()
    return out


def _whites(
    images: NDArray[Any],
    depths: list[Depth],
    files: Sequence[Path],
    rows: list[int],
    name: str,
    reading: Reading | None,
    white: float | None,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Full brightness of each depth beyond 8 bits, and notes."""
    whites: dict[str, float] = {}
    notes: list[str] = []
    for depth in sorted(set(depths) - {"8-bit"}):
        its = np.array([d == depth for d in depths])
        span = brightness.Span.of(images[its])
        if depth != "float":
            span = replace(span, whole=True)  # resizing makes fractions
        known = reading.whites.get(depth) if reading else None
        where = f"{name}, {depth} files"
        if white is not None:
            whites[depth] = white
        elif known is not None and depth == "float":
            whites[depth] = brightness.unit_of(span, known, min(span.low, 0.0), where)
        elif known is not None:
            whites[depth] = brightness.within(span, known, where)
        else:
            whites[depth] = brightness.white_of(span)
            if reading is not None:
                example = printable(files[rows[int(np.flatnonzero(its)[0])]].name)
                notes.append(
                    f"the model was trained on no {depth} images, but {example} is one: {whites[depth]:g} is taken for "
                    "full brightness; state white= (--white) if it is not"
                )
            elif depth == "16-bit" and whites[depth] != 65535:
                notes.append(f"16-bit images go up to {span.high:g}: {whites[depth]:g} is taken for full brightness")
    return whites, tuple(notes)


def _check_colour_depth(images: NDArray[Any], headers: list[_Header], name: str) -> None:
    rows = np.array([header.deep_colour for header in headers])
    if rows.any() and images[rows].max() < _DIM:
        raise DataError(
            f"{name}: {rows.sum()} colour images have 16 bits a channel but use the lowest 13 at most, and Pillow "
            "reads the upper 8: convert them to 8 bits, or give the values in an .npz file"
        )


def _all_broken(files: Sequence[Path], broken: dict[int, str], name: str, some_left: bool) -> str:
    if len(broken) == 1:
        ((row, reason),) = broken.items()
        text = f"{printable(files[row])} cannot be read as an image ({reason}): repair or remove it"
        return text + (", or leave it out with skip_broken=True (--skip-broken)" if some_left else "")
    shown = f"{len(broken)} of {len(files)} files cannot be read as images"
    text = f"{name}: {shown}: {_listed(files, broken)}: repair or remove them"
    return text + (", or leave them out with skip_broken=True (--skip-broken)" if some_left else "")


def _listed(files: Sequence[Path], broken: dict[int, str]) -> str:
    """The first of the files that cannot be read, and why."""
    shown = [f"{printable(files[row])} ({reason})" for row, reason in sorted(broken.items())[:_LISTED]]
    more = f" and {len(broken) - _LISTED} more" if len(broken) > _LISTED else ""
    return "; ".join(shown) + more
