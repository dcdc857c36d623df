"""What the service answers, for its schema: the answers themselves are written by `answers`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from .requests import Direction, Scalar, State


class OddFloat(BaseModel):
    """A number that JSON lacks."""

    model_config = ConfigDict(extra="forbid")

    value: Literal["nan", "inf", "-inf"] = Field(alias="$float")


AnyFloat: TypeAlias = float | OddFloat


class Problem(BaseModel):
    """What is returned when something is wrong."""

    error: str = Field(description="the kind of error, for programs", examples=["StudyNotFound"])
    message: str = Field(description="what was wrong, where, and what to do", examples=["there is no study 'lenet'"])


class Nothing(BaseModel):
    """Done; there is nothing to return."""

    model_config = ConfigDict(extra="forbid")


class StudyReply(BaseModel):
    """A study."""

    name: str = Field(examples=["lenet"])
    directions: list[Direction] = Field(description="one for each objective")
    seed: int = Field(description="the seed of all its randomness")
    space: dict[str, Any] | None = Field(description="the declared space; null where objectives define it as they run")
    parameters: dict[str, dict[str, Any]] = Field(description="the domains that objectives have used so far, by name")
    attrs: dict[str, Any] = Field(description="attributes set by users")
    created: float = Field(description="seconds since the epoch, by the storage's clock")


class MadeReply(StudyReply):
    """A study, and what it works with."""

    sampler: str = Field(description="which sampler proposes parameters", examples=["auto"])
    pruner: str | None = Field(
        description="which pruner stops poor trials early; null for nothing", examples=["median"]
    )


class StudyDetails(MadeReply):
    """A study, and how far it is."""

    trials: dict[State, int] = Field(description="the number of trials by state")
    lease: float | None = Field(description="seconds for which a trial is held; null for no limit")


class TrialReply(BaseModel):
    """A trial."""

    number: int = Field(description="its position in the study, from 0")
    state: State
    params: dict[str, Scalar] = Field(description="the parameters that are active in it", examples=[{"lr": 0.003}])
    values: list[float] | None = Field(description="one for each objective; null before there is a result")
    constraints: list[float] = Field(description="feasible where every one is at most 0")
    reports: list[tuple[int, AnyFloat]] = Field(description="pairs of step and intermediate value, in order of steps")
    attrs: dict[str, Any] = Field(description="attributes set by users")
    error: str | None = Field(description="why it failed")
    created: float = Field(description="seconds since the epoch, by the storage's clock")
    started: float | None
    finished: float | None
    retries: int = Field(description="how often it was queued again because its client stopped responding")


class TrialPage(BaseModel):
    """Some trials of a study."""

    trials: list[TrialReply]
    next: int | None = Field(description="`start` of the next page; null after the last")
    total: int


class AskReply(BaseModel):
    """A trial that is yours to run."""

    number: int = Field(description="identifies the trial in all further calls", examples=[0])
    token: str = Field(description="identifies this attempt: send it with every call about the trial")
    params: dict[str, Scalar] = Field(examples=[{"lr": 0.003, "act": "relu"}])
    domains: dict[str, dict[str, Any]] = Field(
        description="where the study declares no space: the domains that were known when `params` were suggested"
    )
    fixed: list[str] = Field(description="names of parameters whose values were queued")
    lease: float | None = Field(description="seconds for which it is yours; each call renews them; null for no limit")


class PruneReply(BaseModel):
    """Whether to stop."""

    prune: bool


class LeaseReply(BaseModel):
    """For how long the trial is held from now on."""

    lease: float | None


class QueuedReply(BaseModel):
    """Whether the trial was queued again."""

    queued: bool


class ValueReply(BaseModel):
    """The value of a parameter."""

    value: Scalar
