"""What every sampler must do, as a test suite. Needs pytest and hypothesis.

Subclass it in a test file, and say how to make the sampler:

    from luthier.testing.samplers import SamplerContract

    class TestMySampler(SamplerContract):
        def make(self):
            return MySampler()

pytest then runs your sampler through every kind of space and history that a study can bring about. Warnings
count as failures. `SPACES`, `HISTORIES`, `spaces()` and `history_of` may serve tests of your own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..errors import SearchSpaceExhausted
from ..history import History
from ..samplers.protocol import Sampler
from ..space import Choice, Domain, Float, Int, Ordinal, Space
from ..trial import TrialRecord, TrialState
from ..types import Configuration, Direction

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING

SPACES: dict[str, Space] = {
    "floats": Space({"x": Float(-5, 10), "y": Float(0, 15)}),
    "log": Space({"lr": Float(1e-6, 1.0, log=True), "width": Int(1, 4096, log=True)}),
    "steps": Space({"dropout": Float(0, 0.5, step=0.1), "layers": Int(2, 32, step=3), "depth": Int(1, 5)}),
    "choices": Space({"optimizer": Choice(["sgd", "adam", "lion"]), "nesterov": Choice([True, False, None])}),
    "ordinal": Space({"batch": Ordinal([16, 32, 64, 128]), "size": Ordinal({"S": object(), "L": object()})}),
    "one point": Space(
        {"x": Float(3, 3), "n": Int(2, 2), "l": Int(1, 1, log=True), "c": Choice(["only"]), "o": Ordinal([1])}
    ),
    "no parameter": Space({}),
    "two points": Space({"c": Choice(["a", "b"])}),
    "defaults": Space({"x": Float(0, 1, default=0.25), "c": Choice(["a", "b"], default="b"), "n": Int(1, 9)}),
    "mixed": Space(
        {
            "lr": Float(1e-5, 1e-1, log=True),
            "momentum": Float(0, 0.99),
            "batch": Ordinal([16, 32, 64, 128]),
            "units": Int(8, 512, log=True),
            "activation": Choice(["relu", "tanh", "gelu"]),
            "dropout": Float(0, 0.8, step=0.05),
        }
    ),
    "conditional": Space(
        {
            "optimizer": Choice(["sgd", "adam"]),
            "lr": Float(1e-5, 1.0, log=True),
            "momentum": Float(0, 1, when={"optimizer": "sgd"}),
            "nesterov": Choice([True, False], when="momentum > 0.5"),
            "beta": Float(0.8, 0.999, when={"optimizer": "adam"}),
            "layers": Int(1, 3),
            "width2": Int(8, 64, when="layers >= 2"),
            "width3": Int(8, 64, when="layers >= 3"),
        }
    ),
    "constrained": Space(
        {"width": Int(8, 64), "heads": Int(1, 8), "x": Float(0, 1), "y": Float(0, 1)},
        require=["width % heads == 0", "x + y <= 1"],
    ),
    "constrained and conditional": Space(
        {"kind": Choice(["a", "b"]), "x": Float(0, 1), "z": Float(0, 1, when={"kind": "a"})},
        require=["z < x", "x > 0.1"],
    ),
    "wide": Space({f"x{i}": Float(0, 1) for i in range(24)}),
}
"""Spaces by name: every kind of domain, condition and constraint."""


def history_of(
    space: Space,
    n: int,
    seed: int = 0,
    *,
    directions: Sequence[Direction] = ("minimize",),
    change: Callable[[TrialRecord, np.random.Generator], TrialRecord] = lambda record, _: record,
) -> History:
    """A history of n random trials, told the squared distance from a point; `change` may alter each."""
    rng = np.random.default_rng(seed)
    history = History(space, directions)
    X = space.sample(rng, n)
    target = np.linspace(0.2, 0.7, len(directions))  # (m,)
    distances = np.nansum((X[:, None, :] - target[None, :, None]) ** 2, axis=2)  # (n, m)
    values = (distances * history.signs).tolist()
    for number, configuration in enumerate(space.decode(X)):
        running = TrialRecord(number, RUNNING, configuration)
        history.put([running])
        history.put([change(running.with_(state=COMPLETE, values=tuple(values[number])), rng)])
    return history


def _some(fraction: float, **changes: Any) -> Callable[[TrialRecord, np.random.Generator], TrialRecord]:
    return lambda record, rng: record.with_(**changes) if rng.random() < fraction else record


def _pruned(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    reports = tuple((step, float(rng.normal())) for step in range(int(rng.integers(0, 5))))
    if rng.random() < 0.3:
        reports = (*reports[:-1], (9, float("nan")))
    return record.with_(state=PRUNED, values=None, reports=reports) if rng.random() < 0.6 else record


def _constrained(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    kind = rng.random()
    return record if kind < 0.2 else record.with_(constraints=(float(rng.normal()), float(rng.normal()) * 1e6))


def _outside(space: Space) -> Callable[[TrialRecord, np.random.Generator], TrialRecord]:
    """Numbers as another, wider range would have given them."""
    numeric = {name for name, domain in space.parameters.items() if isinstance(domain, Float | Int)}

    def change(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
        factor = float(rng.choice([-1, 3]))
        params = {n: type(x)(x * factor) if n in numeric else x for n, x in record.params.items()}  # type: ignore[misc,operator]
        return record.with_(params=params)

    return change


def _incomplete(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    return record.with_(params={name: value for name, value in record.params.items() if rng.random() < 0.7})


def _repeated(space: Space) -> History:
    history = history_of(space, 1)
    first = history.records[0]
    history.put(first.with_(number=i, values=(0.1 * (i % 3),)) for i in range(1, 20))
    return history


def _everything(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    changes = (
        _some(1.0, state=FAIL, values=None),
        _some(1.0, state=RUNNING, values=None),
        _some(1.0, state=WAITING, values=None),
        _pruned,
        _constrained,
    )
    return changes[int(rng.integers(len(changes)))](record, rng)


_TWO: tuple[Direction, ...] = ("minimize", "maximize")
_THREE: tuple[Direction, ...] = ("maximize", "minimize", "minimize")

HISTORIES: dict[str, Callable[[Space], History]] = {
    "none": lambda space: history_of(space, 0),
    "one": lambda space: history_of(space, 1),
    "two": lambda space: history_of(space, 2),
    "three": lambda space: history_of(space, 3),
    "complete": lambda space: history_of(space, 40),
    "maximize": lambda space: history_of(space, 40, directions=("maximize",)),
    "failures": lambda space: history_of(space, 40, change=_some(0.4, state=FAIL, values=None)),
    "all failed": lambda space: history_of(space, 25, change=_some(1.0, state=FAIL, values=None)),
    "all running": lambda space: history_of(space, 25, change=_some(1.0, state=RUNNING, values=None)),
    "some running": lambda space: history_of(space, 40, change=_some(0.3, state=RUNNING, values=None)),
    "some waiting": lambda space: history_of(space, 40, change=_some(0.1, state=WAITING, values=None)),
    "pruned": lambda space: history_of(space, 40, change=_pruned),
    "all pruned": lambda space: history_of(space, 25, change=_some(1.0, state=PRUNED, values=None)),
    "violations": lambda space: history_of(space, 40, change=_constrained),
    "all infeasible": lambda space: history_of(space, 25, change=_some(1.0, constraints=(0.5, -1.0))),
    "outside the range": lambda space: history_of(space, 30, change=_outside(space)),
    "parameters missing": lambda space: history_of(space, 30, change=_incomplete),
    "no parameters": lambda space: history_of(space, 20, change=_some(1.0, params={})),
    "repeated": _repeated,
    "constant": lambda space: history_of(space, 30, change=_some(1.0, values=(2.5,))),
    "one value of 1e30": lambda space: history_of(space, 30, change=_some(0.1, values=(1e30,))),
    "values of ±1e308": lambda space: history_of(
        space, 30, change=lambda record, rng: record.with_(values=(float(rng.choice([-1e308, 1e308])),))
    ),
    "everything": lambda space: history_of(space, 60, change=_everything),
}
"""Histories by name, each a function of the space; one objective."""

HISTORIES_OF_SEVERAL: dict[str, Callable[[Space], History]] = {
    "two objectives": lambda space: history_of(space, 40, directions=_TWO),
    "three objectives": lambda space: history_of(space, 40, directions=_THREE),
    "two objectives, few": lambda space: history_of(space, 2, directions=_TWO),
    "two objectives, everything": lambda space: history_of(space, 60, directions=_TWO, change=_everything),
}
"""Histories of studies with several objectives."""


@st.composite
def domains(draw: st.DrawFn, when: Any = None) -> Domain:
    """Any domain."""
    kind = draw(st.sampled_from(["float", "log", "step", "int", "int log", "choice", "ordinal"]))
    low = draw(st.integers(1, 50))
    high = low + draw(st.integers(0, 200))
    if kind == "float":
        return Float(-low, high, when=when)
    if kind == "log":
        return Float(low / 1000, high, log=True, when=when)
    if kind == "step":
        return Float(-low, high, step=draw(st.sampled_from([0.1, 0.5, 7.0])), when=when)
    if kind in ("int", "int log"):
        return Int(low, high, log=kind == "int log", when=when)
    labels = [f"c{i}" for i in range(draw(st.integers(1, 5)))]
    return Choice(labels, when=when) if kind == "choice" else Ordinal(labels, when=when)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Any space: up to 6 domains, some conditional on a choice or on a number, sometimes with a constraint."""
    parameters: dict[str, Domain] = {"root": Choice(["a", "b", "c"]), "number": Float(0, 1)}
    conditions = [None, None, {"root": "a"}, {"root": ("b", "c")}, "number > 0.4"]
    for i in range(draw(st.integers(0, 4))):
        parameters[f"p{i}"] = draw(domains(when=draw(st.sampled_from(conditions))))
    require = draw(st.sampled_from([(), (), ("number < 0.8",), ("root != 'a' or number > 0.2",)]))
    return Space(parameters, require)


