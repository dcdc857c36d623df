import gc
import threading
import time

import pytest

from luthier.engine.heartbeat import Heartbeat


class Owner:
    def __init__(self, seconds=0.01):
        self.held = {0: "a"}
        self.renewed = []
        self.fail = 0
        self.heartbeat = Heartbeat(self.due, self.renew, seconds)

    def due(self):
        return list(self.held.items())

    def renew(self, number, token):
        if self.fail:
            self.fail -= 1
            raise OSError("the disk is away")
        self.renewed.append((number, token))


def beats():
    return [t for t in threading.enumerate() if t.name == "luthier-heartbeat"]


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.fixture
def owner():
    owner = Owner()
    yield owner
    owner.held = {}
    owner.heartbeat.stop()
    assert beats() == []


def test_it_beats_sooner_where_that_is_asked_for():
    owner = Owner(seconds=1000)
    owner.heartbeat.start()
    assert owner.renewed == []
    owner.heartbeat.start(within=0.01)
    until(lambda: owner.renewed)
    owner.heartbeat.start(within=2000)  # no later for it
    owner.heartbeat.start(within=0.01)
    until(lambda: len(owner.renewed) == 2)
    owner.heartbeat.stop()
    owner.heartbeat.start(within=0.01)
    until(lambda: len(owner.renewed) == 3)
    owner.heartbeat.stop()
    assert beats() == []


def test_it_renews_what_is_held_and_ends_when_nothing_is(owner):
    owner.heartbeat.start()
    owner.heartbeat.start()
    assert len(beats()) == 1
    until(lambda: len(owner.renewed) >= 2)
    owner.held = {1: "b", 2: "c"}
    until(lambda: {(1, "b"), (2, "c")} <= set(owner.renewed))
    owner.held = {}
    until(lambda: not beats())
    owner.held, before = {3: "d"}, len(owner.renewed)
    owner.heartbeat.start()
    until(lambda: len(owner.renewed) > before)
    assert owner.renewed[-1] == (3, "d")


def test_errors_are_logged_and_tried_again(owner, caplog):
    owner.fail = 3
    owner.heartbeat.start()
    until(lambda: owner.renewed)
    assert [r.message for r in caplog.records] == [
        "the lease of trial 0 could not be renewed, trying again: the disk is away"
    ] * 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_again(owner):
    owner.held = None  # not what `held` may say
    owner.heartbeat.start()
    until(lambda: not beats())
    owner.held = {1: "b"}
    owner.heartbeat.start()
    until(lambda: (1, "b") in owner.renewed)


def test_stop_ends_it_at_once_and_it_may_start_again():
    owner = Owner(seconds=3600)
    for _ in range(2):
        owner.heartbeat.start()
        owner.heartbeat.stop()
        assert beats() == []
    owner.heartbeat.stop()


@pytest.mark.parametrize("seconds", [0.01, 3600])
def test_it_ends_with_an_owner_that_nobody_holds(seconds):
    owner = Owner(seconds)
    owner.heartbeat.start()
    del owner
    gc.collect()
    until(lambda: not beats())
