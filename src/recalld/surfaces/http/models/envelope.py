"""The envelope every answer under ``/api/v1`` wears."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

R = TypeVar("R")


class TelemetryAsk(BaseModel):
    """Which parts of the telemetry are wanted."""

    model_config = ConfigDict(extra="forbid")

    summary: bool = True


class Told(BaseModel):
    """A request body that may ask how its work went."""

    telemetry: bool | TelemetryAsk = Field(False, description="true: the envelope says how long the work took")


class Strict(Told):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class TelemetrySummary(BaseModel):
    """How a request went."""

    operation: str
    status: str
    duration_ms: float


class Telemetry(BaseModel):
    """Telemetry of one request."""

    id: str
    summary: TelemetrySummary | None = None


class Envelope(BaseModel, Generic[R]):
    """A success."""

    status: Literal["ok"]
    result: R
    error: None = None
    telemetry: Telemetry | None = None
    profile: None = None


class Problem(BaseModel):
    """What went wrong: ``code`` is stable, ``message`` is for people and names the remedy, ``details`` for programs."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorEnvelope(BaseModel):
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
