"""What a folder of images holds: which files count, which folders are classes, and which are parts of a split."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from .formats import is_hidden, is_image

_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words}

_HOW = "put the images of each class into a folder of its own, named after it"


@dataclass(frozen=True)
class Found:
    """The files under a folder.

    Attributes:
        images: those that can be read, sorted.
        others: how many there are of each other suffix.
    """

    images: tuple[Path, ...]
    others: Counter[str]


@dataclass(frozen=True)
class Layout:
    """The parts of a data set; each folder holds class folders.

    Attributes:
        train, validation, test: their folders; None where the data has no such part.
        notes: what to tell the user.
    """

    train: Path
    validation: Path | None = None
    test: Path | None = None
    notes: tuple[str, ...] = ()


def printable(name: str | Path) -> str:
    """A name that can be printed and written, also if its bytes are not UTF-8."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def class_name(folder: Path) -> str:
    """The class that a folder stands for; composed and decomposed accents are the same name."""
    return printable(unicodedata.normalize("NFC", folder.name))


def folders_in(root: Path) -> list[Path]:
    """The visible folders of a folder, sorted; links to folders count."""
    return sorted(Path(entry.path) for entry in _entries(root) if _is_folder(entry))


def count_loose(root: Path) -> int:
    """How many images lie directly in a folder."""
    return sum(is_image(entry.name) and not _is_folder(entry) for entry in _entries(root))


def find_files(folder: Path) -> Found:
    """The files of a folder and of all folders in it.

    Hidden files and folders are left out at any depth. Links are followed, except back to a folder that leads there.

    Raises:
        DataError: a folder cannot be listed.
    """
    images: list[Path] = []
    others: Counter[str] = Counter()
    todo = [(folder, frozenset({_identity(folder)}))]
    while todo:
        here, above = todo.pop()
        for entry in _entries(here):
            if _is_folder(entry):
                identity = _identity(Path(entry.path))
                if identity not in above:
                    todo.append((Path(entry.path), above | {identity}))
            elif is_image(entry.name):
                images.append(Path(entry.path))
            else:
                others[Path(entry.name).suffix.lower()] += 1
    return Found(tuple(sorted(images)), others)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be listed: {error.strerror or error}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: Path) -> tuple[int, int]:
    try:
        stat = folder.stat()
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be read: {error.strerror or error}") from error
    return stat.st_dev, stat.st_ino


def find_layout(root: Path) -> Layout:
    """The parts of a folder: those of a given split, or one part that is the folder itself.

    A split is recognised where folders are named after its parts (train, val, test and their kin, in any case), hold
    class folders themselves, and nothing else stands beside them.

    Raises:
        DataError: there are no class folders, or it cannot be told whether folders are parts or classes.
    """
    folder, notes = _unwrapped(root)
    inside = folders_in(folder)
    if not inside:
        flat = bool(find_files(folder).images)
        problem = "holds images but no folders" if flat else "holds no folders and no idx files"
        raise DataError(f"{printable(folder)} {problem}: {_HOW}")
    layout = _split(folder, inside) or Layout(folder, notes=_alike(inside))
    return Layout(layout.train, layout.validation, layout.test, notes + layout.notes)


