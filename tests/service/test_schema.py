from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from luthier.service.app import create_app
from luthier.service.requests import CreateBody
from luthier.service.studies import Studies
from luthier.stores import MemoryStore, Result
from luthier.trial import TrialState

HEADERS = {"Host": "127.0.0.1", "Authorization": "Bearer a-token-for-schemas"}


def store() -> MemoryStore:
    """A store in which names and numbers that the schema gives as examples lead to something."""
    made = MemoryStore()
    for name in ("lenet", "shown"):
        space = {"parameters": {"lr": {"type": "float", "low": 1e-4, "high": 0.1}}} if name == "lenet" else None
        body = {"name": name, "space": space, "sampler": "random", "pruner": "median", "client": f"maker-of-{name}"}
        engine = Studies(made).create(CreateBody.model_validate(body))[0].engine
        for number in range(3):
            trial = engine.ask(client=f"client-{number}")
            made.write(name, number, trial.token, reports=[(0, 0.5), (1, float("nan"))], attrs={"a": [1, None]})
            if number == 0:
                engine.tell(number, trial.token, Result(TrialState.COMPLETE, (0.25,), (-1.0,)))
    return made


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", create_app(store(), "a-token-for-schemas"), headers=HEADERS)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@SCHEMA.parametrize()
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
def test_whatever_the_schema_allows_is_answered_as_it_says(case: schemathesis.Case) -> None:
    if "study" in case.query and case.operation.method != "delete":
        case.query = {**case.query, "study": ("lenet", "shown")[len(case.query["study"]) % 2]}
    reply = case.call(headers=HEADERS)
    case.validate_response(reply, checks=CHECKS)


def test_the_schema_names_every_endpoint_and_says_what_it_is() -> None:
    schema = SCHEMA.raw_schema
    trial = {f"/v1/trials/{{number}}/{x}" for x in ("tell", "report", "should-prune", "heartbeat", "suggest", "attrs")}
    assert trial | {"/v1/studies", "/v1/study", "/v1/ask", "/v1/enqueue", "/v1/best", "/v1/trials"} <= set(
        schema["paths"]
    )
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    for operation in operations:
        good = operation["responses"]["201" if operation["operationId"] == "create_study" else "200"]
        assert operation["description"] and operation["tags"] and operation["security"], operation["operationId"]
        assert good["content"]["application/json"]["schema"]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) and "ask" in names
    bodies = {name: body for name, body in schema["components"]["schemas"].items() if name.endswith(("Body", "Reply"))}
    assert all(body.get("description") for body in bodies.values())
