"""Proposals: the parameters with which the store is asked for a trial, and those of a trial that got another number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import SearchSpaceExhausted, StaleProposal
from ..space.growing import stored_without_space
from ..space.partial import without_inactive
from ..stores import Proposal
from ..trial import TrialRecord
from ..types import Configuration, Label
from .local import Local
from .mirror import NOTHING
from .running import SAVE_SECONDS

_ONE_THAT_WAITS = -1  # no new trial has this number


class Proposals:
    """Parameters for the trials of a study, whichever number they get. Under the engine's lock.

    Args:
        local: the study in this process.
    """

    def __init__(self, local: Local) -> None:
        self._local = local

    def stored(self, params: Mapping[str, Any]) -> Configuration:
        """Return values for some parameters as they are stored, without those that are inactive beside the others.

        Raises:
            SpaceError: no configuration has them.
        """
        declared, mirror = self._local.mirror.declared, self._local.mirror
        if declared is None:
            return stored_without_space(params, mirror.domains_of(params.keys()))
        stored = declared.check_partial(params)
        self._local.suggestions.check(declared, len(mirror.history), stored)
        return without_inactive(declared, stored)

    def ask(self, given: Mapping[str, Label], client: str | None) -> tuple[TrialRecord, Proposal | None, int]:
        """Ask the store for a trial.

        Args:
            given: as in `next`.
            client: a unique id of this call, where it may be made again.

        Returns:
            what the store started, what it was asked with, and the number for which that was worked out.
        """
        local = self._local
        call = client or local.fresh_id()
        while True:
            expected, ended = len(local.mirror.history), None
            try:
                proposal = self.next(given)
            except SearchSpaceExhausted as error:
                if given or client is None:
                    raise
                # unless this very call, whose reply was lost, has started the last trial
                proposal, ended = Proposal(_ONE_THAT_WAITS, {}, only=True), error
            try:
                return local.store.ask(local.name, local.owner, call, local.lease, proposal), proposal, expected
            except StaleProposal:  # others were faster
                if ended is not None:
                    raise ended from None
                local.mirror.sync()

    def next(self, given: Mapping[str, Label]) -> Proposal | None:
        """Return parameters for the next trial; none where one waits that is to be taken.

        Args:
            given: values that it shall have, as they are stored; a new trial has them even where others wait.
        """
        history = self._local.mirror.history
        if given:
            return Proposal(None, self._suggest(len(history), given))
        may_end = self._local.lease is not None and self._local.suggestions.may_end
        if history.has_waiting:
            return Proposal(_ONE_THAT_WAITS, {}, only=True) if may_end else None
        return Proposal(len(history), self._suggest(len(history), given), only=may_end)

    def complete(
        self, record: TrialRecord, *, given: Mapping[str, Label] = NOTHING, here: bool
    ) -> tuple[TrialRecord, Configuration | None]:
        """Return a started trial's record with the parameters of its number, and those if they are to be stored yet.

        Where several processes ask at once, most numbers go to another than they were proposed for, and a transaction
        for each would slow all of them: so where no suggestion depends on them the heartbeat stores what is not told by
        then. A dead worker's trial may lack none.

        Args:
            record: of the trial, as the store has it.
            given: values that it shall have, where what the store has was suggested for another number.
            here: whether this process runs it.
        """
        began, local = time.monotonic(), self._local
        mirror, suggestions = local.mirror, local.suggestions
        space = mirror.space
        known = dict(given or record.params)
        row = space.encode([space.known(known)])
        if not (space.active(row) & np.isnan(row)).any():
            return record, None
        with mirror.synced_up_to(record.number):
            params = self._suggest(record.number, known)
        if local.lease is not None and not suggestions.by_number:
            mirror.sync()  # what others came to meanwhile, from results that this process had not seen
            if suggestions.is_taken(mirror.history, record.number, params):
                params = self._suggest(record.number, known)
        quick = time.monotonic() - began < SAVE_SECONDS
        later = here and not given and suggestions.by_number and local.running.may_wait and quick
        if not later:
            local.store.write(local.name, record.number, record.token, params=params, lease=local.lease)
        return record.with_(params=params), params if later else None

    def _suggest(self, number: int, fixed: Mapping[str, Label]) -> Configuration:
        # where the objective defines the space, what it asks for is stored with the result: it may be lacking for long
        is_elsewhere = None if self._local.lease is None or self._local.mirror.declared is None else self._is_elsewhere
        return self._local.suggestions.configuration(self._local.mirror.history, number, fixed, is_elsewhere)

    def _is_elsewhere(self, record: TrialRecord) -> bool:
        return not self._local.running.runs(record)