def _unwrapped(root: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that matters: archives often unpack to a folder in a folder."""
    folder, seen = root, {_identity(root)}
    while True:
        inside = folders_in(folder)
        if len(inside) != 1 or count_loose(folder):
            break
        (only,) = inside
        images = find_files(only).images
        if _identity(only) in seen or not images or any(path.parent == only for path in images):
            break
        seen.add(_identity(only))
        folder = only
    notes = () if folder == root else (f"the class folders are those in {printable(folder)}",)
    return folder, notes


def _split(folder: Path, inside: list[Path]) -> Layout | None:
    """The parts, or None if the folders are classes."""
    if not any(_role(path, loosely=True) for path in inside):
        return None
    images = {path: find_files(path).images for path in inside}
    full = [path for path in inside if images[path]]
    nested = {path for path in full if any(file.parent != path for file in images[path])}
    flat = {path for path in full if any(file.parent == path for file in images[path])}
    roles = {path: role for path in full if (role := _role(path))}
    loose = {path: role for path in full if (role := _role(path, loosely=True))}
    if set(loose) == set(full) == nested - flat and "train" in (values := list(loose.values())):
        roles = loose if len(set(values)) == len(values) else roles  # such as seg_train and seg_test
    if not roles:
        return None
    beside = [path for path in full if path not in roles]
    parts = {role: path for path, role in roles.items()}
    if beside:
        if "train" in parts and sum(path in nested for path in roles) > 1:
            raise DataError(
                f"{printable(folder)}: {_names(roles)} look like the parts of a split, as they hold folders, but "
                f"{_names(beside)} beside them {'is' if len(beside) == 1 else 'are'} not: move "
                f"{'it' if len(beside) == 1 else 'them'} elsewhere"
            )
        taken = "a class" if len(roles) == 1 else "classes"
        return Layout(folder, notes=(f"{_names(roles)} taken for {taken}, like {_names(beside)} beside", *_alike(full)))
    if len(parts) < len(roles):
        raise DataError(f"{printable(folder)}: of {_names(roles)}, two are the same part of a split: join or move one")
    if not nested.intersection(roles):
        raise DataError(
            f"{printable(folder)}: {_names(roles)} look like parts of a split, but hold no class folders: in each "
            f"part, {_HOW}; if they are the classes themselves, rename one of them"
        )
    if "train" not in parts:
        raise DataError(
            f"{printable(folder)}: {_names(roles)} look like parts of a split, but there is no folder train beside "
            "them: add it, or give one of these folders alone"
        )
    if parts["train"] not in nested:
        raise DataError(f"{printable(parts['train'])} holds images but no class folders: {_HOW}")
    notes = []
    for path in sorted(roles):
        if path not in nested:
            notes.append(f"{printable(path)} holds images without class folders, so without labels: left out")
            parts.pop(roles[path])
    inner = {role: _unwrapped(path)[0] for role, path in parts.items()}
    return Layout(inner["train"], inner.get("validation"), inner.get("test"), (*notes, _given(parts)))


def _role(path: Path, loosely: bool = False) -> str | None:
    """The part that a folder is named after; loosely, such as seg_train or test-set too."""
    name = path.name.casefold()
    if name in _ROLES or not loosely:
        return _ROLES.get(name)
    found = {_ROLES[word] for word in re.split(r"[\W_\d]+", name) if word in _ROLES}
    return found.pop() if len(found) == 1 else None


def _given(parts: dict[str, Path]) -> str:
    missing = [name for name in ("validation", "test") if name not in parts]
    text = f"the given split is used: {', '.join(f'{printable(p.name)} ({role})' for role, p in parts.items())}"
    if missing:
        made = " and ".join("the sealed test set" if name == "test" else "a validation part" for name in missing)
        text += f"; {made} {'are' if len(missing) > 1 else 'is'} split off the training images"
    return text


def _names(paths: list[Path] | dict[Path, str]) -> str:
    names = [printable(path.name) for path in paths]
    text = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return text if len(names) != 2 else " and ".join(names)


def _alike(folders: list[Path]) -> tuple[str, ...]:
    """Notes about classes whose names or insides make them look like a mistake."""
    by_name: dict[str, list[Path]] = {}
    for path in folders:
        by_name.setdefault(" ".join(class_name(path).casefold().split()), []).append(path)
    notes = [
        f"the classes {_names(same)} differ only in case or spaces: are they one?"
        for same in by_name.values()
        if len({class_name(path) for path in same}) > 1
    ]
    insides = [{p.name for p in folders_in(path)} for path in folders]
    if len(folders) > 1 and insides[0] and len(insides[0]) > 1 and all(names == insides[0] for names in insides):
        some = ", ".join(printable(name) for name in sorted(insides[0])[:3])
        notes.append(
            f"the classes {_names(folders)} all hold the same folders ({some}): if they are parts of a split, "
            "name them train, val and test"
        )
    return tuple(notes)
