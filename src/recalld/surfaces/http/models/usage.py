"""Requests and results of /stats/usage."""

from __future__ import annotations

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model


class UsageQuery(Model):
    """The number of UTC days, today included."""

    days: int = Field(7, ge=1, le=366)


class UsageTotal(Model):
    """Calls and tokens. ``refused``: calls not made because the budget was used up."""

    calls: int
    tokens_in: int
    tokens_out: int
    refused: int


class UsageRow(UsageTotal):
    """Calls to one provider on one day for one purpose."""

    day: str
    account_id: str
    provider: str
    operation: str


class ProviderBudget(Model):
    """What a provider was used for today, by all accounts together. ``state``: ok, that the budget is used up, and for the language
    model not_configured or the error of the last call. A limit of 0 means no limit, except for the language model.
    """

    provider: str
    state: str
    tokens_today: int
    calls_today: int
    tokens_per_day_max: int
    calls_per_day_max: int


class ModelBudget(ProviderBudget):
    """The budget of the language model, with the limits of one import."""

    tokens_per_import_max: int
    calls_per_import_max: int


class UsageResult(Model):
    """What calls to providers cost."""

    days: int
    rows: list[UsageRow]
    total: UsageTotal
    model: ModelBudget
    providers: list[ProviderBudget]
