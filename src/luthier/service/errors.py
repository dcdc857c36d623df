"""What the service returns: values as JSON, and errors as {"error", "message"} with a fitting status."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from .. import errors
from ..stores import StudyRecord
from ..stores.codec import to_json
from ..trial import TrialRecord
from .requests import SETTINGS

_log = logging.getLogger("luthier")

_STATUS: dict[type[Exception], int] = {
    errors.StudyNotFound: 404,
    errors.TrialNotFound: 404,
    errors.StudyExists: 409,
    errors.ConflictingTell: 409,
    errors.TrialNotRunning: 409,
    errors.SearchSpaceExhausted: 409,
    errors.LeaseLost: 410,
    errors.StorageBusy: 503,
    errors.SpaceError: 422,
    errors.ObjectiveError: 422,
    ValueError: 422,
}


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as strict JSON; NaN and the infinities as stores write them: {"$float": "nan"}."""
    return Response(to_json(data), status, headers, media_type="application/json")


def error_answer(status: int, error: str, message: str) -> Response:
    """Return an error as the client sees it."""
    headers = {"Retry-After": "1"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer({"error": error, "message": message}, status, headers)


def trial_json(record: TrialRecord) -> dict[str, Any]:
    """Return a trial without its token, which is its owner's alone."""
    return {
        "number": record.number,
        "state": record.state.name,
        "params": dict(record.params),
        "values": None if record.values is None else list(record.values),
        "constraints": list(record.constraints),
        "reports": [list(pair) for pair in record.reports],
        "attrs": dict(record.attrs),
        "error": record.error,
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
        "retries": record.retries,
    }


def study_json(record: StudyRecord) -> dict[str, Any]:
    """Return a study as it stands in the store."""
    return {
        "name": record.name,
        "directions": list(record.directions),
        "seed": record.seed,
        "space": record.space,
        "parameters": dict(record.parameters),
        "attrs": {key: value for key, value in record.attrs.items() if key != SETTINGS},
        "created": record.created,
    }


def add_error_answers(app: FastAPI) -> None:
    """Turn every exception of the app into an answer; what is unforeseen is logged here and not shown to the client."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(x["type"] == "json_invalid" for x in found):
            return error_answer(400, "NotJSON", "the body is not JSON")
        shown = "; ".join(f"{'.'.join(map(str, x['loc']))}: {x['msg']}" for x in found[:5])
        return error_answer(422, "InvalidInput", shown)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        reply = error_answer(error.status_code, "HTTPError", str(error.detail))
        reply.headers.update(error.headers or {})
        return reply

    async def known(_: Request, error: Exception) -> Response:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        return error_answer(status, type(error).__name__, str(error))

    for kind in _STATUS:
        app.add_exception_handler(kind, known)

    @app.exception_handler(errors.StorageError)
    async def storage(_: Request, error: errors.StorageError) -> Response:
        _log.error("the storage failed", exc_info=error)
        return error_answer(500, "StorageError", "the storage cannot be used: see the log of the service")

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> Response:
        return error_answer(500, "InternalError", "the service failed: see its log")
