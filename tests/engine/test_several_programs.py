"""Several programs on one storage: trial k gets the parameters of number k, whoever asks, and in whatever order.

Two studies on one SQLite file stand for two programs; a store that lets the other go first stands for chance.
"""

import itertools
import json

import pytest

import luthier as lt
from luthier.errors import SearchSpaceExhausted
from luthier.samplers import AutoSampler, GPSampler, GridSampler, QMCSampler, RandomSampler, TPESampler

SAMPLERS = {
    "random": RandomSampler,
    "grid": GridSampler,
    "sobol": QMCSampler,
    "halton": lambda: QMCSampler("halton"),
    "latin hypercube": lambda: QMCSampler("latin_hypercube"),
    "tpe": TPESampler,
    "gp": GPSampler,
    "auto": AutoSampler,
}
SPACES = {
    "floats": {"x": lt.Float(-1, 1), "y": lt.Float(1e-5, 1.0, log=True), "z": lt.Int(1, 4)},
    "few points": {
        "optimizer": lt.Choice(["sgd", "adam", "lion"], default="adam"),
        "layers": lt.Int(1, 8, default=2),
        "rate": lt.Ordinal([1e-4, 1e-3, 1e-2, 1e-1], default=1e-3),
    },
    "conditional": {
        "kind": lt.Choice(["a", "b"]),
        "x": lt.Int(1, 30, when={"kind": "a"}),
        "y": lt.Float(0, 1, when={"kind": "b"}),
    },
}


class Racing:
    """A store before whose next `ask` another program goes first."""

    def __init__(self, store):
        self._store, self.first = store, []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _others_first(self):
        while self.first:
            self.first.pop()()

    def ask(self, *arguments, **named):
        self._others_first()
        return self._store.ask(*arguments, **named)

    def tell_and_ask(self, *arguments, **named):
        self._others_first()
        return self._store.tell_and_ask(*arguments, **named)


def programs(path, space, sampler, count=3):
    """Studies of several programs on one file, each with the store between, which it goes through."""
    return [
        lt.create_study(
            space=SPACES[space] if isinstance(space, str) else space,
            sampler=sampler(),
            storage=Racing(lt.stores.open_store(path)),
            study_name="s",
            seed=3,
            load_if_exists=True,
        )
        for _ in range(count)
    ]


def value(params):
    return sum((hash_free(v) % 97) / 97 for v in params.values())


def hash_free(x):
    """A number of any value, the same in every process."""
    return sum(map(ord, json.dumps(x)))


def alone(space, sampler, told, running):
    """The parameters of trials in one program: some told before the rest are asked for."""
    study = lt.create_study(
        space=SPACES[space] if isinstance(space, str) else space, sampler=sampler(), seed=3, study_name="s"
    )
    for _ in range(told):
        trial = study.ask()
        study.tell(trial, value(trial.params))
    return [study.ask().params for _ in range(running)]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("told", [0, 20])
def test_who_loses_the_number_gets_what_the_next_number_gets(tmp_path, sampler, space, told):
    a, b, c = programs(tmp_path / "s.db", space, SAMPLERS[sampler])
    for study in itertools.islice(itertools.cycle([a, b, c]), told):
        trial = study.ask()
        study.tell(trial, value(trial.params))
    found = {}

    def ask(study):
        trial = study.ask()
        found[trial.number] = trial.params

    for first, second in [(a, b), (b, a), (c, a), (a, c)]:  # `second` takes the number for which `first` proposed
        first.storage.first.append(lambda second=second: ask(second))
        ask(first)
    a.storage.first.append(lambda: ask(c))  # and three at once
    b.storage.first.append(lambda: ask(a))
    ask(b)
    wanted = alone(space, SAMPLERS[sampler], told, len(found))
    assert [found[k] for k in sorted(found)] == wanted
    if sampler in ("grid", "tpe", "gp", "auto"):
        assert len({json.dumps(x, sort_keys=True) for x in wanted}) == len(wanted)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("told", [0, 20])
