from __future__ import annotations

from typing import Any

import httpx
import pytest

from luthier.errors import SearchSpaceExhausted, StorageBusy, StorageError
from luthier.samplers import RandomSampler, TPESampler
from luthier.schedulers import MedianPruner
from luthier.service.studies import Studies
from luthier.stores import MemoryStore, Store, StudyRecord

SPACE = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}, "k": {"type": "choice", "choices": ["a", "b"]}}}
S = {"study": "s"}


def create(http: httpx.Client, name: str = "s", **more: Any) -> dict[str, Any]:
    reply = http.post("/v1/studies", json={"name": name, "space": SPACE, "sampler": "random", "seed": 1, **more})
    assert reply.status_code == 201, reply.text
    return reply.json()


def ask(http: httpx.Client, client: str = "client-01", name: str = "s") -> dict[str, Any]:
    reply = http.post("/v1/ask", params={"study": name}, json={"client": client})
    assert reply.status_code == 200, reply.text
    return reply.json()


def tell(http: httpx.Client, trial: dict[str, Any], name: str = "s", **body: Any) -> httpx.Response:
    path = f"/v1/trials/{trial['number']}/tell"
    return http.post(path, params={"study": name}, json={"token": trial["token"], **body})


def test_studies_are_made_listed_loaded_and_deleted(http: httpx.Client) -> None:
    made = create(http, sampler="tpe", pruner="median")
    assert (made["sampler"], made["pruner"], made["seed"]) == ("tpe", "median", 1)
    assert [study["name"] for study in http.get("/v1/studies").json()] == ["s"]
    assert http.get("/v1/study", params=S).json()["trials"]["COMPLETE"] == 0
    again = http.post("/v1/studies", json={"name": "s", "space": SPACE})
    assert (again.status_code, again.json()["error"]) == (409, "StudyExists")
    assert http.post("/v1/studies", json={"name": "s", "space": SPACE, "load_if_exists": True}).status_code == 200
    other = {"name": "s", "load_if_exists": True, "directions": ["maximize"], "space": SPACE}
    assert http.post("/v1/studies", json=other).status_code == 409
    assert http.delete("/v1/study", params=S).status_code == 200
    gone = http.get("/v1/study", params=S)
    assert (gone.status_code, gone.json()["error"]) == (404, "StudyNotFound")
    create(http)
    assert http.get("/v1/trials", params=S).json()["total"] == 0


def test_the_same_client_id_gets_the_same_trial_and_another_gets_another(http: httpx.Client) -> None:
    create(http)
    first = ask(http)
    again, other = ask(http), ask(http, "client-02")
    assert (again["number"], again["token"], again["params"]) == (first["number"], first["token"], first["params"])
    assert other["number"] == 1 and other["token"] != first["token"]


def test_tell_is_idempotent_per_token_and_a_conflicting_one_is_refused(http: httpx.Client) -> None:
    create(http)
    trial = ask(http)
    told = tell(http, trial, values=[0.5])
    assert told.json()["state"] == "COMPLETE" and told.json()["params"] == trial["params"]
    assert tell(http, trial, values=[0.5]).json() == told.json()
    conflict = tell(http, trial, values=[0.6])
    assert (conflict.status_code, conflict.json()["error"]) == (409, "ConflictingTell")
    assert [t["values"] for t in http.get("/v1/best", params=S).json()] == [[0.5]]


def test_a_wrong_attempt_an_unknown_trial_and_that_of_another_study_are_refused(http: httpx.Client) -> None:
    create(http)
    create(http, "other")
    trial, elsewhere = ask(http), ask(http, name="other")
    ask(http, "client-02")
    late = tell(http, trial | {"token": elsewhere["token"]}, values=[1.0])
    assert (late.status_code, late.json()["error"]) == (410, "LeaseLost")
    unknown = tell(http, trial | {"number": 1}, name="other", values=[1.0])
    assert (unknown.status_code, unknown.json()["error"]) == (404, "TrialNotFound")
    assert http.get("/v1/trials/0", params=S).json()["state"] == "RUNNING"


