"""The spaces and histories that the suites of samplers and schedulers go through.

Every kind of domain, condition and constraint; every kind of history that a study can bring about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from ..history import History
from ..space import Choice, Domain, Float, Int, Ordinal, Space
from ..trial import TrialRecord, TrialState
from ..types import Direction

Change: TypeAlias = Callable[[TrialRecord, np.random.Generator], TrialRecord]

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
    "extreme numbers": Space(
        {
            "tiny and huge": Float(1e-300, 1e300, log=True),
            "whole line": Float(-1e308, 1e308),
            "two doubles": Float(1.0, 1.0 + 1e-15),
            "narrow": Int(2**62, 2**62 + 10),
            "narrow, log": Int(2**62, 2**62 + 10, log=True),
            "all of 64 bits": Int(-(2**63), 2**63 - 1),
            "more than 64 bits": Int(1, 10**300, log=True),
            "steps": Float(1e15, 1e15 + 4, step=0.5),
        }
    ),
    "odd names": Space(
        {
            "lambda": Int(0, 3),
            "None": Choice([None, True, "None"], when="`lambda` >= 1"),
            "µ": Float(0, 1, when={"None": (None, "None")}),
            " ": Ordinal(["", "a b", "\0"]),
            "a`b": Float(1e-3, 1, log=True, when={" ": ("", "\0")}),
            "q_0": Int(1, 2),
            "🙂" * 100: Float(0, 1, step=0.25),
        },
        require=["`lambda` + q_0 < 5"],
    ),
    "wide": Space({f"x{i}": Float(0, 1) for i in range(24)}),
}
"""Spaces by name: every kind of domain, condition and constraint."""


LARGE_SPACES: dict[str, Space] = {
    "22 choices of 8": Space({f"c{i}": Choice(list("abcdefgh")) for i in range(22)}),
    "34 conditional choices": Space(
        {
            **{f"input{i}": Choice(list("abcdefg")) for i in range(17)},
            **{f"edge{i}": Choice(list("abcdefg"), when={f"input{i}": ("a", "b")}) for i in range(17)},
        }
    ),
    "a chain of 60 conditions": Space(
        {f"c{i}": Choice(list("abcd"), when={f"c{i - 1}": ("a", "b")} if i else None) for i in range(60)}
    ),
    "300 discrete": Space(
        {
            **{f"c{i}": Choice(list("ab")) for i in range(100)},
            **{f"n{i}": Int(1, 50) for i in range(100)},
            **{f"o{i}": Ordinal([16, 32, 64]) for i in range(100)},
        }
    ),
    "300 of one value": Space({f"c{i}": Choice(["only"]) if i % 2 else Int(3, 3, log=True) for i in range(300)}),
    "two points among 80 of one value": Space(
        {**{f"c{i}": Int(3, 3) for i in range(80)}, "x": Choice(["a", "b"]), "y": Int(1, 4, log=True)}
    ),
    "a float among 40 choices": Space({"x": Float(0, 1), **{f"c{i}": Choice(list("abcd")) for i in range(40)}}),
    "64 whole numbers of 32 bits": Space({f"n{i}": Int(0, 2**32 - 1) for i in range(64)}),
    "100 conditional on one": Space(
        {"root": Choice(["a", "b"]), **{f"n{i}": Int(1, 9, when={"root": "ab"[i % 2]}) for i in range(100)}}
    ),
}
"""Spaces of many discrete parameters: the number of their points is beyond any float or whole number of 64 bits."""


def history_of(
    space: Space,
    n: int,
    seed: int = 0,
    *,
    directions: Sequence[Direction] = ("minimize",),
    change: Change = lambda record, _: record,
) -> History:
    """A history of n random trials, told the squared distance from a point; `change` may alter each.

    They finished in another order than they started, as on parallel workers.
    """
    rng = np.random.default_rng(seed)
    finished = 1e9 + np.arange(n) + np.random.default_rng([seed, 1]).uniform(0, 8, n).round(1)  # some at the same time
    history = History(space, directions)
    X = space.sample(rng, n)
    target = np.linspace(0.2, 0.7, len(directions))  # (m,)
    distances = np.nansum((X[:, None, :] - target[None, :, None]) ** 2, axis=2)  # (n, m)
    values = (distances * history.signs).tolist()
    for number, configuration in enumerate(space.decode(X)):
        running = TrialRecord(number, RUNNING, configuration, created=1e9, started=1e9 + number)
        history.put([running])
        done = running.with_(state=COMPLETE, values=tuple(values[number]), finished=float(finished[number]))
        changed = change(done, rng)
        history.put([changed if changed.state.is_finished else changed.with_(finished=None)])
    return history


def one_by_one(history: History) -> Iterator[History]:
    """A history that grows to another, trial by trial in the order in which they finished, seen after each."""
    grown = History(history.space, history.directions)
    finished = history.finish_order.tolist()
    asked: list[TrialRecord] = []
    for record in history.records:
        started = record.state is not WAITING
        asked.append(record.with_(state=RUNNING if started else WAITING, values=None, constraints=(), finished=None))
    for i, row in enumerate(finished):
        while len(grown) <= row:
            grown.put([asked[len(grown)]])
        grown.put([history.records[row]])
        if i < len(finished) - 1:
            yield grown
    grown.put(asked[len(grown) :])
    grown.put(r for r in history.records if not r.state.is_finished)
    yield grown


def _some(fraction: float, **changes: Any) -> Change:
    return lambda record, rng: record.with_(**changes) if rng.random() < fraction else record


def _pruned(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    reports = tuple((step, float(rng.normal())) for step in range(int(rng.integers(0, 5))))
    if rng.random() < 0.3:
        reports = (*reports[:-1], (9, float("nan")))
    return record.with_(state=PRUNED, values=None, reports=reports) if rng.random() < 0.6 else record


def _constrained(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
    kind = rng.random()
    return record if kind < 0.2 else record.with_(constraints=(float(rng.normal()), float(rng.normal()) * 1e6))


def _outside(space: Space) -> Change:
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
    history.put(first.with_(number=i, values=(0.1 * (i % 3),), finished=1e9 + i // 4) for i in range(1, 20))
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


_STATES: dict[str, tuple[TrialState, ...]] = {
    "pruned": (PRUNED,),
    "failed": (FAIL,),
    "pruned and failed": (PRUNED, FAIL),
    "pruned and running": (PRUNED, RUNNING),
    "failed and running": (FAIL, RUNNING),
    "pruned, failed, running, waiting": (PRUNED, FAIL, RUNNING, WAITING),
    "pruned except one": (*[PRUNED] * 24, COMPLETE),
    "failed except one": (*[FAIL] * 24, COMPLETE),
}

_NAN, _INF = float("nan"), float("inf")

_REPORTS: dict[str, Callable[[int, np.random.Generator], tuple[float, ...]]] = {
    "no reports": lambda number, rng: (),  # noqa: ARG005
    "up to three reports": lambda number, rng: tuple(rng.normal(size=number % 4).tolist()),
    "the same report": lambda number, rng: (1.0, 1.0),  # noqa: ARG005
    "NaN": lambda number, rng: (_NAN,),  # noqa: ARG005
    "infinite reports": lambda number, rng: ((_INF, -_INF)[number % 2],),  # noqa: ARG005
    "all kinds": lambda number, rng: (1.0, (_NAN, _INF, -_INF, 0.5, 1e308, -1e308)[number % 6]),  # noqa: ARG005
}


def _of_states(states: tuple[TrialState, ...], reports: Callable[[int, np.random.Generator], tuple[float, ...]]) -> Any:
    def history(space: Space, directions: Sequence[Direction] = ("minimize",), constraints: bool = False) -> History:
        def change(record: TrialRecord, rng: np.random.Generator) -> TrialRecord:
            state = states[record.number % len(states)]
            record = record.with_(
                state=state,
                values=record.values if state is COMPLETE else None,
                reports=tuple(enumerate(reports(record.number, rng))) if state is not WAITING else (),
            )
            return record.with_(constraints=tuple(rng.normal(size=2).tolist())) if constraints else record

        return history_of(space, 25, directions=directions, change=change)

    return history


STATE_HISTORIES: dict[str, Callable[..., History]] = {
    f"{states}, {reports}": _of_states(_STATES[states], _REPORTS[reports])
    for states, reports in product(_STATES, _REPORTS)
}
"""Histories where (nearly) no trial is complete, each a function of the space, the directions, and whether trials
have constraints."""


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
