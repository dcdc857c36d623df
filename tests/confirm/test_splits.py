from __future__ import annotations

import builtins

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.confirm import grouped_k_fold, hold_out, k_fold, stratified_k_fold, time_folds
from luthier.errors import DataError, MissingDependency


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 3))
def test_k_fold_judges_every_row_once(n, k, seed):
    if n < k:
        with pytest.raises(DataError, match=f"{n} rows, at least {k}"):
            k_fold(n, k, seed=seed)
        return
    folds = k_fold(n, k, seed=seed)
    assert np.array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(n))
    for fold in folds:
        assert np.array_equal(np.union1d(fold.train, fold.test), np.arange(n))
        assert not np.intersect1d(fold.train, fold.test).size


def test_hold_out_takes_its_share_and_repeats_itself():
    fold = hold_out(100, 0.3, seed=4)
    assert len(fold.test) == 30 and len(fold.train) == 70
    assert np.array_equal(fold.test, hold_out(100, 0.3, seed=4).test)
    assert not np.array_equal(fold.test, hold_out(100, 0.3, seed=5).test)


def test_strata_keep_their_shares():
    labels = np.array(["a"] * 80 + ["b"] * 20)
    assert np.mean(labels[hold_out(100, 0.2, labels=labels).test] == "b") == pytest.approx(0.2)
    for fold in stratified_k_fold(labels, 5):
        assert np.mean(labels[fold.test] == "b") == pytest.approx(0.2)


def test_groups_stay_together():
    groups = np.random.default_rng(0).integers(0, 9, 60)
    folds = grouped_k_fold(groups, 3)
    assert sum(len(f.test) for f in folds) == 60
    for fold in folds:
        assert not np.intersect1d(groups[fold.train], groups[fold.test]).size


def test_time_folds_never_train_on_the_future():
    times = np.random.default_rng(0).permutation(30).astype("datetime64[D]")
    folds = time_folds(times, 4)
    assert len(folds) == 4
    for fold in folds:
        assert times[fold.train].max() < times[fold.test].min()
    assert [len(f.train) for f in folds] == sorted(len(f.train) for f in folds)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hold_out(1), "1 rows"),
        (lambda: hold_out(10, 1.0), "share=1.0"),
        (lambda: hold_out(3, 0.2, labels=[0, 0, 1]), "class 1 has 1 rows"),
        (lambda: hold_out(4, 0.2, labels=[0, 0, 1]), "3 entries for 4 rows"),
        (lambda: hold_out(6, 0.2, labels=[0, 0, 1, 1, 2, 2]), "cannot be split like this"),
        (lambda: k_fold(10, 1), "at least 2 folds"),
        (lambda: stratified_k_fold(["x"] * 9 + ["y"] * 2, 3), "class 'y' has 2 rows"),
        (lambda: grouped_k_fold([1, 1, 2, 2], 3), "2 groups for 3 folds"),
        (lambda: time_folds([1, 2, 3], 3), "at least 4"),
        (lambda: time_folds([[1], [2]], 2), "shape"),
    ],
)
def test_what_cannot_be_split_is_explained(call, words):
    with pytest.raises(DataError, match=words):
        call()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match=r"scikit-learn: pip install .*\[train\]"):
        k_fold(10)
