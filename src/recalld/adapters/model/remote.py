"""Language models behind HTTP: what they have in common. Each vendor's shape is a file of its own beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from recalld.domain.document import Document, Tiers
from recalld.domain.errors import Invalid, Upstream
from recalld.domain.session import Message
from recalld.infra.http import JsonApi, Kind, misshapen
from recalld.infra.thread_pool import Pool
from recalld.ports.model import CallBudget, Candidate, Child
from recalld.prompts import asking
from recalld.prompts.asking import PROPOSED_TYPES, Prompt, Words
from recalld.rules import llm_output_parser
from recalld.rules.budget import cut
from recalld.rules.fact_sentences import day, speaker
from recalld.rules.generation_cache_key import generator_id
from recalld.rules.memory_file import memory
from recalld.rules.openviking_json import tokens

LINE_TOKENS_MIN = 20
BILLED = {str(Kind.TIMEOUT), str(Kind.FORMAT)}
"""Failures after which a provider may well have counted the question."""
NO_FORM = {400, 422}
"""Statuses of servers that do not support the requested answer format."""


class ModelSettings(BaseModel):
    """Settings of every language model behind HTTP. Prompts are truncated to ``input_tokens_max``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    temperature: float | None = Field(0.0, ge=0, le=2)
    input_tokens_max: int = Field(6_000, ge=200)
    output_tokens_max: int = Field(1_500, ge=100)
    request_timeout_s: float = Field(300.0, gt=0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``tokens_*`` 0: the provider did not say."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


class ChatShape(Protocol):
    """How one vendor writes requests and answers. ``forms``: ways to ask for JSON, the strictest first; each is tried where
    the server refuses the one before."""

    provider: str
    base_url: str
    model: str
    forms: tuple[str, ...]

    def headers(self, api_key: str) -> dict[str, str]:
        """How the key travels."""

    def request(self, settings: ModelSettings, model: str, prompt: Prompt, form: str) -> tuple[str, Any]:
        """Path and body of one call."""

    def reply(self, answer: Any) -> Reply:
        """The words of an answer. Raises ``KeyError``, ``IndexError``, ``TypeError`` or ``ValueError`` for another shape."""


class RemoteModel:
    """See ``ports.model.Writer``. Prompts are read on a thread when first needed."""

    def __init__(self, settings: ModelSettings, shape: ChatShape) -> None:
        self.settings = settings
        self._shape = shape
        self._model = settings.model or shape.model
        if not self._model:
            raise Invalid(
                f"the model {shape.provider} needs to know which one",
                remedy="set model.model",
                details={"field": "model.model"},
            )
        self.name = f"{shape.provider}:{self._model}"
        self.version = asking.VERSION
        self._form = 0
        self._words: Words | None = None
        self._reading = Pool("prompts", running_max=1, waiting_max=64)
        key = settings.api_key.get_secret_value()
        self._api = JsonApi(f"model {self.name}", settings.base_url or shape.base_url, shape.headers(key))

    def on(self, budget: CallBudget) -> BudgetedModel:
        """See ``ports.model.Writer``."""
        return BudgetedModel(self, budget)

    async def words(self) -> Words:
        """The prompts' fixed words."""
        if self._words is None:
            self._words = await self._reading.run(asking.load)
        return self._words

    async def ask(self, prompt: Prompt, budget: CallBudget) -> str:
        """The answer's words. An answer format that this server refuses is not requested again once another has worked."""
        for at in range(self._form, len(self._shape.forms)):
            try:
                reply = await self._call(prompt, self._shape.forms[at], budget)
            except Upstream as refused:
                if refused.details.get("status") in NO_FORM and at + 1 < len(self._shape.forms):
                    continue
                raise
            self._form = at
            return reply.text
        raise Invalid(f"the model {self.name} knows no form of answer", remedy="check model.provider")

    async def close(self) -> None:
        """Drop the connections."""
        self._reading.close()
        await self._api.close()

    async def _call(self, prompt: Prompt, form: str, budget: CallBudget) -> Reply:
        estimated = tokens(prompt.system) + tokens(prompt.user)
        budget.reserve(estimated, self.settings.output_tokens_max)
        path, body = self._shape.request(self.settings, self._model, prompt, form)
        try:
            answer = await self._api.post(path, body, deadline_s=self.settings.request_timeout_s)
        except Upstream as failed:
            if failed.details.get("kind") not in BILLED:
                budget.record(estimated, 0, 0)
            raise
        try:
            reply = self._shape.reply(answer)
        except (KeyError, IndexError, TypeError, ValueError) as odd:
            raise misshapen(self._api.name, f"gave no words ({type(odd).__name__})") from None
        budget.record(estimated, reply.tokens_in or estimated, reply.tokens_out or tokens(reply.text))
        return reply


class BudgetedModel:
    """See ``ports.model.Model``: the verbs, each one call."""

    def __init__(self, model: RemoteModel, budget: CallBudget) -> None:
        self._of = model
        self._budget = budget
        self.name, self.version = model.name, model.version

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """See ``ports.model.Model``."""
        text = cut(document.indexable or document.text, self._of.settings.input_tokens_max)
        return await self._tiers(asking.document(await self._of.words(), name=name, text=text))

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """See ``ports.model.Model``."""
        entries, left = [], self._of.settings.input_tokens_max
        for child in children:
            left -= tokens(child.name) + tokens(child.abstract) + 4
            if left < 0:
                break
            entries.append((child.name + ("/" if child.is_dir else ""), child.abstract))
        return await self._tiers(asking.directory(await self._of.words(), uri=uri, entries=entries, total=total))

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """See ``ports.model.Model``. Every message has its share of what may be asked about, at its beginning; of very many
        the last ones, since they tell how it ended."""
        most = self._of.settings.input_tokens_max
        recent = messages[-(most // LINE_TOKENS_MIN) :]
        share = max(LINE_TOKENS_MIN, most // max(1, len(recent)) - LINE_TOKENS_MIN)
        lines = [_line(m, cut(m.text, share)) for m in recent]
        return await self._tiers(asking.archive(await self._of.words(), lines=_within(lines, self._of.settings)))

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """See ``ports.model.Model``. Raises ``Invalid`` where the answer holds no list."""
        lines = [f"[m{at}] {_line(m, m.text)}" for at, m in enumerate(messages)]
        prompt = asking.memories(await self._of.words(), lines=_within(lines, self._of.settings))
        answer = await self._of.ask(prompt, self._budget)
        labels = {str(at): m for at, m in enumerate(messages)} | {m.id: m for m in messages}
        labels |= {f"m{at}": m for at, m in enumerate(messages)}
        found = llm_output_parser.parse_memories(answer, labels, PROPOSED_TYPES)
        if found is None:
            raise _useless(self.name, "no list of memories")
        files = {one.path: (proposal, one) for proposal in found for one in (memory(proposal, labels),)}
        return tuple(
            Candidate(m.key, proposal.type, m.path, m.text, m.message_ids, m.at, m.peer_id, proposal.text)
            for proposal, m in files.values()
        )

    async def close(self) -> None:
        """Nothing of its own to let go of."""

    async def _tiers(self, prompt: Prompt) -> Tiers:
        found = llm_output_parser.parse_tiers(await self._of.ask(prompt, self._budget))
        if found is None:
            raise _useless(self.name, "no abstract")
        return Tiers(*found, generator_id(self.name, self.version))


def _useless(name: str, what: str) -> Invalid:
    return Invalid(f"the model {name} answered with {what}", remedy="a larger model may do better")


def _line(message: Message, text: str) -> str:
    return f"{speaker(message)}, {day(message)}: {' '.join(text.split())}"


def _within(lines: list[str], settings: ModelSettings) -> list[str]:
    """As many lines from the beginning as may be asked about; at least one, cut."""
    held: list[str] = []
    left = settings.input_tokens_max
    for line in lines:
        left -= tokens(line) + 1
        if left < 0 and held:
            break
        held.append(cut(line, settings.input_tokens_max))
    return held
