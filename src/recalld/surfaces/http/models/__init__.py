"""What comes in and goes out, as types: requests are checked against these, the OpenAPI document is made from them."""

from recalld.surfaces.http.models.envelope import ErrorEnvelope, Told, envelope_of

__all__ = ["ErrorEnvelope", "Told", "envelope_of"]
