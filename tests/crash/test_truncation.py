"""A file that was cut at any byte shows the state after the last change that is whole, and takes new ones."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from targets import TARGETS

from luthier.stores import Result, StudyRecord, open_store
from luthier.trial import TrialState

CALLS = 4


@pytest.mark.parametrize("name", sorted(name for name, target in TARGETS.items() if target.torn))
def test_file_cut_at_any_byte_of_its_last_records(name: str, tmp_path: Path) -> None:
    with TARGETS[name].place(tmp_path) as place:
        assert place.file is not None
        states = []
        with closing(open_store(place.url)) as store:
            store.create_study(StudyRecord("study", ("minimize",), 0))
            for i in range(CALLS):
                store.enqueue("study", {"x": i}, {"client": str(i)}, str(i))
                states.append((place.file.stat().st_size, store.changes("study", 0)[1]))
                trial = store.ask("study", "me", f"ask {i}", 60.0)
                states.append((place.file.stat().st_size, store.changes("study", 0)[1]))
                store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (float(i),)))
                states.append((place.file.stat().st_size, store.changes("study", 0)[1]))
        whole = place.file.read_bytes()
        for cut in range(states[-4][0], len(whole) + 1):
            place.file.write_bytes(whole[:cut])
            expected = [found for size, found in states if size <= cut][-1]
            with closing(open_store(place.url)) as store:
                assert store.changes("study", 0)[1] == expected, cut
                trial = store.ask("study", "me", "after the cut", 60.0)
                store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (0.5,)))
            with closing(open_store(place.url)) as store:
                found = store.changes("study", 0)[1]
                assert [record.number for record in found] == list(range(len(found)))
                assert found[trial.number].values == (0.5,)
                told = [r for r in expected if r.state is TrialState.COMPLETE]
                assert [found[record.number] for record in told] == told
