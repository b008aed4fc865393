"""The envelope every answer under ``/api/v1`` wears."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

R = TypeVar("R")

WHOLE_MAX = 2**53 - 1
"""The largest number that every JSON reader takes for what it is; the store takes some more."""


class Model(BaseModel):
    """Built when first used: most of these are only ever documented."""

    model_config = ConfigDict(defer_build=True)


class TelemetryAsk(Model):
    """Which parts of the telemetry are wanted."""

    model_config = ConfigDict(extra="forbid")

    summary: bool = True


class TelemetryBody(Model):
    """A request body that may ask how its work went."""

    telemetry: bool | TelemetryAsk = Field(False, description="true: the envelope says how long the work took")


class Strict(TelemetryBody):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class TelemetrySummary(Model):
    """How a request went."""

    operation: str
    status: str
    duration_ms: float


class Telemetry(Model):
    """Telemetry of one request."""

    id: str
    summary: TelemetrySummary | None = None


class Envelope(Model, Generic[R]):
    """A success."""

    status: Literal["ok"]
    result: R
    error: None = None
    telemetry: Telemetry | None = None
    profile: None = None


class Problem(Model):
    """What went wrong: ``code`` is stable, ``message`` is for people and names the remedy, ``details`` for programs."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorEnvelope(Model):
    """A refusal or a failure."""

    status: Literal["error"]
    result: None = None
    error: Problem
    telemetry: None = None
    profile: None = None


@lru_cache(maxsize=256)
def envelope_of(result: Any) -> Any:
    """The success envelope around ``result``, as a type."""
    return Envelope[result]
