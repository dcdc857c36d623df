"""Splits of a data set into parts to train on and parts to judge on, as arrays of row indices.

Every function returns sorted, disjoint index arrays; scikit-learn draws the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, missing

Rows: TypeAlias = NDArray[np.intp]


class Fold(NamedTuple):
    """Holds the rows to train on and the rows to judge on.

    >>> from luthier.confirm import k_fold
    >>> for train, test in k_fold(4, k=2, seed=0):
    ...     print(train.tolist(), test.tolist())
    [0, 1] [2, 3]
    [2, 3] [0, 1]
    """

    train: Rows  # (k,)
    test: Rows  # (n - k,), fewer where later rows must not be seen


def hold_out(n: int, share: float = 0.2, *, labels: ArrayLike | None = None, seed: int = 0) -> Fold:
    """Set one part aside: `share` of n rows at random.

    >>> from luthier.confirm import hold_out
    >>> train, test = hold_out(10, share=0.3, labels=[0, 1] * 5)
    >>> len(train), len(test)
    (7, 3)

    Args:
        n: number of rows.
        share: part of the rows to set aside, in (0, 1).
        labels: (n,) classes; given, each keeps its share on both sides.
        seed: of the draw.

    Raises:
        DataError: too few rows, or a class with fewer than two rows.
        MissingDependency: scikit-learn is not installed.
    """
    _enough(n, 2)
    if not 0 < share < 1:
        raise DataError(f"share={share} must lie between 0 and 1, both excluded")
    y = None if labels is None else _column("labels", labels, n)
    if y is not None:
        _rows_of_each_class(y, 2, "a stratified hold-out")
    with _explained():
        train, test = _sklearn().train_test_split(np.arange(n), test_size=share, random_state=seed, stratify=y)
    return _fold(train, test)


def k_fold(n: int, k: int = 5, *, seed: int = 0) -> list[Fold]:
    """Return k folds of shuffled rows: each row is judged on once.

    >>> from luthier.confirm import k_fold
    >>> sorted(row for fold in k_fold(6, k=3) for row in fold.test.tolist())
    [0, 1, 2, 3, 4, 5]

    Raises:
        DataError: k < 2, or fewer rows than folds.
        MissingDependency: scikit-learn is not installed.
    """
    _folds(k)
    _enough(n, k)
    return _all(_sklearn().KFold(k, shuffle=True, random_state=seed).split(np.zeros(n)))


def stratified_k_fold(labels: ArrayLike, k: int = 5, *, seed: int = 0) -> list[Fold]:
    """Return k folds of shuffled rows in which every class has its share.

    >>> from luthier.confirm import stratified_k_fold
    >>> labels = ["cat", "cat", "dog", "dog"]
    >>> [sorted(labels[row] for row in fold.test) for fold in stratified_k_fold(labels, k=2)]
    [['cat', 'dog'], ['cat', 'dog']]

    Args:
        labels: (n,) classes.
        k: number of folds.
        seed: of the shuffle.

    Raises:
        DataError: k < 2, or a class with fewer than k rows.
        MissingDependency: scikit-learn is not installed.
    """
    _folds(k)
    y = _column("labels", labels)
    _enough(len(y), k)
    _rows_of_each_class(y, k, f"{k} stratified folds")
    return _all(_sklearn().StratifiedKFold(k, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))


def grouped_k_fold(groups: ArrayLike, k: int = 5) -> list[Fold]:
    """Return k folds in which no group (a patient, an author) stands on both sides.

    >>> from luthier.confirm import grouped_k_fold
    >>> patients = ["a", "a", "b", "b", "c", "c"]
    >>> sorted({patients[row] for row in fold.test}.pop() for fold in grouped_k_fold(patients, k=3))
    ['a', 'b', 'c']

    Args:
        groups: (n,) the group of each row.
        k: number of folds; of about equal numbers of rows.

    Raises:
        DataError: k < 2, or fewer groups than folds.
        MissingDependency: scikit-learn is not installed.
    """
    _folds(k)
    g = _column("groups", groups)
    count = len(np.unique(g))
    if count < k:
        raise DataError(f"there are {count} groups for {k} folds: lower k to {max(count, 2)} or fewer")
    return _all(_sklearn().GroupKFold(k).split(np.zeros(len(g)), groups=g))


def time_folds(times: ArrayLike, k: int = 5) -> list[Fold]:
    """Return k folds that train on the past and judge on what came right after it.

    >>> from luthier.confirm import time_folds
    >>> for train, test in time_folds(["2021", "2022", "2023"], k=2):
    ...     print(train.tolist(), test.tolist())
    [0] [1]
    [0, 1] [2]

    Args:
        times: (n,) when each row happened; numbers or datetimes, in any order. Rows of the same time may be
            parted: use coarser folds or group them first where that matters.
        k: number of folds; the training part grows from fold to fold.

    Raises:
        DataError: k < 2, or not more rows than folds.
        MissingDependency: scikit-learn is not installed.
    """
    _folds(k)
    t = _column("times", times)
    _enough(len(t), k + 1)
    order = np.argsort(t, kind="stable")
    return [_fold(order[a], order[b]) for a, b in _sklearn().TimeSeriesSplit(k).split(np.zeros(len(t)))]


def _sklearn() -> ModuleType:
    try:
        from sklearn import model_selection
    except ImportError as error:
        raise missing("splits need scikit-learn", "train") from error
    module: ModuleType = model_selection
    return module


class _explained:
    """Turns what scikit-learn refuses into a DataError that keeps its words."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, ValueError):
            raise DataError(f"these rows cannot be split like this: {error}") from error


def _fold(train: Any, test: Any) -> Fold:
    return Fold(np.sort(np.asarray(train, dtype=np.intp)), np.sort(np.asarray(test, dtype=np.intp)))


def _all(pairs: Iterable[tuple[Any, Any]]) -> list[Fold]:
    with _explained():
        return [_fold(train, test) for train, test in pairs]


def _folds(k: int) -> None:
    if k < 2:
        raise DataError(f"k={k}: cross-validation needs at least 2 folds")


def _enough(n: int, least: int) -> None:
    if n < least:
        raise DataError(f"there are {n} rows, at least {least} are needed: use fewer folds or more data")


def _column(name: str, values: ArrayLike, n: int | None = None) -> NDArray[Any]:
    column = np.asarray(values)
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}: it must have one entry for each row")
    if n is not None and len(column) != n:
        raise DataError(f"{name} has {len(column)} entries for {n} rows")
    return column


def _rows_of_each_class(y: NDArray[Any], least: int, what: str) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(counts) and counts.min() < least:
        raise DataError(
            f"class {classes[counts.argmin()].item()!r} has {counts.min()} rows, {what} needs at least {least} of each:"
            " merge rare classes, or split without labels"
        )
