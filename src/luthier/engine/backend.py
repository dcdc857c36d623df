"""Backend: what a study, and a run of `optimize`, need of where the study is at work: here, or in a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from ..stores import Result
from ..trial import Session, Trial, TrialRecord, TrialState
from ..types import Configuration


class Backend(Protocol):
    """Starts trials, and takes what comes of them. Safe for threads.

    Attributes:
        is_far: whether calls take long, so that a trial is asked for while another is told.
    """

    is_far: bool

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        ...

    # -- a trial

    def ask(self, *, max_retries: int) -> Trial:
        """Start a trial: one that was abandoned, one of the queue, or a new one.

        Raises:
            SearchSpaceExhausted: nothing is left to try.
        """
        ...

    def result_of(
        self, number: int, values: Any, state: TrialState | None, constraints: Iterable[float], error: str | None
    ) -> Result:
        """Return what a trial is told; see `trial.results.result_of`."""
        ...

    def tell(self, number: int, token: str | None, result: Result, params: Configuration | None) -> TrialRecord:
        """Finish a trial; durable when it returns.

        Raises:
            LeaseLost, ConflictingTell: the trial is another's, or was told otherwise.
        """
        ...

    def give_back(self, number: int, token: str) -> bool:
        """Queue a trial again that did not end; False if it is another's."""
        ...

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a trial whose worker died too often; False if it is another's."""
        ...

    # -- the study

    def begin(self) -> None:
        """A run begins: queue again what an earlier run of this machine left behind."""
        ...

    def recover(self, max_retries: int) -> None:
        """Queue again, or fail, what was abandoned, and take in what others did: before trials are counted."""
        ...

    def record(self, number: int) -> TrialRecord:
        """Return the trial of that number."""
        ...

    def counts(self) -> Mapping[TrialState, int]:
        """Return how many trials are in each state."""
        ...

    def best(self) -> TrialRecord | None:
        """Return the best trial so far; None for none, or where there are several objectives."""
        ...

    def standing(self) -> tuple[int | None, bool]:
        """Return how many trials are finished, None where that takes a call; and whether the study outlives this
        process.
        """
        ...


@runtime_checkable
class PairingBackend(Backend, Protocol):
    """A backend that can finish a trial and start another in one transaction."""

    def tells_and_asks(self, trial: Trial) -> bool:
        """Return whether telling this trial and asking for the next in one call costs less than the two."""
        ...

    def tell_and_ask(
        self, number: int, token: str, result: Result, params: Configuration | None, *, max_retries: int
    ) -> tuple[TrialRecord, Trial]:
        """Finish a trial and start another. Raises as `tell` and `ask`: then neither was done."""
        ...
