"""What the service takes: the bodies of its requests, checked before anything is done with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SETTINGS = "luthier.web"
"""The attribute of a study that keeps the names of its sampler and its pruner, and the id of the call that made it."""

_BIG = 2**53  # whole numbers beyond which JSON readers disagree

Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Whole: TypeAlias = Annotated[int, Field(ge=-_BIG, le=_BIG)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text: TypeAlias = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Scalar: TypeAlias = bool | Whole | Number | Text | None
ClientId: TypeAlias = Annotated[str, Field(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Token: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _DomainBody(_Body):
    default: Scalar = None
    when: Text | dict[Name, list[Scalar]] | None = None


class FloatBody(_DomainBody):
    """A `Float`."""

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
    """A `Choice` or an `Ordinal`; choices are JSON scalars."""

    type: Literal["choice", "ordinal"]
    choices: Annotated[list[Scalar], Field(min_length=1, max_length=10_000)]


DomainBody: TypeAlias = Annotated[FloatBody | IntBody | ChoiceBody, Field(discriminator="type")]


class SpaceBody(_Body):
    """A `Space`, as `Space.to_json` writes it."""

    format: Literal[1] = 1
    parameters: Annotated[dict[Name, DomainBody], Field(min_length=1, max_length=1000)]
    require: Annotated[list[Text], Field(max_length=100)] = []


class CreateBody(_Body):
    """A new study; without a space, objectives define it as they run."""

    name: Name
    space: SpaceBody | None = None
    directions: Annotated[list[Literal["minimize", "maximize"]], Field(min_length=1, max_length=20)] = ["minimize"]
    seed: Annotated[int, Field(ge=0, le=_BIG)] | None = None
    sampler: Literal["auto", "random", "tpe", "gp"] = "auto"
    pruner: Literal["median"] | None = None
    load_if_exists: bool = False
    client: ClientId | None = None


class AskBody(_Body):
    """The same `client` gets the same trial again: make a fresh one for each trial. `params` are fixed."""

    client: ClientId
    params: dict[Name, Scalar] = {}


class TokenBody(_Body):
    """The token of the attempt, from `ask`."""

    token: Token


class ReportBody(TokenBody):
    """An intermediate value; null is NaN."""

    step: Annotated[int, Field(ge=0, le=_BIG)]
    value: Number | Literal["inf", "-inf"] | None


class TellBody(TokenBody):
    """A result. `params` are needed where the study declares no space: what the objective asked for."""

    values: Annotated[list[Number], Field(max_length=20)] | None = None
    state: Literal["COMPLETE", "PRUNED", "FAIL"] = "COMPLETE"
    constraints: Annotated[list[Number], Field(max_length=1000)] = []
    error: Annotated[str, Field(max_length=100_000, pattern=r"^[^\x00]*$")] | None = None
    params: dict[Name, Scalar] | None = None


class SuggestBody(TokenBody):
    """A parameter that the objective asks for."""

    name: Name
    domain: DomainBody


class AttrsBody(_Body):
    """JSON values to attach."""

    attrs: dict[Name, Any]


class TrialAttrsBody(AttrsBody):
    """JSON values to attach; with a token, only if the trial is still that attempt's."""

    token: Token | None = None


class EnqueueBody(_Body):
    """A trial with some values fixed; the same `client` queues it once."""

    client: ClientId
    params: dict[Name, Scalar]
    attrs: dict[Name, Any] = {}
