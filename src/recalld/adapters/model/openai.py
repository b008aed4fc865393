"""The OpenAI interface, which Ollama, llama.cpp, vLLM, LM Studio and many others speak as well (set ``base_url``)."""

from __future__ import annotations

from typing import Any, Literal

from recalld.infra.http import bearer
from recalld.ports.plugin import Plugin
from recalld.prompts.asking import Prompt

from .remote import ModelSettings, RemoteModel, Reply

JsonForm = Literal["schema", "object", "none"]


class OpenaiSettings(ModelSettings):
    """``json_form``: the strictest way to ask for JSON that is tried. ``limit_field``: what the model calls the most tokens of
    an answer (OpenAI's reasoning models want ``max_completion_tokens``, and ``temperature`` left out: null)."""

    json_form: JsonForm = "schema"
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


class OpenaiShape:
    """``POST {base_url}/chat/completions``."""

    provider = "openai"
    base_url = "https://api.openai.com/v1"
    model = "gpt-4o-mini"
    forms: tuple[str, ...] = ("schema", "object", "none")

    def __init__(self, settings: OpenaiSettings) -> None:
        self.forms = self.forms[self.forms.index(settings.json_form) :]
        self._limit = settings.limit_field

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.ChatShape``."""
        return bearer(api_key)

    def request(self, settings: ModelSettings, model: str, prompt: Prompt, form: str) -> tuple[str, Any]:
        """See ``remote.ChatShape``."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            self._limit: settings.output_tokens_max,
        }
        body |= {"temperature": settings.temperature} if settings.temperature is not None else {}
        if form == "schema":
            shaped = {"name": prompt.name, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": shaped}
        elif form == "object":
            body["response_format"] = {"type": "json_object"}
        return "chat/completions", body

    def reply(self, answer: Any) -> Reply:
        """See ``remote.ChatShape``."""
        text = answer["choices"][0]["message"]["content"] or ""
        if isinstance(text, list):  # some gateways give the parts of an answer
            text = "".join(str(part.get("text") or "") for part in text)
        usage = answer.get("usage") or {}
        return Reply(str(text), int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))


plugin = Plugin(
    "model", "openai", OpenaiSettings, lambda settings: RemoteModel(settings, OpenaiShape(settings)), remote=True
)
