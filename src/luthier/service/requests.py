"""What the service takes: the bodies of its requests, checked before anything is done with them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..samplers.catalogue import SAMPLERS
from ..schedulers.catalogue import NAMES as PRUNER_NAMES
from ..schedulers.catalogue import NO_PRUNER

SETTINGS = "luthier.web"
"""The attribute of a study that keeps the names of its sampler and its pruner, and the id of the call that made it.

Stored studies have it under this name, from when client and server were one part."""

_BIG = 2**53  # whole numbers beyond which JSON readers disagree
_MAX_DEPTH = 50

Direction: TypeAlias = Literal["minimize", "maximize"]
State: TypeAlias = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Whole: TypeAlias = Annotated[int, Field(ge=-_BIG, le=_BIG)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text: TypeAlias = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Scalar: TypeAlias = bool | Whole | Number | Text | None
ClientId: TypeAlias = Annotated[
    str,
    Field(
        min_length=8,
        max_length=100,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="an id for this call that you choose: repeating the call with the same id changes nothing",
        examples=["host1-000001"],
    ),
]
Token: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="the token of the attempt, from `ask`",
        examples=["769142c96bc87cad"],
    ),
]
SamplerName: TypeAlias = Annotated[
    str,
    AfterValidator(lambda name: _in_catalogue("sampler", name, SAMPLERS)),
    Field(
        description="which sampler proposes parameters", json_schema_extra={"enum": list(SAMPLERS)}, examples=["auto"]
    ),
]
PrunerName: TypeAlias = Annotated[
    str,
    AfterValidator(lambda name: _in_catalogue("pruner", name, (*PRUNER_NAMES, NO_PRUNER))),
    Field(
        description="which pruner stops poor trials early",
        json_schema_extra={"enum": [*PRUNER_NAMES, NO_PRUNER]},
        examples=["median"],
    ),
]
Params: TypeAlias = Annotated[dict[Name, Scalar], Field(examples=[{"lr": 0.003, "act": "relu"}])]


def _in_catalogue(argument: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise ValueError(f"{argument}={name!r} is unknown: choose one of {', '.join(map(repr, known))}")
    return name


def _shallow(attrs: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = list(attrs.values())
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, list | dict)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise ValueError(f"attributes may be nested {_MAX_DEPTH} deep")
    return attrs


Attrs: TypeAlias = Annotated[
    dict[Name, Any],
    AfterValidator(_shallow),
    Field(description="JSON values by name, nested 50 deep at most", examples=[{"host": "tuner-3", "gpus": [0, 1]}]),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _DomainBody(_Body):
    default: Annotated[Scalar, Field(description="tried first")] = None
    when: Annotated[
        Text | dict[Name, list[Scalar]] | None,
        Field(description="when the parameter is active", examples=["depth > 1", {"optimizer": ["sgd"]}]),
    ] = None


class FloatBody(_DomainBody):
    """A number in [low, high]."""

    type: Literal["float"]
    low: Number
    high: Number
    log: bool = False
    step: Number | None = None


class IntBody(_DomainBody):
    """An `Int`."""

    type: Literal["int"]
    low: Whole
    high: Whole
    log: bool = False
    step: Whole = 1


class ChoiceBody(_DomainBody):
    """One of some values; those of an ordinal have an order."""

    type: Literal["choice", "ordinal"]
    choices: Annotated[list[Scalar], Field(min_length=1, max_length=10_000)]
    values: Annotated[
        list[Any] | None,
        AfterValidator(lambda values: values and _shallow(dict(enumerate(values))) and values),
        Field(description="the value behind each label, tagged with its type; null where the label is the value"),
    ] = None


DomainBody: TypeAlias = Annotated[FloatBody | IntBody | ChoiceBody, Field(discriminator="type")]


class SpaceBody(_Body):
    """The space to search."""

    format: Literal[1] = 1
    parameters: Annotated[
        dict[Name, DomainBody],
        Field(
            min_length=1, max_length=1000, examples=[{"lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}}]
        ),
    ]
    require: Annotated[
        list[Text],
        Field(
            max_length=100,
            description="expressions that every configuration must satisfy",
            examples=[["width % heads == 0"]],
        ),
    ] = []


class CreateBody(_Body):
    """A new study."""

    name: Annotated[Name, Field(description="unique in the service", examples=["lenet"])]
    space: Annotated[SpaceBody | None, Field(description="null where objectives define it as they run")] = None
    directions: Annotated[
        list[Direction] | None,
        Field(min_length=1, max_length=20, description="one for each objective; null for one that is minimized"),
    ] = None
    seed: Annotated[int, Field(ge=0, le=_BIG, description="the same seed gives the same study")] | None = None
    sampler: Annotated[
        SamplerName | None, Field(description="which sampler proposes parameters; null for the default")
    ] = None
    pruner: Annotated[
        PrunerName | None, Field(description="which pruner stops poor trials early; null for nothing")
    ] = None
    objective_names: Annotated[
        list[Name] | None, Field(max_length=20, description="one for each objective", examples=[["error", "latency"]])
    ] = None
    load_if_exists: Annotated[bool, Field(description="continue the study of that name if it exists")] = False
    client: ClientId | None = None


class AskBody(_Body):
    """A request for a trial: use a fresh `client` for each."""

    client: ClientId
    params: Annotated[Params, Field(description="values to use; the others are suggested")] = {}


class TokenBody(_Body):
    """Whose attempt it is."""

    token: Token


class ReportBody(TokenBody):
    """An intermediate value."""

    step: Annotated[int, Field(ge=0, le=_BIG, description="increases from report to report", examples=[1])]
    value: Annotated[Number | Literal["inf", "-inf"] | None, Field(description="null is NaN", examples=[0.7])]


class TellBody(TokenBody):
    """A result."""

    values: Annotated[
        list[Number] | None, Field(max_length=20, description="one for each objective", examples=[[0.42]])
    ] = None
    state: Annotated[Literal["COMPLETE", "PRUNED", "FAIL"], Field(description="how it ended")] = "COMPLETE"
    constraints: Annotated[list[Number], Field(max_length=1000, description="feasible where all are at most 0")] = []
    error: Annotated[
        str | None, Field(max_length=100_000, pattern=r"^[^\x00]*$", description="why it failed: a traceback")
    ] = None
    params: Annotated[
        Params | None, Field(description="where the study declares no space: what the objective asked for")
    ] = None


class SuggestBody(TokenBody):
    """A parameter that the objective asks for."""

    name: Name
    domain: DomainBody


class AttrsBody(_Body):
    """JSON values to attach."""

    attrs: Attrs


class TrialAttrsBody(AttrsBody):
    """JSON values to attach; with a token, only if the trial is still that attempt's."""

    token: Token | None = None


