"""The Anthropic interface."""

from __future__ import annotations

from typing import Any

from recalld.ports.plugin import Plugin
from recalld.prompts.asking import Prompt

from .remote import ModelSettings, RemoteModel, Reply

API_VERSION = "2023-06-01"


class AnthropicShape:
    """``POST {base_url}/messages``. JSON is requested by the prompt alone."""

    provider = "anthropic"
    base_url = "https://api.anthropic.com/v1"
    model = "claude-haiku-4-5"
    forms: tuple[str, ...] = ("none",)

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.ChatShape``."""
        return {"anthropic-version": API_VERSION, **({"x-api-key": api_key} if api_key else {})}

    def request(self, settings: ModelSettings, model: str, prompt: Prompt, form: str) -> tuple[str, Any]:
        """See ``remote.ChatShape``."""
        body: dict[str, Any] = {
            "model": model,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
            "max_tokens": settings.output_tokens_max,
        }
        return "messages", body | ({"temperature": settings.temperature} if settings.temperature is not None else {})

    def reply(self, answer: Any) -> Reply:
        """See ``remote.ChatShape``."""
        text = "".join(str(part["text"]) for part in answer["content"] if part.get("type") == "text")
        usage = answer.get("usage") or {}
        return Reply(text, int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0))


plugin = Plugin(
    "model", "anthropic", ModelSettings, lambda settings: RemoteModel(settings, AnthropicShape()), remote=True
)
