"""The HTTP application: every endpoint of /v1. Studies are named in the query, never in the path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from .._version import __version__
from ..space import domain_from_json, domain_to_json
from ..stores import Store
from ..study.attributes import OURS
from ..trial import TrialState
from ..trial.results import check_json
from .errors import add_error_answers, answer, study_json, trial_json
from .requests import (
    AddBody,
    AskBody,
    AttrsBody,
    CreateBody,
    EnqueueBody,
    Name,
    ReportBody,
    SuggestBody,
    TellBody,
    TokenBody,
    TrialAttrsBody,
)
from .responses import (
    AskReply,
    LeaseReply,
    MadeReply,
    Nothing,
    Problem,
    PruneReply,
    QueuedReply,
    StudyDetails,
    StudyReply,
    TrialPage,
    TrialReply,
    ValueReply,
)
from .security import Guard
from .studies import Studies

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "not JSON"},
    401: {"model": Problem, "description": "no token, or a wrong one"},
    403: {"model": Problem, "description": "a Host or an Origin that is not allowed"},
    404: {"model": Problem, "description": "no such study or trial"},
    409: {"model": Problem, "description": "the study exists; the trial is not running, or was told otherwise"},
    410: {"model": Problem, "description": "the trial belongs to another owner now"},
    413: {"model": Problem, "description": "the body is too large"},
    415: {"model": Problem, "description": "the body is not application/json"},
    422: {"model": Problem, "description": "input that cannot be right"},
    503: {"model": Problem, "description": "the storage is busy: try again after Retry-After seconds"},
}

_WAS_THERE: dict[int | str, dict[str, Any]] = {200: {"model": MadeReply, "description": "the study existed already"}}

_DESCRIPTION = """
Create a study, `ask` for a trial, run it with its `params`, `report` as it runs if you like, `tell` its result.

