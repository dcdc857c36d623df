"""Splits keep the classes' shares, share no image, and the test set stays sealed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import DataError
from luthier.tasks.image import ImageData, Normalization, Prepared, load_images, prepare
from luthier.tasks.image.split import group_copies


def numbered(n: int, classes: int = 3, test: int = 0) -> ImageData:
    """Images that carry their own number, so that they can be told apart."""
    images = np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 5, 2), np.float32)
    part = (n + images[:test], np.arange(test) % classes) if test else None
    return ImageData(images, np.arange(n) % classes, tuple("abcdefgh"[:classes]), "numbered", part)


def numbers(prepared: Prepared, inputs: object) -> set[int]:
    mean, std = prepared.normalization.mean[0], prepared.normalization.std[0]
    return set(np.round(np.asarray(inputs)[:, 0, 0, 0] * std + mean).astype(int).tolist())


@settings(deadline=None, max_examples=25)
@given(n=st.integers(40, 200), classes=st.integers(2, 4), seed=st.integers(0, 99))
def test_parts_are_disjoint_complete_and_stratified(n: int, classes: int, seed: int) -> None:
    prepared = prepare(numbered(n, classes), seed)
    test = prepared.sealed.open("a test")
    parts = [prepared.train, prepared.validation, test]
    found = [numbers(prepared, part.inputs) for part in parts]
    assert sum(map(len, found)) == n
    assert set.union(*found) == set(range(n))
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(part) - share * n) <= 2
        counts = np.bincount(part.targets.numpy(), minlength=classes)
        assert counts.max() - counts.min() <= 2


def test_the_seed_decides_the_split() -> None:
    data = numbered(90)
    one, same, other = (numbers(p, p.train.inputs) for p in (prepare(data, 1), prepare(data, 1), prepare(data, 2)))
    assert one == same != other


def test_normalised_on_the_training_part_alone() -> None:
    prepared = prepare(numbered(90))
    inputs = prepared.train.inputs.numpy()
    assert inputs.shape == (54, 2, 4, 5)
    np.testing.assert_allclose(inputs.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std(axis=(0, 2, 3)), 1, atol=1e-5)
    assert abs(float(prepared.validation.inputs.mean())) > 1e-4  # by the training part's numbers, not its own
    assert prepared.shape == (2, 4, 5)


def test_a_channel_that_never_varies() -> None:
    images = np.full((10, 3, 3, 2), 7, np.uint8)
    images[:5, ..., 1] = 9
    normalization = Normalization.of(images)
    assert (normalization.mean, normalization.std) == ((7.0, 8.0), (1.0, 1.0))
    assert float(normalization(images)[:, 0].abs().max()) == 0


def test_moments_of_chunks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    monkeypatch.setattr("luthier.tasks.image.split._CHUNK", 7)
    normalization = Normalization.of(images)
    np.testing.assert_allclose(normalization.mean, images.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(normalization.std, images.std(axis=(0, 1, 2)))


def test_a_test_part_that_came_with_the_data_is_the_sealed_one() -> None:
    prepared = prepare(numbered(100, test=12))
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (80, 20, 12)
    assert numbers(prepared, prepared.sealed.open("a test").inputs) == {100 + i for i in range(12)}


def test_a_limit_leaves_the_sealed_set_whole() -> None:
    whole, limited = prepare(numbered(150)), prepare(numbered(150), limit=40)
    assert (len(limited.train), len(limited.validation), len(limited.sealed)) == (30, 10, 30)
    assert len(prepare(numbered(150), limit=1000).train) == len(whole.train)
    a, b = (numbers(p, p.sealed.open("a test").inputs) for p in (whole, limited))
    assert a == b


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.2), (0.2, 1.0), (0.5, 0.5), (-0.1, 0.2)])
def test_shares_that_cannot_be(validation: float, test: float) -> None:
    with pytest.raises(DataError, match=r"share lies between|leave nothing"):
        prepare(numbered(60), validation=validation, test=test)


@pytest.mark.parametrize("rare", [1, 2])
def test_too_few_images_of_a_class_are_named(rare: int) -> None:
    images = np.arange((40 + rare) * 16, dtype=np.float32).reshape(-1, 4, 4, 1)
    labels = np.array([0, 1] * 20 + [2] * rare)
    with pytest.raises(DataError, match=r"numbered: class 'rare' has \d of \d+ images, too few"):
        prepare(ImageData(images, labels, ("a", "b", "rare"), "numbered"))


# -- the seal


def test_the_sealed_part_is_normalised_as_the_training_part(tmp_path: Path) -> None:
    prepared = prepare(numbered(60), marker=tmp_path / "opened.jsonl")
    assert repr(prepared.sealed) == "SealedTest(12 images, sealed)"
    first = prepared.sealed.open("final check")
    again = prepare(numbered(60)).sealed.open("final check")
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert prepare(numbered(60), marker=tmp_path / "opened.jsonl").sealed.is_open


# -- copies


def with_copies(n: int = 60, copies: int = 12) -> ImageData:
    """Numbered images, the first of which come again at the end."""
    images = np.arange(1, n + 1, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 5, 2), np.float32)
    labels = np.arange(n) % 3
    return ImageData(
        np.concatenate([images, images[:copies]]), np.concatenate([labels, labels[:copies]]), tuple("abc"), "copies"
    )


@settings(deadline=None, max_examples=25)
@given(n=st.integers(40, 90), copies=st.integers(1, 30), seed=st.integers(0, 99))
def test_copies_are_never_in_two_parts(n: int, copies: int, seed: int) -> None:
    prepared = prepare(with_copies(n, copies), seed)
    parts = [prepared.train, prepared.validation, prepared.sealed.open("a test")]
    assert sum(map(len, parts)) == n + copies
    train, validation, test = (numbers(prepared, part.inputs) for part in parts)
    assert not train & test
    assert not train & validation
    assert not validation & test
    what = "1 image is an exact copy of another" if copies == 1 else f"{copies} images are exact copies of others"
    assert prepared.notes[0].startswith(what)


def test_copies_do_not_change_a_split_without_them() -> None:
    assert prepare(numbered(90)).notes == ()


def test_copies_of_a_given_test_part_leave_the_training_part() -> None:
    data = with_copies(60, 0)
    test = data.images[:10], data.labels[:10]
    held = (
        np.concatenate([data.images[5:15], data.images[20:25]]),
        np.concatenate([data.labels[5:15], data.labels[20:25]]),
    )
    prepared = prepare(ImageData(data.images, data.labels, data.classes, "mine", test, validation=held))
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (40, 10, 10)
    assert prepared.notes == (
        "in the training part, 10 images are exact copies of images in the sealed test set: left out of the training "
        "part",
        "in the validation part, 5 images are exact copies of images in the sealed test set: left out of the "
        "validation part",
        "in the training part, 10 images are exact copies of images in the validation part: left out of the training "
        "part",
    )
    everything = set(range(1, 61))
    assert numbers(prepared, prepared.train.inputs) == everything - set(range(1, 16)) - set(range(21, 26))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("part", ["test", "validation"])
def test_copies_stored_in_another_type_are_copies(part: str, dtype: type) -> None:
    data = with_copies(60, 0)
    images = data.images - 1  # 0..59
    held = {part: (images[:10].astype(dtype), data.labels[:10])}
    prepared = prepare(ImageData(images.astype(np.uint8), data.labels, data.classes, "mine", **held))
    parts = [prepared.train, prepared.validation, prepared.sealed.open("a test")]
    found = [numbers(prepared, x.inputs) for x in parts]
    assert set.union(*found) == set(range(60))
    assert sum(map(len, found)) == 60  # no image is in two parts


def test_zeros_of_either_sign_are_the_same_pixel() -> None:
    a, b = group_copies(np.zeros((1, 2, 2, 1), np.uint8), np.full((2, 2, 2, 1), -0.0))
    assert (a.tolist(), b.tolist()) == ([0], [0, 0])


def test_copies_of_an_npz_file_with_parts_of_two_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 6, 6), dtype=np.uint8), np.arange(60) % 2
    test = np.concatenate([images[:10], rng.integers(0, 256, (10, 6, 6), dtype=np.uint8)])
    np.savez(
        tmp_path / "x.npz", x_train=images, y_train=labels, x_test=test.astype(np.float32), y_test=np.arange(20) % 2
    )
    prepared = prepare(load_images(tmp_path / "x.npz"))
    assert len(prepared.train) + len(prepared.validation) == 50


def test_a_part_of_copies_alone_is_refused() -> None:
    data = with_copies(60, 0)
    with pytest.raises(DataError, match="every image of the training part is also in the sealed test set"):
        prepare(ImageData(data.images, data.labels, data.classes, "mine", (data.images, data.labels)))


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_class_of_which_only_copies_are_trained_on_is_refused(part: str) -> None:
    data = with_copies(60, 0)
    copies = data.labels == 2
    copies[0] = True
    held = {part: (data.images[copies], data.labels[copies])}
    with pytest.raises(DataError, match=r"mine: every training image of class 'c' is also in the .*: give other"):
        prepare(ImageData(data.images, data.labels, data.classes, "mine", **held), test=0.3)


def test_copies_with_other_labels_are_pointed_out() -> None:
    data = with_copies(60, 4)
    labels = data.labels.copy()
    labels[-1] = (labels[-1] + 1) % 3
    notes = prepare(ImageData(data.images, labels, data.classes, "mine")).notes
    assert notes[1] == "1 of these copies is of another class than the first, such as 'a' and 'b': check their labels"


def test_a_class_of_copies_of_another_is_refused() -> None:
    data = with_copies(60, 12)
    labels = np.where(np.arange(72) < 60, np.arange(72) % 2, 2)
    with pytest.raises(DataError, match="every image of class 'c' is an exact copy of one of another class"):
        prepare(ImageData(data.images, labels, data.classes, "mine"))


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1", True, None])
def test_a_seed_that_cannot_be(seed: object) -> None:
    with pytest.raises(DataError, match=r"seed=.*: a seed is a whole number from 0 to 2\*\*32 - 1"):
        prepare(numbered(60), seed)  # type: ignore[arg-type]


# -- a validation part that came with the data


def test_a_given_validation_part_stays() -> None:
    data = with_copies(100, 0)
    held = data.images[:20] + 200, data.labels[:20]
    prepared = prepare(ImageData(data.images, data.labels, data.classes, "mine", validation=held), test=0.3)
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (70, 20, 30)
    assert numbers(prepared, prepared.validation.inputs) == {200 + i for i in range(1, 21)}
    limited = prepare(ImageData(data.images, data.labels, data.classes, "mine", validation=held), test=0.3, limit=45)
    assert (len(limited.train), len(limited.validation), len(limited.sealed)) == (35, 10, 30)