def test_nor_does_it_matter_that_others_are_between_their_number_and_their_parameters(
    tmp_path, monkeypatch, sampler, told
):
    a, b, c = programs(tmp_path / "s.db", "few points", SAMPLERS[sampler])
    for _ in range(told):
        trial = a.ask()
        a.tell(trial, value(trial.params))
    found = {}

    def ask(study):
        trial = study.ask()
        found[trial.number] = trial.params

    complete = a._engine._proposals.complete

    def slow(record, **options):  # the others ask while this one has a number and no parameters yet
        ask(b)
        ask(c)
        return complete(record, **options)

    monkeypatch.setattr(a._engine._proposals, "complete", slow)
    a.storage.first.append(lambda: ask(c))
    ask(a)
    wanted = alone("few points", SAMPLERS[sampler], told, len(found))
    assert [found[k] for k in sorted(found)] == wanted


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_a_trial_with_fixed_values_that_loses_its_number(tmp_path, sampler):
    a, b, _ = programs(tmp_path / "s.db", "floats", SAMPLERS[sampler])
    found = {}

    def ask(study, **options):
        trial = study.ask(**options)
        found[trial.number] = trial.params

    ask(a)
    a.storage.first.append(lambda: ask(b))
    ask(a, fixed={"x": 0.25})
    ask(b)
    assert found[2]["x"] == 0.25
    assert len({params["y"] for params in found.values()}) == 4
    stored = lt.load_study("s", storage=tmp_path / "s.db").trials
    assert [found[k] for k in range(4)] == [dict(t.params) for t in stored]


@pytest.mark.parametrize("sampler", ["sobol", "halton", "latin hypercube", "tpe", "gp", "auto"])
@pytest.mark.parametrize("count", [1, 2])
def test_queued_trials_take_the_rest_of_their_own_number(tmp_path, sampler, count):
    studies = programs(tmp_path / "s.db", "floats", SAMPLERS[sampler], count)
    studies[0].ask()
    for x in (0.1, 0.2, 0.3):
        studies[0].enqueue_trial({"x": x})
    found = {}
    for study, fixed in zip(itertools.cycle(studies), [None, {"x": 0.4}, None, None, None, None]):
        trial = study.ask(fixed)
        found[trial.number] = trial.params
    assert {k: found[k]["x"] for k in (1, 2, 3, 4)} == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    assert len({params["y"] for params in found.values()}) == len(found)
    whole = alone("floats", SAMPLERS[sampler], 0, 7)
    if sampler in ("sobol", "halton", "latin hypercube"):
        assert {k: v["y"] for k, v in found.items()} == {k: whole[k]["y"] for k in found}


@pytest.mark.parametrize("method", ["sobol", "halton", "latin_hypercube"])
def test_a_parameter_that_is_met_in_the_middle_of_a_trial_gets_the_point_of_its_trial(tmp_path, method):
    study = lt.create_study(sampler=QMCSampler(method), storage=tmp_path / "s.db", seed=3)
    trials = [study.ask() for _ in range(4)]
    values = [t.suggest_float("x", 0, 1) for t in reversed(trials)]
    later = [study.ask() for _ in range(4)]
    values += [t.suggest_float("x", 0, 1) for t in reversed(later)]
    assert len(set(values)) == 8


@pytest.mark.parametrize("sampler", ["grid", "tpe", "gp", "auto"])
def test_what_a_trial_has_is_known_to_other_programs_at_once(tmp_path, sampler):
    a, b, _ = programs(tmp_path / "s.db", "few points", SAMPLERS[sampler])
    a.storage.first.append(lambda: b.ask())
    mine = a.ask()
    assert dict(b.trials[mine.number].params) == mine.params


def test_the_seed_of_a_finished_grid_ends_both(tmp_path):
    a, b, _ = programs(tmp_path / "s.db", {"x": lt.Int(1, 3)}, GridSampler)
    seen = []

    def objective(trial):
        seen.append(trial.params["x"])
        return 0.0

    a.optimize(objective, n_trials=1)
    b.optimize(objective, n_trials=1)
    a.optimize(objective)
    b.optimize(objective)
    assert sorted(seen) == [1, 2, 3] and len(a.trials) == 3


@pytest.mark.parametrize("waits", [False, True])
def test_the_last_point_of_a_grid_that_two_want_at_once_starts_one_trial(tmp_path, waits):
    a, b, _ = programs(tmp_path / "s.db", {"x": lt.Int(1, 3)}, GridSampler)
    a.optimize(lambda trial: 0.0, n_trials=2)
    if waits:
        a.enqueue_trial({"x": ({1, 2, 3} - {t.params["x"] for t in a.trials}).pop()})
    a.storage.first.append(b.ask)
    with pytest.raises(SearchSpaceExhausted):
        a.ask()
    assert [t.state.name for t in a.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]


