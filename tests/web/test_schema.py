from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from luthier.stores import MemoryStore
from luthier.web.app import create_app

HEADERS = {"Host": "127.0.0.1", "Authorization": "Bearer a-token-for-schemas"}
SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(MemoryStore(), "a-token-for-schemas"), headers=HEADERS
)


@SCHEMA.parametrize()
@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
def test_whatever_the_schema_allows_is_answered(case: schemathesis.Case) -> None:
    reply = case.call(headers=HEADERS)
    case.validate_response(reply, checks=[not_a_server_error, status_code_conformance])


def test_the_schema_names_every_endpoint() -> None:
    paths = set(SCHEMA.raw_schema["paths"])
    trial = {f"/v1/trials/{{number}}/{x}" for x in ("tell", "report", "should-prune", "heartbeat", "suggest", "attrs")}
    assert trial | {"/v1/studies", "/v1/study", "/v1/ask", "/v1/enqueue", "/v1/best", "/v1/trials"} <= paths