def test_a_trial_that_was_taken_away_is_410_everywhere(http: httpx.Client, store: Store) -> None:
    create(http, pruner="median")
    trial = ask(http)
    assert store.requeue("s", trial["number"], trial["token"])
    assert ask(http, "client-02")["number"] == trial["number"]
    body = {"token": trial["token"]}
    for path, extra in (("heartbeat", {}), ("should-prune", {}), ("report", {"step": 1, "value": 0.1})):
        reply = http.post(f"/v1/trials/0/{path}", params=S, json=body | extra)
        assert (reply.status_code, reply.json()["error"]) == (410, "LeaseLost")
    assert tell(http, trial, values=[1.0]).status_code == 410


def test_the_median_pruner_stops_a_bad_trial_by_what_was_reported(http: httpx.Client) -> None:
    create(http, pruner="median")
    prune = []
    for i, value in enumerate([0.1] * 6 + [9.0, 0.05]):
        trial = ask(http, f"client-{i:02}")
        body = {"token": trial["token"]}
        assert http.post(f"/v1/trials/{i}/report", params=S, json=body | {"step": 1, "value": value}).json() == {}
        prune.append(http.post(f"/v1/trials/{i}/should-prune", params=S, json=body).json()["prune"])
        if i < 6:
            assert tell(http, trial, values=[value]).status_code == 200
    assert prune == [False] * 6 + [True, False]
    pruned = http.post(
        "/v1/trials/6/tell", params=S, json={"token": ask(http, "client-06")["token"], "state": "PRUNED"}
    )
    assert (pruned.json()["state"], pruned.json()["values"]) == ("PRUNED", [9.0])


def test_a_queued_trial_comes_next_and_is_queued_once_per_client_id(http: httpx.Client) -> None:
    create(http)
    body = {"client": "queue-01", "params": {"x": 0.25}, "attrs": {"why": "a guess"}}
    assert http.post("/v1/enqueue", params=S, json=body).json() == http.post("/v1/enqueue", params=S, json=body).json()
    assert http.get("/v1/trials", params=S).json()["total"] == 1
    trial = ask(http)
    assert trial["params"]["x"] == 0.25 and trial["params"]["k"] in ("a", "b")
    outside = http.post("/v1/enqueue", params=S, json={"client": "queue-02", "params": {"x": 2}})
    assert (outside.status_code, outside.json()["error"]) == (422, "SpaceError")


def test_trials_come_in_pages(http: httpx.Client) -> None:
    create(http)
    for i in range(5):
        ask(http, f"client-{i:02}")
    first = http.get("/v1/trials", params=S | {"limit": 3}).json()
    rest = http.get("/v1/trials", params=S | {"limit": 3, "start": first["next"]}).json()
    assert [t["number"] for t in first["trials"] + rest["trials"]] == list(range(5))
    assert rest["next"] is None
    assert "token" not in first["trials"][0]


def test_nan_reports_are_strict_json(http: httpx.Client) -> None:
    create(http)
    trial = ask(http)
    http.post("/v1/trials/0/report", params=S, json={"token": trial["token"], "step": 0, "value": None})
    assert http.get("/v1/trials/0", params=S).json()["reports"] == [[0, {"$float": "nan"}]]