class SamplerContract:
    """The suite. Every test fails with the configuration or the history that broke the contract.

    Attributes:
        objectives: whether the sampler takes studies with several objectives.
        distinct: whether it never repeats itself in a continuum.
        may_exhaust: whether it may raise `SearchSpaceExhausted` (or return fewer when that is what is left).
        examples: how many random spaces and histories are tried.
    """

    objectives: ClassVar[bool] = True
    distinct: ClassVar[bool] = True
    may_exhaust: ClassVar[bool] = False
    examples: ClassVar[int] = 20

    def make(self) -> Sampler:
        """A new sampler: override this."""
        raise NotImplementedError("override make() to return your sampler")

    def ask(self, sampler: Sampler, history: History, n: int = 1, seed: int = 0) -> list[Configuration]:
        """What a sampler suggests, checked against the space."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = sampler.suggest(history.space, history, np.random.default_rng([seed, len(history)]), n)
            except SearchSpaceExhausted:
                assert self.may_exhaust, "SearchSpaceExhausted was raised"
                return []
        assert len(found) == n or (self.may_exhaust and 1 <= len(found) < n), f"{len(found)} configurations, not {n}"
        for configuration in found:
            assert history.space.check(configuration) == configuration
            assert json.loads(json.dumps(configuration)) == configuration, "stored values must be JSON scalars"
        return found

    # -- what it must be

    def test_it_is_a_sampler(self) -> None:
        """It has `suggest`."""
        assert isinstance(self.make(), Sampler)

    # -- configurations are right, whatever the space and the history

    @pytest.mark.parametrize("history", HISTORIES)
    @pytest.mark.parametrize("space", SPACES)
    def test_configurations_satisfy_the_space(self, space: str, history: str) -> None:
        """Whatever the space and the history."""
        self.ask(self.make(), HISTORIES[history](SPACES[space]), n=1)

    @pytest.mark.parametrize("history", HISTORIES_OF_SEVERAL)
    @pytest.mark.parametrize("space", SPACES)
    def test_several_objectives(self, space: str, history: str) -> None:
        """The same in studies with several objectives."""
        if self.objectives:
            self.ask(self.make(), HISTORIES_OF_SEVERAL[history](SPACES[space]), n=1)

    @pytest.mark.parametrize("space", SPACES)
    def test_batches(self, space: str) -> None:
        """Several at once."""
        for history in ("none", "three", "complete", "everything"):
            self.ask(self.make(), HISTORIES[history](SPACES[space]), n=4)

    def test_any_space_and_any_history(self) -> None:
        """Random spaces and histories, each asked twice."""

        @given(
            space=spaces(),
            n=st.integers(0, 40),
            seed=st.integers(0, 999),
            batch=st.integers(1, 3),
            kind=st.sampled_from([_everything, None, _incomplete, _constrained, _pruned]),
        )
        @settings(deadline=None, max_examples=self.examples, suppress_health_check=list(HealthCheck))
        def check(
            space: Space,
            n: int,
            seed: int,
            batch: int,
            kind: Callable[[TrialRecord, np.random.Generator], TrialRecord] | None,
        ) -> None:
            history = history_of(space, n, seed, change=kind or _outside(space))
            assert self.ask(self.make(), history, batch, seed) == self.ask(self.make(), history, batch, seed)

        check()

    # -- a pure function

    @pytest.mark.parametrize("history", HISTORIES)
    @pytest.mark.parametrize("space", ["mixed", "conditional"])
    def test_the_same_question_gets_the_same_answer(self, space: str, history: str) -> None:
        """Again, from a new sampler, and from a history that was loaded again."""
        known = HISTORIES[history](SPACES[space])
        rebuilt = History(Space.from_json(known.space.to_json()), known.directions)
        rebuilt.put(known.records)
        sampler = self.make()
        first = self.ask(sampler, known, n=2)
        assert self.ask(sampler, known, n=2) == first, "the second answer differs"
        assert self.ask(self.make(), known, n=2) == first, "a new sampler answers differently"
        assert self.ask(self.make(), rebuilt, n=2) == first, "a history that was loaded again gets another answer"

    @pytest.mark.parametrize("space", ["mixed", "conditional", "constrained"])
    def test_what_it_saw_before_does_not_matter(self, space: str) -> None:
        """A sampler that went through the study answers as one that meets it now."""
        history, sampler = History(SPACES[space]), self.make()
        for number in range(25):
            found = self.ask(sampler, history)
            loaded = History(history.space)
            loaded.put(history.records)
            assert self.ask(self.make(), loaded) == found, f"a resumed study differs at trial {number}"
            if not found:
                return
            record = TrialRecord(number, RUNNING, found[0])
            history.put([record])
            if number % 5 == 4:
                history.put([record.with_(state=FAIL)])
            elif number % 5 != 3:
                value = float(np.nansum(history.X[number] ** 2))
                history.put([record.with_(state=COMPLETE, values=(value,))])

    def test_one_sampler_may_serve_two_studies(self) -> None:
        """One study leaves no trace in another."""
        sampler = self.make()
        first, second = (HISTORIES["complete"](SPACES[name]) for name in ("mixed", "conditional"))
        answer = self.ask(sampler, first)
        self.ask(sampler, second)
        assert self.ask(sampler, first) == answer
        assert self.ask(sampler, second) == self.ask(self.make(), second)

    def test_the_history_stays_as_it_was(self) -> None:
        """A sampler reads only."""
        history = HISTORIES["everything"](SPACES["conditional"])
        before = [np.array(x) for x in (history.X, history.values, history.constraints, history.states)]
        self.ask(self.make(), history, n=3)
        after = [history.X, history.values, history.constraints, history.states]
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)

    # -- no work twice

    @pytest.mark.parametrize("known", ["none", "complete"])
    def test_a_batch_has_no_point_twice(self, known: str) -> None:
        """Points of one batch differ."""
        if self.distinct:
            found = self.ask(self.make(), HISTORIES[known](SPACES["mixed"]), n=6)
            assert len({json.dumps(x, sort_keys=True) for x in found}) == len(found)

    @pytest.mark.parametrize("known", ["none", "complete"])
    def test_running_trials_are_not_suggested_again(self, known: str) -> None:
        """Parallel workers try different points."""
        history, sampler = HISTORIES[known](SPACES["mixed"]), self.make()
        seen = {json.dumps(dict(r.params), sort_keys=True) for r in history.records}
        for _ in range(5 if self.distinct else 0):
            (found,) = self.ask(sampler, history)
            key = json.dumps(found, sort_keys=True)
            assert key not in seen
            seen.add(key)
            history.put([TrialRecord(len(history), RUNNING, found)])
