"""A store against a model: hypothesis looks for a sequence of calls that the two answer differently."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ...errors import LuthierError
from ...stores import MemoryStore, Proposal, Result, Store, StudyRecord
from ...trial import TrialRecord, TrialState

HOUR = 3600.0


def store_machine(make_store: Callable[[], Store]) -> type[RuleBasedStateMachine]:
    """Return a hypothesis machine that does the same to a new store and to a `MemoryStore`, and compares.

    >>> from luthier.stores import MemoryStore
    >>> from luthier.testing.stores.machine import store_machine
    >>> TestMineAgainstModel = store_machine(MemoryStore).TestCase

    `store_machine(MyStore).TestCase` is a test; give it `settings` as for any state machine. A store that needs
    tidying up does so in `close`.
    """
    numbers = st.integers(0, 5)
    values = st.sampled_from([0.0, -1.5, math.nan, math.inf, 1e300])
    results = st.builds(
        Result,
        st.sampled_from(TrialState),
        st.none() | st.tuples(values) | st.tuples(values, values),
        st.sampled_from([(), (0.5,)]),
        st.sampled_from([None, "why"]),
    )
    reports = st.lists(st.tuples(st.integers(0, 4), values), max_size=3)
    params = st.none() | st.dictionaries(st.sampled_from("xyz"), st.sampled_from([None, True, 1, 1.0, "a"]))
    attrs = st.none() | st.dictionaries(st.sampled_from("ab"), st.sampled_from([[1], math.nan, {"c": "ü"}]))

    class StoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.stores = (make_store(), MemoryStore())
            self.tokens: list[tuple[str, str]] = [("none", "none")]  # the same lease in each store
            self.since = (0, 0)

        def both(self, call: Callable[[Store, int], Any]) -> tuple[Any, Any]:
            """What a call returns, or the class of what it raises, in each store."""
            outcomes: list[Any] = []
            for i, store in enumerate(self.stores):
                try:
                    outcomes.append(call(store, i))
                except LuthierError as error:
                    outcomes.append(type(error))
            return outcomes[0], outcomes[1]

        def token(self, k: int) -> tuple[str, str]:
            return self.tokens[-1 - k % len(self.tokens)]

        def same(self, pair: tuple[Any, Any]) -> None:
            assert _comparable(pair[0], 0, self.tokens) == _comparable(pair[1], 1, self.tokens)

        @initialize()
        def start(self) -> None:
            for store in self.stores:
                store.create_study(StudyRecord("study", ("minimize",), seed=0))

        @rule(client=numbers, lease=st.sampled_from([None, 0.0, HOUR]), number=numbers, only=st.booleans())
        def ask(self, client: int, lease: float | None, number: int, only: bool) -> None:
            proposal = Proposal(number, {"x": number}, only)
            pair = self.both(lambda store, _: store.ask("study", "me", str(client), lease, proposal))
            if (
                isinstance(pair[0], TrialRecord)
                and isinstance(pair[1], TrialRecord)
                and (pair[0].token, pair[1].token) not in self.tokens
            ):
                self.tokens.append((pair[0].token, pair[1].token))
            self.same(pair)

        @rule(client=numbers, params=params)
        def enqueue(self, client: int, params: Any) -> None:
            self.same(self.both(lambda store, _: store.enqueue("study", params or {}, {}, str(client))))

        @rule(client=numbers, state=st.sampled_from(TrialState), params=params, value=values)
        def add(self, client: int, state: TrialState, params: Any, value: float) -> None:
            told = (value,) if state in (TrialState.COMPLETE, TrialState.PRUNED) else None
            record = TrialRecord(9, state, params or {}, told)
            self.same(self.both(lambda store, _: store.add("study", [record, record], f"add-{client}")))

        @rule(number=numbers, k=numbers, params=params, reports=reports, attrs=attrs, lease=st.none() | st.just(0.0))
        def write(self, number: int, k: int, params: Any, reports: Any, attrs: Any, lease: Any) -> None:
            token = self.token(k)
            extras = {"params": params, "reports": reports, "attrs": attrs, "lease": lease}
            self.same(self.both(lambda store, i: store.write("study", number, token[i], **extras)))

        @rule(number=numbers, k=st.none() | numbers, result=results, params=params, reports=reports, attrs=attrs)
        def tell(self, number: int, k: int | None, result: Result, params: Any, reports: Any, attrs: Any) -> None:
            token = (None, None) if k is None else self.token(k)
            extras = {"params": params, "reports": reports, "attrs": attrs}
            self.same(self.both(lambda store, i: store.tell("study", number, token[i], result, **extras)))

        @rule(number=numbers, k=numbers, result=results, params=params, reports=reports, client=numbers)
        def tell_and_ask(self, number: int, k: int, result: Result, params: Any, reports: Any, client: int) -> None:
            token, proposal = self.token(k), Proposal(number + 1, {"x": number})
            asked = "me", str(client), 0.0, proposal
            extras = {"params": params, "reports": reports}
            pair = self.both(lambda store, i: store.tell_and_ask("study", number, token[i], result, *asked, **extras))
            if not isinstance(pair[0], type) and not isinstance(pair[1], type):
                tokens = pair[0][1].token, pair[1][1].token
                if tokens not in self.tokens:
                    self.tokens.append(tokens)
            self.same(pair)

        @rule(number=numbers, k=numbers)
        def requeue(self, number: int, k: int) -> None:
            token = self.token(k)
            self.same(self.both(lambda store, i: store.requeue("study", number, token[i])))

        @rule(number=numbers, k=numbers)
        def fail(self, number: int, k: int) -> None:
            token = self.token(k)
            self.same(self.both(lambda store, i: store.fail("study", number, token[i], "died")))

        @rule(number=numbers, attrs=attrs)
        def set_attrs(self, number: int, attrs: Any) -> None:
            self.same(self.both(lambda store, _: store.set_trial_attrs("study", number, attrs or {})))

        @rule()
        def expired(self) -> None:
            self.same(self.both(lambda store, _: store.expired("study")))

        @rule()
        def poll(self) -> None:
            pair = self.both(lambda store, i: store.changes("study", self.since[i]))
            if isinstance(pair[0], type):  # the study that was polled is gone
                self.same(pair)
                self.since = (0, 0)
                return
            self.since = (pair[0][0], pair[1][0])
            self.same((pair[0][1], pair[1][1]))

        @rule()
        def make_anew(self) -> None:
            for store in self.stores:
                store.delete_study("study")
                store.create_study(StudyRecord("study", ("minimize",), seed=0))

        @invariant()
        def all_trials_are_the_same(self) -> None:
            found = self.both(lambda store, _: store.changes("study", 0)[1] if store.studies() else [])
            self.same(found)
            assert [trial.number for trial in found[0]] == list(range(len(found[0])))

        def teardown(self) -> None:
            for store in self.stores:
                store.close()

    return StoreMachine


def _comparable(outcome: Any, which: int, tokens: list[tuple[str, str]]) -> Any:
    """An outcome without what may differ: times, and tokens, which become their place in the list."""
    if isinstance(outcome, list | tuple):
        return [_comparable(x, which, tokens) for x in outcome]
    if not isinstance(outcome, TrialRecord):
        return outcome
    order = [outcome.created, outcome.started, outcome.finished]
    times = [time for time in order if time is not None]
    assert times == sorted(times)
    token = [pair[which] for pair in tokens].index(outcome.token) if outcome.token else None
    here = [time is not None for time in order]
    same = asdict(outcome.with_(created=0.0, started=None, finished=None, token=""))
    return repr((same, token, here))  # repr: NaN is NaN
