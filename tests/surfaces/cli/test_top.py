"""What ``recalld top`` makes of a server's figures."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from recalld.surfaces.cli.metrics_client import read, traffic
from recalld.surfaces.cli.top import facts, view

HEAD = """# HELP recalld_info The version that answers.
# TYPE recalld_info gauge
recalld_info{version="0.1.0"} 1
recalld_ready 1
recalld_check_ok{check="worker"} 1
recalld_loop_stalls_total 2
recalld_jobs{kind="embed",state="pending"} 3
recalld_admission{class="recall",state="waiting"} 4
recalld_provider_circuit{provider="embedder openai:m",circuit="open"} 1
recalld_vectors 32
recalld_vectors_wanted 2028
recalld_vectors_refused{reason="content_filter"} 1
"""


def reading(fast: int, slow: int, failed: int) -> str:
    route = 'method="POST",route="/api/v1/search/find"'
    total = fast + slow
    return HEAD + (
        f'recalld_http_requests_total{{{route},status="200"}} {total - failed}\n'
        f'recalld_http_requests_total{{{route},status="503"}} {failed}\n'
        f'recalld_http_request_seconds_bucket{{{route},le="0.01"}} {fast}\n'
        f'recalld_http_request_seconds_bucket{{{route},le="0.25"}} {total}\n'
        f'recalld_http_request_seconds_bucket{{{route},le="+Inf"}} {total}\n'
        f"recalld_http_request_seconds_count{{{route}}} {total}\n"
        f'recalld_recall_stage_seconds_count{{stage="rank"}} {total}\n'
        f'recalld_recall_stage_seconds_sum{{stage="rank"}} {total * 0.0021}\n'
        f'recalld_recall_stage_seconds_count{{stage="rerank"}} 3\n'
    )


def test_traffic_is_what_came_between_two_readings() -> None:
    (one,) = traffic(read(reading(100, 0, 0)), read(reading(160, 20, 4)), 2.0)
    assert (one.route, one.rate, one.failing) == ("POST /api/v1/search/find", 40.0, 2.0)
    assert (one.p50_ms, one.p99_ms) == (10.0, 250.0)


def test_a_route_without_traffic_is_not_shown() -> None:
    assert traffic(read(reading(5, 0, 0)), read(reading(5, 0, 0)), 1.0) == []


def test_the_summary_shows_every_problem() -> None:
    summary = facts(read(reading(0, 0, 0)), read(reading(9, 0, 0)), 1.0)
    assert summary["ready"]
    assert summary["loop_stalls"] == 2
    assert summary["jobs"] == {"embed pending": 3}
    assert summary["waiting"] == {"recall": 4}
    assert summary["recall_ms"] == {"rank": 2.1}
    assert summary["providers"] == {"embedder openai:m": "open"}
    assert summary["vectors"] == {"made": 32, "wanted": 2028, "refused": {"content_filter": 1}}
    assert view(read(HEAD), read(reading(9, 0, 0)), 1.0) is not None


def test_a_label_may_hold_anything() -> None:
    (labels, value) = next(
        iter(read('recalld_pool_waiting{pool="a \\"b\\", c=\\"d"} 7').family("recalld_pool_waiting"))
    )
    assert value == 7
    assert len(labels) == 1


def test_a_server_without_an_embedder_tells_nothing_of_vectors() -> None:
    bare = read("recalld_ready 1\n")
    assert facts(bare, bare, 1.0)["vectors"] is None


def test_the_screen_counts_vectors() -> None:
    console = Console(record=True, width=120, file=StringIO())
    console.print(view(read(HEAD), read(HEAD), 1.0))
    assert "vectors: 32 of 2,028, 1 text refused by the provider (content_filter)" in console.export_text()