class EnqueueBody(_Body):
    """A trial to run next."""

    client: ClientId
    params: Annotated[Params, Field(description="values to use; the others are suggested")]
    attrs: Attrs = {}


class AddedTrial(_Body):
    """A trial that was run elsewhere, or that waits to be run."""

    state: Literal["WAITING", "COMPLETE", "PRUNED", "FAIL"]
    params: Params
    values: Annotated[list[Number] | None, Field(max_length=20, description="one for each objective")] = None
    constraints: Annotated[list[Number], Field(max_length=1000)] = []
    reports: Annotated[
        list[tuple[Annotated[int, Field(ge=0, le=_BIG)], Number | Literal["inf", "-inf"] | None]],
        Field(max_length=100_000, description="pairs of step and intermediate value; null is NaN"),
    ] = []
    attrs: Attrs = {}
    error: Annotated[str | None, Field(max_length=100_000, pattern=r"^[^\x00]*$")] = None
    created: Annotated[Number, Field(ge=0, description="seconds since the epoch; 0 for now")] = 0.0
    started: Annotated[Number, Field(ge=0)] | None = None
    finished: Annotated[Number, Field(ge=0)] | None = None


class AddBody(_Body):
    """Trials from elsewhere: all of them are added, or none."""

    client: ClientId
    trials: Annotated[list[AddedTrial], Field(max_length=1000)]
