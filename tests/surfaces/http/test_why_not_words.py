"""The change that why-not proposes names a field of the request body."""

from __future__ import annotations

import pytest

from recalld.domain.uri import Uri
from recalld.domain.why_not import Change, WhyNot
from recalld.surfaces.http import serializers


@pytest.mark.parametrize(
    ("field", "parameter"),
    [("targets", "target_uri"), ("score_min", "score_threshold"), ("levels", "level"), ("limit", "limit"), ("", None)],
)
def test_a_field_of_the_query_is_named_as_in_the_body(field: str, parameter: str | None) -> None:
    found = WhyNot(Uri(("resources", "a.md")), found=False, gates=(), nearest=Change(field, None, ""))
    assert serializers.why_not(found)["nearest"]["parameter"] == parameter