def test_the_last_point_of_a_grid_that_another_takes_while_a_trial_is_told_with_the_next_question(tmp_path):
    a, b, _ = programs(tmp_path / "s.db", {"x": lt.Int(1, 3)}, GridSampler)

    def objective(trial):
        if trial.number == 1:
            a.storage.first.append(b.ask)
        return 0.0

    a.optimize(objective)
    assert [t.state.name for t in a.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]


@pytest.mark.parametrize("sampler", ["gp", "auto", "tpe"])
def test_a_point_that_another_program_took_meanwhile_is_not_taken_again(tmp_path, monkeypatch, sampler):
    """The others know a result that this one has not seen when it works out its parameters."""
    a, b, _ = programs(tmp_path / "s.db", "few points", SAMPLERS[sampler])
    for _ in range(20):
        trial = b.ask()
        b.tell(trial, value(trial.params))
    suggest, theirs = a._engine._proposals._suggest, []

    def same_as_the_other(number, fixed):
        if not theirs:  # in the meantime the other starts a trial, with the point that this one comes to
            params = suggest(number, fixed)
            theirs.append(b.ask(fixed=params))
            return params
        return suggest(number, fixed)

    a.storage.first.append(b.ask)
    complete = a._engine._proposals.complete

    def while_completing(record, **options):
        monkeypatch.setattr(a._engine._proposals, "_suggest", same_as_the_other)
        return complete(record, **options)

    monkeypatch.setattr(a._engine._proposals, "complete", while_completing)
    mine = a.ask()
    assert theirs and mine.params != theirs[0].params


@pytest.mark.parametrize("sampler", ["random", "sobol", "tpe", "gp", "auto"])
def test_parameters_have_one_order_whoever_asks_for_them_first(tmp_path, sampler):
    """An objective that defines the space asks in another order in each program."""
    a, b = (
        lt.create_study(
            sampler=SAMPLERS[sampler](), storage=tmp_path / "s.db", study_name="s", seed=3, load_if_exists=True
        )
        for _ in range(2)
    )
    first, second = a.ask(), b.ask()
    x = first.suggest_float("x", 0, 1), first.suggest_float("y", 0, 1)
    y = second.suggest_float("y", 0, 1), second.suggest_float("x", 0, 1)
    a.tell(first, sum(x))
    b.tell(second, sum(y))
    for k in range(18):
        trial = (a, b)[k % 2].ask()
        value = trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)
        (a, b)[k % 2].tell(trial, value)
    c = lt.load_study("s", storage=tmp_path / "s.db", sampler=SAMPLERS[sampler]())
    assert a.history.space.names == b.history.space.names == c.history.space.names == ("x", "y")
    suggested = []
    for study in (a, b, c):
        trial = study.ask()
        suggested.append([trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)])
        study.storage.requeue("s", trial.number, trial.token)
        assert trial.number == 20
    assert suggested[0] == suggested[1] == suggested[2]


def test_what_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    a, b = (lt.create_study(storage=tmp_path / "s.db", study_name="s", seed=3, load_if_exists=True) for _ in range(2))
    a.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    read, failed = b.storage.study, []

    def busy_once(name):
        if not failed:
            failed.append(name)
            raise lt.errors.StorageBusy("busy")
        return read(name)

    monkeypatch.setattr(b.storage, "study", busy_once)
    with pytest.raises(lt.errors.StorageBusy):
        b.ask()
    trial = b.ask()
    assert trial.number == 3 and len(b.trials) == 4
    assert [t.state.name for t in b.trials] == ["COMPLETE"] * 3 + ["RUNNING"]


def test_long_trials_that_define_the_space_are_not_worked_out_again(tmp_path):
    """They store what they asked for with their result: that is no reason to take them for trials that just begin."""
    calls = []

    class Counting(AutoSampler):
        def suggest(self, space, history, rng, n):
            calls.append(history.asked)
            return super().suggest(space, history, rng, n)

    a, b = (
        lt.create_study(sampler=Counting(), storage=tmp_path / "s.db", study_name="s", seed=3, load_if_exists=True)
        for _ in range(2)
    )
    running = [a.ask() for _ in range(12)]
    for trial in running:
        trial.suggest_float("x", 0, 1)
    calls.clear()
    b.ask()
    assert len(calls) <= 2
