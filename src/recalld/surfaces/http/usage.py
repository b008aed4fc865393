"""/stats/usage: what calls to providers cost."""

from __future__ import annotations

from typing import Any

from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.usage import UsageQuery, UsageResult
from recalld.surfaces.http.request import ApiRequest


async def usage(request: ApiRequest, query: UsageQuery) -> dict[str, Any]:
    """Return calls and tokens by day, provider and purpose, of the caller's account or, for root, of every account."""
    found = await request.workspace.stats.usage(query.days)
    rows, day = found.rows, found.budget
    return {
        "days": query.days,
        "rows": [
            {
                "day": r.day,
                "account_id": r.account,
                "provider": r.provider,
                "operation": r.operation,
                "calls": r.calls,
                "tokens_in": r.tokens_in,
                "tokens_out": r.tokens_out,
                "refused": r.refused,
            }
            for r in rows
        ],
        "total": {
            "calls": sum(r.calls for r in rows),
            "tokens_in": sum(r.tokens_in for r in rows),
            "tokens_out": sum(r.tokens_out for r in rows),
            "refused": sum(r.refused for r in rows),
        },
        "model": {
            "provider": day.provider,
            "state": day.state,
            "tokens_today": day.tokens_today,
            "calls_today": day.calls_today,
            "tokens_per_day_max": day.costs.tokens_per_day_max,
            "calls_per_day_max": day.costs.calls_per_day_max,
            "tokens_per_import_max": day.costs.tokens_per_import_max,
            "calls_per_import_max": day.costs.calls_per_import_max,
        },
        "providers": [
            {
                "provider": one.provider,
                "state": one.state,
                "tokens_today": one.tokens_today,
                "calls_today": one.calls_today,
                "tokens_per_day_max": one.policy.tokens_max,
                "calls_per_day_max": one.policy.calls_max,
            }
            for one in found.days
        ],
    }


ENDPOINTS = (Endpoint("GET", "/api/v1/stats/usage", usage, UsageResult, "Show provider usage", peer=False),)
