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
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..errors import SearchSpaceExhausted
from ..history import History
from ..samplers.protocol import Sampler
from ..space import Space
from ..trial import TrialRecord
from ..types import Configuration
from .histories import COMPLETE, FAIL, RUNNING, Change, _constrained, _everything, _incomplete, _outside, _pruned
from .histories import HISTORIES as HISTORIES
from .histories import HISTORIES_OF_SEVERAL as HISTORIES_OF_SEVERAL
from .histories import LARGE_SPACES as LARGE_SPACES
from .histories import SPACES as SPACES
from .histories import STATE_HISTORIES as STATE_HISTORIES
from .histories import domains as domains
from .histories import history_of as history_of
from .histories import one_by_one as one_by_one
from .histories import spaces as spaces


class SamplerContract:
    """Tests a sampler: every test fails with the configuration or the history that broke the contract.

    >>> from luthier.samplers import RandomSampler
    >>> from luthier.testing.samplers import SamplerContract
    >>> class TestMine(SamplerContract):
    ...     def make(self):
    ...         return RandomSampler()

    Attributes:
        objectives: whether the sampler takes studies with several objectives.
        distinct: whether it never repeats itself in a continuum.
        examples: how many random spaces and histories are tried.
    """

    objectives: ClassVar[bool] = True
    distinct: ClassVar[bool] = True
    examples: ClassVar[int] = 20

    def make(self) -> Sampler:
        """A new sampler: override this."""
        raise NotImplementedError("override make() to return your sampler")

    def ask(self, sampler: Sampler, history: History, n: int = 1, seed: int = 0) -> list[Configuration]:
        """What a sampler suggests, checked against the space; only one with `is_finite` may come to an end."""
        may_end = getattr(sampler, "is_finite", False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = sampler.suggest(history.space, history, np.random.default_rng([seed, len(history)]), n)
            except SearchSpaceExhausted:
                assert may_end, (
                    "SearchSpaceExhausted was raised: set is_finite = True if the sampler is a finite design"
                )
                return []
        assert len(found) == n or (may_end and 1 <= len(found) < n), f"{len(found)} configurations, not {n}"
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

    @pytest.mark.parametrize("history", STATE_HISTORIES)
    def test_hardly_any_trial_is_complete(self, history: str) -> None:
        """With one and several objectives, with and without constraints."""
        few, many = STATE_HISTORIES[history], len(history) % 2 == 0
        self.ask(self.make(), few(SPACES["conditional"], ("maximize",), many), n=2)
        if self.objectives:
            self.ask(self.make(), few(SPACES["two points"], ("minimize", "maximize"), not many))

    @pytest.mark.parametrize("history", ["none", "everything", "all pruned"])
    @pytest.mark.parametrize("space", LARGE_SPACES)
    def test_large_discrete_spaces(self, space: str, history: str) -> None:
        """Hundreds of parameters, more points than any number of 64 bits."""
        self.ask(self.make(), HISTORIES[history](LARGE_SPACES[space]), n=2)

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
            kind: Change | None,
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

    @pytest.mark.parametrize("history", [*HISTORIES, *HISTORIES_OF_SEVERAL])
    def test_trials_one_by_one_or_all_at_once(self, history: str) -> None:
        """A history that grew trial by trial, in the order in which they finished, gets the answer of a loaded one."""
        if history in HISTORIES_OF_SEVERAL and not self.objectives:
            return
        whole, sampler = {**HISTORIES, **HISTORIES_OF_SEVERAL}[history](SPACES["mixed"]), self.make()
        loaded = History(whole.space, whole.directions)
        loaded.put(whole.records)
        answer = self.ask(self.make(), loaded)
        grown = History(whole.space, whole.directions)
        for i, grown in enumerate(one_by_one(whole)):
            if i % 8 == 7:
                self.ask(sampler, grown)
        assert grown.records == whole.records
        assert self.ask(sampler, grown) == answer
        assert self.ask(sampler, loaded) == answer

    def test_a_trial_that_comes_late(self) -> None:
        """One that finished before others did, but comes to be known after them: as if it had come in time."""
        whole, sampler = HISTORIES["everything"](SPACES["conditional"]), self.make()
        late = int(whole.finish_order[5])
        history = History(whole.space, whole.directions)
        record = whole.records[late].with_(state=RUNNING, values=None, constraints=(), finished=None)
        history.put([*whole.records[:late], record, *whole.records[late + 1 :]])
        self.ask(sampler, history)
        history.put([whole.records[late]])
        assert self.ask(sampler, history) == self.ask(self.make(), whole)

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
