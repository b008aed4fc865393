"""``recalld top``: from metrics to the screen."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from recalld.domain.errors import Invalid
from recalld.surfaces.cli.top import facts, parse, traffic, view

HEAD = """# HELP recalld_build_info Version of the server.
# TYPE recalld_build_info gauge
recalld_build_info{version="0.1.0"} 1
recalld_ready 1
recalld_check_ok{check="worker"} 1
recalld_event_loop_stalls_total 2
recalld_jobs{kind="embed",state="pending"} 3
recalld_http_requests_queued{class="recall"} 4
recalld_provider_circuit_state{provider="embedder openai:m",state="open"} 1
recalld_vectors{model="static"} 2028
recalld_vectors{model="e5"} 32
recalld_vectors_expected 2028
recalld_vectors_rejected{model="e5",reason="content_filter"} 1
"""


def reading(fast: int, slow: int, failed: int) -> str:
    route = 'method="POST",route="/api/v1/search/find"'
    total = fast + slow
    return HEAD + (
        f'recalld_http_requests_total{{{route},status="200"}} {total - failed}\n'
        f'recalld_http_requests_total{{{route},status="503"}} {failed}\n'
        f'recalld_http_request_duration_seconds_bucket{{{route},le="0.01"}} {fast}\n'
        f'recalld_http_request_duration_seconds_bucket{{{route},le="0.25"}} {total}\n'
        f'recalld_http_request_duration_seconds_bucket{{{route},le="+Inf"}} {total}\n'
        f"recalld_http_request_duration_seconds_count{{{route}}} {total}\n"
        f'recalld_search_stage_duration_seconds_count{{stage="rank"}} {total}\n'
        f'recalld_search_stage_duration_seconds_sum{{stage="rank"}} {total * 0.0021}\n'
        f'recalld_search_stage_duration_seconds_count{{stage="rerank"}} 3\n'
    )


def test_traffic_is_what_came_between_two_readings() -> None:
    (one,) = traffic(parse(reading(100, 0, 0)), parse(reading(160, 20, 4)), 2.0)
    assert (one.route, one.rate, one.failing) == ("POST /api/v1/search/find", 40.0, 2.0)
    assert (one.p50_ms, one.p99_ms) == (10.0, 250.0)


def test_a_route_without_requests_is_not_shown() -> None:
    assert traffic(parse(reading(5, 0, 0)), parse(reading(5, 0, 0)), 1.0) == []


def test_everything_that_needs_attention_is_shown() -> None:
    shown = facts(parse(reading(0, 0, 0)), parse(reading(9, 0, 0)), 1.0)
    assert shown["ready"]
    assert shown["event_loop_stalls"] == 2
    assert shown["jobs"] == {"embed pending": 3}
    assert shown["queued"] == {"recall": 4}
    assert shown["search_stage_ms"] == {"rank": 2.1}
    assert shown["providers"] == {"embedder openai:m": "open"}
    assert shown["vectors"] == {"made": 32, "wanted": 2028, "refused": {"content_filter": 1}, "model": "e5"}
    assert view(parse(HEAD), parse(reading(9, 0, 0)), 1.0) is not None


def test_a_label_may_hold_anything() -> None:
    (labels, value) = next(
        iter(
            parse('recalld_thread_pool_queued_calls{pool="a \\"b\\", c=\\"d"} 7').family(
                "recalld_thread_pool_queued_calls"
            )
        )
    )
    assert value == 7
    assert len(labels) == 1


def test_a_server_without_an_embedder_shows_no_vectors() -> None:
    bare = parse("recalld_ready 1\n")
    assert facts(bare, bare, 1.0)["vectors"] is None


def test_the_screen_counts_vectors() -> None:
    console = Console(record=True, width=120, file=StringIO())
    console.print(view(parse(HEAD), parse(HEAD), 1.0))
    assert "vectors: 32 of 2,028 (e5), 1 text refused by the provider (content_filter)" in console.export_text()


def test_an_answer_that_is_not_metrics_is_an_error() -> None:
    with pytest.raises(Invalid, match="/metrics answered something else"):
        parse("<!doctype html>\n")