def test_an_exhausted_space_says_so(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_left(*_: object) -> list[dict[str, Any]]:
        raise SearchSpaceExhausted("all were tried")

    create(http)
    monkeypatch.setattr(RandomSampler, "suggest", nothing_left)
    reply = http.post("/v1/ask", params=S, json={"client": "client-01"})
    assert (reply.status_code, reply.json()["error"]) == (409, "SearchSpaceExhausted")


def test_the_last_point_of_a_grid_is_found_again_by_the_call_whose_reply_was_lost(http: httpx.Client) -> None:
    create(http, sampler="grid", space={"parameters": {"k": {"type": "choice", "choices": ["a", "b"]}}})
    first, last = ask(http), ask(http, "client-02")
    for client, trial in (("client-02", last), ("client-01", first)):
        again = ask(http, client)
        assert (again["number"], again["token"], again["params"]) == (trial["number"], trial["token"], trial["params"])
    reply = http.post("/v1/ask", params=S, json={"client": "client-03"})
    assert (reply.status_code, reply.json()["error"]) == (409, "SearchSpaceExhausted")
    assert http.get("/v1/trials", params=S).json()["total"] == 2


def test_sampler_and_pruner_outlive_the_service(http: httpx.Client, store: Store) -> None:
    create(http, sampler="tpe", pruner="median")
    served = Studies(store).get("s")
    assert isinstance(served.engine.sampler, TPESampler) and isinstance(served.engine.scheduler, MedianPruner)


def test_a_busy_storage_is_503_and_a_broken_one_tells_nothing(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: MemoryStore) -> list[StudyRecord]:
        raise StorageBusy("locked")

    monkeypatch.setattr(MemoryStore, "studies", busy)
    reply = http.get("/v1/studies")
    assert (reply.status_code, reply.headers["Retry-After"], reply.json()["error"]) == (503, "1", "StorageBusy")

    def broken(self: MemoryStore) -> list[StudyRecord]:
        raise StorageError("cannot open /home/someone/secret.db")

    monkeypatch.setattr(MemoryStore, "studies", broken)
    reply = http.get("/v1/studies")
    assert reply.status_code == 500 and "secret" not in reply.text

    def bug(self: MemoryStore) -> list[StudyRecord]:
        raise RuntimeError("a secret bug")

    monkeypatch.setattr(MemoryStore, "studies", bug)
    reply = http.get("/v1/studies")
    assert reply.status_code == 500 and "secret" not in reply.text and "Traceback" not in reply.text
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        {"space": {"parameters": {"x": {"type": "float", "low": 1, "high": 0}}}},
        {"space": {"parameters": {"x": {"type": "float", "low": 0}}}},
        {"space": {"parameters": {"x": {"type": "pickle", "low": 0}}}},
        {"space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1, "when": "__import__('os')"}}}},
        {"space": {"parameters": {}}},
        {"directions": ["up"]},
        {"directions": ["minimize", "minimize"], "pruner": "median"},
        {"sampler": "os.system"},
        {"pruner": "pickle"},
        {"name": ""},
        {"name": "x" * 201},
        {"seed": -1},
        {"storage": "/etc/passwd"},
    ],
)
def test_what_cannot_be_is_422_with_a_reason(http: httpx.Client, body: dict[str, Any]) -> None:
    reply = http.post("/v1/studies", json={"name": "s", "space": SPACE, **body})
    assert reply.status_code == 422
    assert set(reply.json()) == {"error", "message"} and reply.json()["message"]
    assert http.get("/v1/studies").json() == []


def test_the_same_client_makes_a_study_once(http: httpx.Client) -> None:
    body = {"name": "s", "sampler": "random", "client": "maker-01"}
    first, again = (http.post("/v1/studies", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    other = http.post("/v1/studies", json=body | {"client": "maker-02"})
    assert (other.status_code, other.json()["error"]) == (409, "StudyExists")


def test_fixed_params_are_asked_for_once_per_client(http: httpx.Client) -> None:
    create(http)
    body = {"client": "client-01", "params": {"x": 0.25}}
    for _ in range(2):
        reply = http.post("/v1/ask", params=S, json=body).json()
        assert (reply["number"], reply["params"]["x"]) == (0, 0.25)
    assert http.get("/v1/trials", params=S).json()["total"] == 1


def test_attributes_that_nobody_could_read_are_refused(http: httpx.Client) -> None:
    create(http)
    ask(http)
    deep: Any = 1
    for _ in range(60):
        deep = [{"a": deep}]
    reply = http.post("/v1/trials/0/attrs", params=S, json={"attrs": {"deep": deep}})
    assert reply.status_code == 422 and "nested" in reply.json()["message"]
    assert http.post("/v1/study/attrs", params=S, json={"attrs": {"deep": deep}}).status_code == 422
    assert http.post("/v1/study/attrs", params=S, json={"attrs": {"luthier.web": 1}}).status_code == 422
    assert http.get("/v1/study", params=S).json()["attrs"] == {}


def test_where_the_storage_is_stays_untold(http: httpx.Client) -> None:
    create(http)
    for reply in (http.get("/v1/study", params={"study": "no"}), http.post("/v1/studies", json={"name": "s"})):
        assert reply.status_code in (404, 409) and " in " not in reply.json()["message"]
