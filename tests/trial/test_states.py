"""States are asked for what they are: their numbers have no order, so that others can come."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import luthier as lt
from luthier.history import History
from luthier.space import Space
from luthier.trial import ACTIVE, FINISHED, TRANSITIONS, TrialRecord, TrialState

SOURCE = Path(lt.__file__).parent
PLACES = [SOURCE, *(Path(__file__).parents[2] / name for name in ("bench", "examples", "docs"))]


def is_of_states(node):
    """Whether an expression is a state, or an array of them, by its name."""
    return any(
        (isinstance(x, ast.Name) and x.id in ("state", "states", *TrialState.__members__))
        or (isinstance(x, ast.Attribute) and (x.attr in ("state", "states") or ast.unparse(x.value) == "TrialState"))
        for x in ast.walk(node)
    )


def is_a_state(node):
    """Whether an expression is a state itself, not something that is made of one."""
    return isinstance(node, ast.Name | ast.Attribute) and is_of_states(node)


def by_number(tree):
    """Expressions that take the numbers of states for an order or a quantity."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for i, operator in enumerate(node.ops):
                if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) and any(map(is_a_state, sides[i : i + 2])):
                    yield node
        elif isinstance(node, ast.Slice):
            if any(x is not None and is_of_states(x) for x in (node.lower, node.upper)):
                yield node
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Mod | ast.FloorDiv):
            if is_a_state(node.left) or is_a_state(node.right):
                yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("max", "min", "range"):
            yield from (node for x in node.args if is_a_state(x) or ast.unparse(x) == "TrialState")


def test_no_code_compares_states_by_number():
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for place in PLACES
        for path in place.rglob("*.py")
        for node in by_number(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, found


@pytest.mark.parametrize(
    "code",
    [
        "history.states >= TrialState.COMPLETE",
        "TrialState.WAITING < record.state",
        "0 < 1 < state",
        "(states >= RUNNING) & (states <= PRUNED)",
        "counts[TrialState.COMPLETE :]",
        "sum(counts[: int(TrialState.COMPLETE)])",
        "record.state + 1",
        "range(TrialState.COMPLETE, 5)",
        "max(TrialState) + 1",
    ],
)
def test_the_test_finds_them(code):
    assert list(by_number(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "history.states == TrialState.COMPLETE",
        "record.state in FINISHED",
        "counts[TrialState.COMPLETE] > 3",
        "[r for r in records if r.state is RUNNING][:10]",
        "sum(counts[state] for state in FINISHED) + n",
        "history.states[: 8 * n]",
    ],
)
def test_and_nothing_else(code):
    assert not list(by_number(ast.parse(code)))


def test_every_state_is_what_its_transitions_make_of_it():
    for state in TrialState:
        assert state.is_finished == (state in FINISHED) == (not TRANSITIONS[state])
        assert state.is_active == (state in ACTIVE) and not (state.is_active and state.is_finished)


def test_a_state_is_shown_by_its_name_and_stored_by_its_number():
    state = TrialState.PRUNED
    assert (str(state), f"{state}", f"{state:>8}", f"{state!s:.2}") == ("PRUNED", "PRUNED", "  PRUNED", "PR")
    assert repr(state) == "<TrialState.PRUNED: 3>"
    assert json.dumps({"state": state}) == '{"state": 3}' and json.loads(json.dumps(state)) == state
    assert np.array([state], dtype=np.int8)[0] == 3


def test_a_history_counts_and_masks_by_sets_of_states():
    history = History(Space({}))
    assert history.counts() == dict.fromkeys(TrialState, 0) and history.best() is None
    states = [TrialState.FAIL, TrialState.RUNNING, TrialState.COMPLETE, TrialState.WAITING, TrialState.COMPLETE]
    values = [None, None, (2.0,), None, (2.0,)]
    history.put([TrialRecord(i, s, {}, v) for i, (s, v) in enumerate(zip(states, values, strict=True))])
    assert history.counts() == {state: states.count(state) for state in TrialState}
    assert history.is_finished.tolist() == [s.is_finished for s in states]
    assert history.is_state().tolist() == [False] * 5
    assert history.is_state(TrialState.FAIL, TrialState.WAITING).tolist() == [True, False, False, True, False]
    assert history.best().number == 2, "the earliest of equals"
    assert History(Space({}), ("minimize", "maximize")).best() is None