* Studies are named in the query (`?study=NAME`): a name may hold slashes and dots.
* Any call may be repeated if its reply was lost: a `client` id or the trial's `token` makes the repeat harmless.
* A trial is yours for `lease` seconds after your last call about it. Then another may get it, and your token a 410.
* Errors are `{"error": KIND, "message": TEXT}`. NaN and the infinities, which JSON lacks, are `{"$float": "nan"}`.
"""

StudyName = Annotated[Name, Query(alias="study", description="the name of the study")]
Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="the number of the trial", examples=[0])]


def create_app(store: Store, token: str | None, hosts: Iterable[str] = ()) -> ASGIApp:
    """Return the service of a store, guarded, as an ASGI application for uvicorn or any other server.

    >>> from luthier.stores import open_store
    >>> from luthier.service.app import create_app
    >>> app = create_app(open_store("studies.db"), token="a-token-of-16-characters", hosts=["tuner.lan"])
    >>> callable(app)
    True

    Args:
        store: where studies live.
        token: what clients must send; None lets every client in.
        hosts: names under which the service may be called, beside those of the loopback.
    """
    scheme = HTTPBearer(
        auto_error=False, description="the token that `luthier serve` printed, or was given"
    )  # Guard checks it
    app = FastAPI(
        title="Luthier",
        summary="Hyperparameter studies over HTTP: ask for a trial, run it, tell its result.",
        description=_DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[] if token is None else [Depends(scheme)],
        openapi_tags=[
            {"name": "studies", "description": "What to search, and what was found."},
            {"name": "trials", "description": "From ask to tell."},
        ],
    )
    add_error_answers(app)
    studies = Studies(store)
    _add_study_endpoints(app, studies)
    _add_trial_endpoints(app, studies)
    return Guard(app, token, hosts)


def _add_study_endpoints(app: FastAPI, studies: Studies) -> None:
    @app.get("/v1/studies", tags=["studies"], response_model=list[StudyReply])
    def list_studies() -> Response:
        """Return all studies, oldest first."""
        return answer([study_json(record) for record in studies.store.studies()])

    @app.post("/v1/studies", tags=["studies"], response_model=MadeReply, status_code=201, responses=_WAS_THERE)
    def create_study(body: CreateBody) -> Response:
        """Create a study: 201 if it is new, 200 if it existed already and load_if_exists is true."""
        served, is_new = studies.create(body)
        return answer(study_json(served.record) | served.settings, 201 if is_new else 200)

    @app.get("/v1/study", tags=["studies"], response_model=StudyDetails)
    def get_study(name: StudyName) -> Response:
        """One study, with the number of its trials by state."""
        served = studies.get(name)
        counts = {state.name: n for state, n in served.study.history.counts().items()}
        found = {"trials": counts, "lease": served.engine.lease}
        return answer(study_json(studies.store.study(name)) | served.settings | found)

    @app.post("/v1/study/attrs", tags=["studies"], response_model=Nothing)
    def set_study_attrs(name: StudyName, body: AttrsBody) -> Response:
        """Attach JSON values to a study."""
        for key in body.attrs:
            if key.startswith(OURS):
                raise ValueError(f"attribute {key!r} is the service's own: choose a name without {OURS!r}")
        for key, value in body.attrs.items():
            check_json(key, value)
        studies.store.set_study_attrs(name, body.attrs)
        return answer({})

    @app.delete("/v1/study", tags=["studies"], response_model=Nothing)
    def delete_study(name: StudyName) -> Response:
        """Remove a study with its trials."""
        studies.delete(name)
        return answer({})

    @app.get("/v1/best", tags=["studies"], response_model=list[TrialReply])
    def best_trials(name: StudyName) -> Response:
        """Return the best trial, or the Pareto front of several objectives; empty before the first result."""
        study = studies.get(name).study
        if len(study.directions) > 1:
            return answer([trial_json(record) for record in study.best_trials])
        best = study.history.best()
        return answer([] if best is None else [trial_json(best)])


def _add_trial_endpoints(app: FastAPI, studies: Studies) -> None:
    @app.get("/v1/trials", tags=["trials"], response_model=TrialPage)
    def list_trials(
        name: StudyName,
        start: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Return some trials by number; `next` is the start of the next page, null after the last."""
        trials = studies.get(name).study.trials
        page = trials[start : start + limit]
        following = start + limit if start + limit < len(trials) else None
        return answer({"trials": [trial_json(record) for record in page], "next": following, "total": len(trials)})

    @app.get("/v1/trials/{number}", tags=["trials"], response_model=TrialReply)
    def get_trial(name: StudyName, number: Number) -> Response:
        """One trial."""
        served = studies.get(name)
        served.engine.sync()
        return answer(trial_json(served.engine.record(number)))

    @app.post("/v1/ask", tags=["trials"], response_model=AskReply)
    def ask(name: StudyName, body: AskBody) -> Response:
        """Start a trial and own it for `lease` seconds: a queued one if there is one, else a new one."""
        engine = studies.get(name).engine
        number, token, suggested, domains, _, fixed = engine.ask(body.params, body.client).ticket()
        found = {
            "number": number,
            "token": token,
            "params": suggested,
            "domains": {key: domain_to_json(domain) for key, domain in domains.items()},
            "fixed": sorted(fixed),
            "lease": engine.lease,
        }
        return answer(found)

    @app.post("/v1/enqueue", tags=["trials"], response_model=TrialReply)
    def enqueue(name: StudyName, body: EnqueueBody) -> Response:
        """Queue a trial with some values fixed."""
        return answer(trial_json(studies.get(name).engine.enqueue(body.params, body.attrs, body.client)))

    @app.post("/v1/add", tags=["trials"], response_model=list[TrialReply])
    def add(name: StudyName, body: AddBody) -> Response:
        """Add finished and waiting trials from elsewhere: all of them, or none."""
        return answer([trial_json(record) for record in studies.get(name).add(body)])

    @app.post("/v1/trials/{number}/tell", tags=["trials"], response_model=TrialReply)
    def tell(name: StudyName, number: Number, body: TellBody) -> Response:
        """Finish a trial; durable when this is answered. The same result may be told again."""
        served = studies.get(name)
        served.engine.sync()
        declared = served.engine.declared
        if declared is not None and body.params is not None:
            declared.check_partial(body.params)
        record = served.study.tell(
            number,
            body.values,
            state=None if body.state == "COMPLETE" else TrialState[body.state],
            constraints=body.constraints,
            error=body.error,
            token=body.token,
            params=body.params if declared is None else None,
        )
        return answer(trial_json(record))

    @app.post("/v1/trials/{number}/report", tags=["trials"], response_model=Nothing)
    def report(name: StudyName, number: Number, body: ReportBody) -> Response:
        """Take an intermediate value and renew the lease."""
        value = float("nan") if body.value is None else float(body.value)
        studies.get(name).hold(number, body.token, ((body.step, value),))
        return answer({})

    @app.post("/v1/trials/{number}/should-prune", tags=["trials"], response_model=PruneReply)
    def should_prune(name: StudyName, number: Number, body: TokenBody) -> Response:
        """Return whether the trial should stop now; renews the lease."""
        return answer({"prune": studies.get(name).should_prune(number, body.token)})

    @app.post("/v1/trials/{number}/heartbeat", tags=["trials"], response_model=LeaseReply)
    def heartbeat(name: StudyName, number: Number, body: TokenBody) -> Response:
        """Renew the lease: at least three times in its length."""
        served = studies.get(name)
        served.hold(number, body.token)
        return answer({"lease": served.engine.lease})

    @app.post("/v1/trials/{number}/give-back", tags=["trials"], response_model=QueuedReply)
    def give_back(name: StudyName, number: Number, body: TokenBody) -> Response:
        """Queue a running trial again with its parameters; false if the token is not the present one."""
        engine = studies.get(name).engine
        engine.record(number)
        return answer({"queued": engine.give_back(number, body.token)})

    @app.post("/v1/trials/{number}/suggest", tags=["trials"], response_model=ValueReply)
    def suggest(name: StudyName, number: Number, body: SuggestBody) -> Response:
        """Return a value for a parameter that was not in `params`, in a study that declares no space."""
        served = studies.get(name)
        served.hold(number, body.token)
        if served.engine.declared is not None:
            raise ValueError(f"study {name!r} declares its space: `ask` returns all parameters")
        value = served.engine.session.suggest_new(
            number, body.token, body.name, domain_from_json(body.domain.model_dump())
        )
        return answer({"value": value})

    @app.post("/v1/trials/{number}/attrs", tags=["trials"], response_model=Nothing)
    def set_trial_attrs(name: StudyName, number: Number, body: TrialAttrsBody) -> Response:
        """Attach JSON values to a trial; with the token of an attempt, only while the trial is that attempt's."""
        studies.get(name).set_attrs(number, body.token, body.attrs)
        return answer({})
