"""Folders that are classes, parts of a split, or neither; files that count and files that do not."""

from __future__ import annotations

import logging
import os
import sys
import types
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from luthier.errors import DataError
from luthier.tasks.image import ImageTask, load_images, load_unlabelled

RNG = np.random.default_rng(0)


def noise(path: Path, n: int = 2, suffix: str = ".png", **options: object) -> None:
    """Different images in a folder, which is made."""
    path.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(RNG.integers(0, 256, (4, 4), dtype=np.uint8)).save(path / f"{i}{suffix}", **options)


def split(root: Path, **parts: int) -> None:
    """Parts with the classes a and b, so many images of each."""
    for part, n in parts.items():
        for name in "ab":
            noise(root / part / name, n)


def notes(root: Path) -> str:
    return "; ".join(load_images(root).notes)


# -- given splits


@pytest.mark.parametrize("words", [("train", "val"), ("Train", "VALID"), ("training", "validation"), ("TRAIN", "dev")])
def test_training_and_validation_folders_are_no_classes(tmp_path: Path, words: tuple[str, str]) -> None:
    split(tmp_path, **{words[0]: 10, words[1]: 3})
    data = load_images(tmp_path)
    assert (data.classes, len(data.images), data.test) == (("a", "b"), 20, None)
    assert data.validation is not None
    assert data.validation[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert "the sealed test set is split off the training images" in data.notes[-1]
    prepared = ImageTask(tmp_path).prepared
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (16, 6, 4)
    assert prepared.notes == data.notes


@pytest.mark.parametrize("words", [("train", "test"), ("Training", "Testing"), ("seg_train", "seg_test")])
def test_training_and_test_folders_are_no_classes(tmp_path: Path, words: tuple[str, str]) -> None:
    split(tmp_path, **{words[0]: 10, words[1]: 3})
    data = load_images(tmp_path)
    assert (data.classes, data.validation) == (("a", "b"), None)
    assert data.test is not None
    assert "a validation part is split off the training images" in data.notes[-1]
    prepared = ImageTask(tmp_path).prepared
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (16, 4, 6)


def test_a_whole_split_is_used_as_it_is(tmp_path: Path) -> None:
    split(tmp_path, train=10, val=3, test=4)
    (tmp_path / "notes").mkdir()  # holds no images, so it is no part and no class
    (tmp_path / "notes" / "a.txt").write_text("x")
    prepared = ImageTask(tmp_path).prepared
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (20, 6, 8)
    again = ImageTask(tmp_path, limit=13).prepared
    assert (len(again.train), len(again.validation), len(again.sealed)) == (10, 3, 8)


def test_a_tiny_given_validation_part_is_pointed_out(tmp_path: Path) -> None:
    split(tmp_path, train=60, val=2)
    assert "holds only 4 images, so its accuracy moves in steps of 25.0%" in "; ".join(ImageTask(tmp_path).notes())


def test_train_alone_and_folders_in_folders_of_archives(tmp_path: Path) -> None:
    split(tmp_path / "one" / "archive" / "photos", train=5)
    data = load_images(tmp_path / "one")
    assert (data.classes, len(data.images), data.validation, data.test) == (("a", "b"), 10, None, None)
    split(tmp_path / "two" / "train", train=5)  # train/train/a
    split(tmp_path / "two" / "test", test=2)
    data = load_images(tmp_path / "two")
    assert (data.classes, len(data.images)) == (("a", "b"), 10)
    assert data.test is not None


def test_classes_that_are_called_train_and_test(tmp_path: Path) -> None:
    for name in ("train", "car", "test"):
        noise(tmp_path / "flat" / name)
        for kind in ("old", "new"):
            noise(tmp_path / "deep" / name / kind)
    assert load_images(tmp_path / "flat").classes == ("car", "test", "train")
    assert "taken for classes, like car beside" in notes(tmp_path / "flat")
    with pytest.raises(DataError, match=r"test and train look like the parts of a split.*but car beside them is not"):
        load_images(tmp_path / "deep")
    for kind in ("bus", "bullet train"):
        noise(tmp_path / "vehicles" / kind)
    noise(tmp_path / "vehicles" / "train" / "steam")
    assert load_images(tmp_path / "vehicles").classes == ("bullet train", "bus", "train")


@pytest.mark.parametrize("words", [("train", "test"), ("valid", "Test"), ("train", "val", "test")])
def test_parts_without_class_folders_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    for word in words:
        noise(tmp_path / word)
    with pytest.raises(DataError, match=r"look like parts of a split, but hold no class folders.*rename one of them"):
        load_images(tmp_path)


def test_parts_that_do_not_go_together(tmp_path: Path) -> None:
    split(tmp_path / "a", val=2, test=2)
    with pytest.raises(DataError, match="there is no folder train beside them"):
        load_images(tmp_path / "a")
    split(tmp_path / "b", train=2, training=2, test=2)
    with pytest.raises(DataError, match="two are the same part of a split"):
        load_images(tmp_path / "b")
    split(tmp_path / "c", val=2)
    noise(tmp_path / "c" / "train")
    with pytest.raises(DataError, match="c/train holds images but no class folders"):
        load_images(tmp_path / "c")


def test_a_test_folder_without_labels_is_left_out(tmp_path: Path) -> None:
    split(tmp_path, train=5)
    noise(tmp_path / "test", 7)
    data = load_images(tmp_path)
    assert (len(data.images), data.test) == (10, None)
    assert "test holds images without class folders, so without labels: left out" in data.notes[0]


def test_classes_with_the_same_folders_are_pointed_out(tmp_path: Path) -> None:
    split(tmp_path, monday=3, tuesday=3)
    assert load_images(tmp_path).classes == ("monday", "tuesday")
    assert "all hold the same folders (a, b): if they are parts of a split" in notes(tmp_path)


# -- files that do not count

JUNK = (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", "lost+found")


@pytest.mark.parametrize("depth", ["", "a", "a/deep", "test/a"])
def test_hidden_folders_and_files_never_count(tmp_path: Path, depth: str) -> None:
    root = tmp_path / ".cache" / "data"  # a hidden folder above does not matter
    split(root, train=4, test=2) if depth.startswith("test") else [noise(root / name / "deep", 4) for name in "ab"]
    before = load_images(root)
    for name in JUNK:
        noise(root / depth / name, 3)
    (root / depth / "._0.png").write_bytes(b"\x00\x05\x16\x07 resource fork")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (root / depth / name).write_bytes(b"junk")
    after = load_images(root)
    np.testing.assert_array_equal(after.images, before.images)
    assert (after.classes, after.notes) == (before.classes, before.notes)
    assert (after.test is None) == (before.test is None)
    names, _ = load_unlabelled(root, (4, 4, 1))
    assert len(names) == len(before.images) + (0 if before.test is None else len(before.test[1]))


def test_a_class_whose_name_begins_with_underscores(tmp_path: Path) -> None:
    for name in ("__background__", "cat"):
        noise(tmp_path / name)
    assert load_images(tmp_path).classes == ("__background__", "cat")


def test_other_files_are_counted_by_suffix(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "ab":
        noise(tmp_path / name)
    for name in ("1.HEIC", "2.heic", "notes.txt", "README"):
        (tmp_path / "a" / name).write_bytes(b"x")
    noise(tmp_path, 1)
    with caplog.at_level(logging.WARNING, "luthier"):
        data = load_images(tmp_path)
    assert data.notes[0] == (
        "left out 4 files that cannot be read as images: 2 .heic (to use them: pip install pillow-heif), "
        "1 without a suffix, 1 .txt"
    )
    assert "1 image lies directly in" in data.notes[1]
    assert [r.getMessage() for r in caplog.records] == [f"{tmp_path}: {note}" for note in data.notes]


def test_a_folder_of_heic_alone_says_what_reads_them(tmp_path: Path) -> None:
    noise(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"/b holds no images: .*1 \.heic \(to use them: pip install pillow-heif\)"):
        load_images(tmp_path)
    with pytest.raises(DataError, match=r"1 \.heic \(to use them: pip install pillow-heif\)"):
        load_unlabelled(tmp_path / "b", (4, 4, 1))


def test_heic_is_read_where_its_plugin_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = types.ModuleType("pillow_heif")
    plugin.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    called: list[bool] = []
    plugin.register_heif_opener = lambda: called.append(True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    for name in "ab":
        noise(tmp_path / name)
        os.rename(tmp_path / name / "0.png", tmp_path / name / "0.HEIC")  # what is inside decides
    assert len(load_images(tmp_path).images) == 4
    assert called


@pytest.mark.parametrize("suffix", [".jfif", ".JPG", ".webp", ".bmp", ".BMP", ".avif", ".tga", ".ppm", ".jp2", ".Jpeg"])
def test_suffixes_that_pillow_reads(tmp_path: Path, suffix: str, lacks: Callable[[str], NoReturn]) -> None:
    if suffix.lower() not in Image.registered_extensions():
        lacks(f"this Pillow was built without {suffix}")
    for name in "ab":
        noise(tmp_path / name, 3, suffix)
    data = load_images(tmp_path)
    assert (len(data.images), data.notes) == (6, ())


# -- links and names


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    noise(tmp_path / "store" / "cats", 3)
    noise(tmp_path / "data" / "dog", 2)
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "store" / "cats")
    (tmp_path / "data" / "dog" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "dog" / "self").symlink_to(tmp_path / "data" / "dog" / "self")
    (tmp_path / "data" / "dog" / "one.png").symlink_to(tmp_path / "store" / "cats" / "0.png")
    data = load_images(tmp_path / "data")
    assert data.classes == ("cat", "dog")
    assert np.bincount(data.labels).tolist() == [3, 2 + 1 + 3]  # three come in through dog/up/cat


def test_a_folder_that_holds_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="holds no images"):
        load_images(tmp_path)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    for name in "ab":
        noise(tmp_path / name)
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"a/gone\.png cannot be read as an image \(a link to a file that does not"):
        load_images(tmp_path)


def test_names_of_classes(tmp_path: Path) -> None:
    accent = unicodedata.normalize("NFD", "café")
    for name in (accent, "猫", "🚗", "Cat", "cat", "a b"):
        noise(tmp_path / "train" / name)
    noise(tmp_path / "test" / "café")  # composed here, decomposed there
    data = load_images(tmp_path)
    assert data.classes == tuple(sorted(["café", "猫", "🚗", "Cat", "cat", "a b"]))
    assert data.test is not None
    assert data.test[1].tolist() == [data.classes.index("café")] * 2
    (tmp_path / "test" / "Café").mkdir()
    noise(tmp_path / "test" / "CAFÉ")
    with pytest.raises(DataError, match=r"is of a class that the training part lacks \(it has 'café'\)"):
        load_images(tmp_path)


def test_classes_that_differ_only_in_case_are_pointed_out(tmp_path: Path, lacks: Callable[[str], NoReturn]) -> None:
    for name in ("Cat", "cat", "dog"):
        noise(tmp_path / name)
    if len(os.listdir(tmp_path)) == 2:
        lacks("this file system does not tell them apart")
    assert "Cat and cat differ only in case or spaces" in notes(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist on Linux")
def test_names_that_are_no_utf8_can_be_printed(tmp_path: Path) -> None:
    for name in ("ok", os.fsdecode(b"\xff\xfe")):
        noise(tmp_path / name)
    data = load_images(tmp_path)
    names, _ = load_unlabelled(tmp_path, (4, 4, 1))
    for text in (*data.classes, *names):
        text.encode("utf-8")


def test_all_empty_classes_are_named(tmp_path: Path) -> None:
    noise(tmp_path / "full")
    for name in ("one", "two"):
        (tmp_path / name / ".ipynb_checkpoints").mkdir(parents=True)
    with pytest.raises(DataError, match=r"/one, .*/two hold no images: add some or remove them"):
        load_images(tmp_path)


def test_an_empty_class_of_a_held_out_part_is_left_out(tmp_path: Path) -> None:
    split(tmp_path, train=4, test=2)
    (tmp_path / "test" / "c").mkdir()
    assert "test/c holds no images: left out" in notes(tmp_path)


def test_a_class_with_one_image_is_named(tmp_path: Path) -> None:
    noise(tmp_path / "many", 20)
    noise(tmp_path / "single", 1)
    with pytest.raises(DataError, match="class 'single' has 1 of 21 images, too few"):
        _ = ImageTask(tmp_path).prepared


def test_a_task_tells_its_notes_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    split(tmp_path, train=10, test=3)
    task = ImageTask(tmp_path)
    with caplog.at_level(logging.WARNING, "luthier"):
        _ = task.prepared
        assert len(caplog.records) == len(task.prepared.notes) == 1
        worker = ImageTask.__new__(ImageTask)
        worker.__dict__.update(task.__getstate__())
        assert worker.prepared.notes == task.prepared.notes
        assert ImageTask(tmp_path).notes() == task.prepared.notes  # the caller says them
        assert len(caplog.records) == 1
