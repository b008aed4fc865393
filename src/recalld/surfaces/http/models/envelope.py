"""The envelope of every response under ``/api/v1``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

R = TypeVar("R")

WHOLE_MAX = 2**53 - 1
"""The largest integer that every JSON reader reads exactly."""


class Model(BaseModel):
    """Built at first use: most of these are only documented."""

    model_config = ConfigDict(defer_build=True)


class TelemetryAsk(Model):
    """Which parts of the telemetry to return."""

    model_config = ConfigDict(extra="forbid")

    summary: bool = True


class TelemetryBody(Model):
    """A request body that may request telemetry."""

    telemetry: bool | TelemetryAsk = Field(False, description="true: the response has telemetry")


class Strict(TelemetryBody):
    """A body that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid")


class WaitingBody(Strict):
    """A body that may wait for background work, at most ``timeout`` seconds."""

    wait: bool = False
    timeout: float | None = Field(None, ge=0)


class TelemetrySummary(Model):
    """The duration and outcome of a request."""

    operation: str
    status: str
    duration_ms: float


class Telemetry(Model):
    """Telemetry of a request."""

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
    """An error. ``code`` is stable; ``message`` is for people and names the remedy; ``details`` are for programs."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorEnvelope(Model):
    """A failure."""

    status: Literal["error"]
    result: None = None
    error: Problem
    telemetry: None = None
    profile: None = None


@lru_cache(maxsize=256)
def envelope_of(result: Any) -> Any:
    """Return the success envelope of a type."""
    return Envelope[result]
