"""One frozen object holds every setting: arguments > RECALLD_* environment > recalld.toml > defaults."""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from recalld.domain.errors import Invalid
from recalld.rules import origin
from recalld.rules.encoding import settings_text

from .ovconf import is_ovconf, settings_of

AuthMode = Literal["dev", "api_key", "trusted"]
_log = logging.getLogger("recalld.config")
_STRICT = ConfigDict(frozen=True, extra="forbid")
_NORMAL: dict[str, Callable[[Any], Any]] = {
    "cors_origins": origin.cors_origins,
    "allowed_hosts": origin.allowed_hosts,
    "trusted_proxies": origin.trusted_proxies,
    "public_url": origin.public_url,
}


class ServerConfig(BaseModel):
    """Where it listens and how long it may think."""

    model_config = _STRICT

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; auth_mode dev, and trusted without a root key, take loopback only",
    )
    port: int = Field(1933, ge=0, le=65535, description="TCP port; 0 picks a free one")
    auth_mode: AuthMode | None = Field(
        None,
        description="who asks: dev (headers, unproved), api_key (a key for every user) or trusted (a gateway's headers); "
        "if left out: api_key where a root key is set, else dev",
    )
    root_api_key: SecretStr | None = Field(
        None, description="the key that administers accounts; at least one character"
    )
    root_api_key_file: Path | None = Field(None, description="a file that holds the root key instead")
    recall_deadline_s: float = Field(2.0, gt=0, le=60, description="a find answers within this, complete or degraded")
    request_deadline_s: float = Field(
        30.0, gt=0, le=600, description="any other request that does not wait answers within this"
    )
    wait_deadline_s: float = Field(
        1800.0, gt=0, le=86400, description="a request that waits for background work answers within this"
    )
    connections_max: int = Field(
        1000, ge=8, le=100_000, description="connections at once; fewer where the system allows fewer open files"
    )
    connections_per_address_max: int = Field(
        256, ge=1, le=100_000, description="connections at once from one address that is not this machine's own"
    )
    upload_waiting_bytes_max: int = Field(
        2 * 1024**3, ge=1, description="bytes of uploads that one user may have waiting to be imported"
    )
    shutdown_s: float = Field(10.0, gt=0, le=300, description="how long open requests may finish after SIGTERM")
    one_processor: bool = Field(
        True, description="the server's own threads share one processor, which costs a third less; its worker uses any"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="web origins that may call from a browser, such as https://app.example.com or app://obsidian.md"
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="host names the server answers to beside loopback names; with keys, any name if left out"
    )
    public_url: str = Field(
        "", description="address under which clients reach the server, for links such as those of download tickets"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="addresses or networks of proxies whose forwarded headers say how the server was reached"
    )
    metrics: bool = Field(
        True, description="GET /metrics answers figures for Prometheus, to anybody who reaches the port"
    )

    @model_validator(mode="before")
    @classmethod
    def _settle(cls, fields: Any) -> Any:
        """Read the root key from its file."""
        if not isinstance(fields, dict):
            return fields
        values = dict(fields)
        file = values.pop("root_api_key_file", None)
        if file is not None:
            if values.get("root_api_key") is not None:
                raise ValueError("root_api_key and root_api_key_file exclude each other")
            values["root_api_key"] = _read_root_key(Path(str(file)).expanduser())
        return values

    @field_validator("cors_origins", "allowed_hosts", "trusted_proxies", "public_url")
    @classmethod
    def _normal(cls, value: Any, info: ValidationInfo) -> Any:
        """Names in their normal form, so that they can be compared."""
        try:
            return _NORMAL[info.field_name or ""](value) if value else value
        except Invalid as bad:
            raise ValueError(str(bad)) from bad

    @property
    def mode(self) -> AuthMode:
        """The mode that holds."""
        return self.auth_mode or ("dev" if self.root_api_key is None else "api_key")

    @property
    def asks_for_keys(self) -> bool:
        """Whether every caller must bring a key: else whatever reaches the port comes in."""
        return self.mode == "api_key" or (self.mode == "trusted" and bool(self.root_key))

    @property
    def root_key(self) -> str:
        """The root key itself, "" = none. Never to be logged or shown."""
        return "" if self.root_api_key is None else self.root_api_key.get_secret_value()

    @model_validator(mode="after")
    def _check(self) -> ServerConfig:
        if self.root_api_key is not None and not self.root_api_key.get_secret_value().strip():
            raise ValueError("root_api_key is empty: leave it out, or set a key that nobody can guess")
        return self


def _read_root_key(path: Path) -> str:
    try:
        return settings_text(path.read_bytes()).strip()
    except (OSError, UnicodeDecodeError) as unread:
        raise ValueError(f"root_api_key_file {path} cannot be read: {unread}") from unread


_SECRET = re.compile(
    r"((api|access|secret|private|auth)[_-]?key|secret|token|passw\w*|credentials?|authorization)$", re.I
)
_CREDENTIALS = re.compile(r"^[a-z][a-z0-9+.-]*://[^/\s]*@", re.I)


class _PluginConfig(BaseModel):
    """A section whose other keys go to the chosen plugin's own settings, which refuse unknown ones. A key may come from a
    file: ``api_key_file``. What is secret, by its name or since an address holds a password, is kept as ``SecretStr``, so that
    no print of the settings shows it."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _read_key(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "api_key_file" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "api_key_file"}
        try:
            return {**rest, "api_key": settings_text(Path(values["api_key_file"]).expanduser().read_bytes()).strip()}
        except (OSError, UnicodeDecodeError) as missing:
            why = missing.strerror if isinstance(missing, OSError) else "it is not text"
            raise ValueError(f"api_key_file cannot be read: {why}") from None

    @model_validator(mode="after")
    def _hide(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, str) and value and (_SECRET.search(name) or _CREDENTIALS.match(value)):
                (self.model_extra or {})[name] = SecretStr(value)
        return self

    def options(self) -> dict[str, Any]:
        """The plugin's own settings, secrets in clear. Never to be logged or shown."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in (self.model_extra or {}).items()
        }


class EmbedderConfig(_PluginConfig):
    """Which model turns texts into vectors."""

    kind: str = Field(
        "static", description="static, minilm, e5, none (lexical only), openai, cohere, voyage, jina, gemini"
    )
    deadline_s: float = Field(0.5, gt=0, description="a query's vector later than this is done without")
    tokens_per_day_max: int = Field(
        20_000_000, ge=0, description="tokens a UTC day of one behind a network; 0 = no limit"
    )
    calls_per_day_max: int = Field(100_000, ge=0, description="calls a UTC day of one behind a network; 0 = no limit")


class RerankerConfig(_PluginConfig):
    """Which model takes a second look at the best candidates of a search."""

    kind: str = Field("none", description="none, cohere, jina, voyage, tei or openai")
    deadline_s: float = Field(1.0, gt=0, description="a second look later than this is done without")
    tokens_per_day_max: int = Field(50_000_000, ge=0, description="tokens a UTC day; 0 = no limit")
    calls_per_day_max: int = Field(20_000, ge=0, description="calls a UTC day; 0 = no limit")


class ModelConfig(_PluginConfig):
    """What writes abstracts, overviews and memories."""

    kind: str = Field(
        "extractive", description="extractive (sentences chosen from the text itself), openai or anthropic"
    )
    deadline_s: float = Field(30.0, gt=0, description="an answer later than this counts as a failure")
    tokens_per_day_max: int = Field(200_000, ge=0, description="tokens a UTC day, in and out, of all accounts together")
    calls_per_day_max: int = Field(2_000, ge=0, description="calls a UTC day")
    tokens_per_import_max: int = Field(
        100_000, ge=0, description="tokens planned for the files of one import; further files stay extractive"
    )
    calls_per_import_max: int = Field(1_000, ge=0, description="calls planned for the files of one import, likewise")


class SearchConfig(BaseModel):
    """How searches are read."""

    model_config = _STRICT

    strict_filters: bool = Field(
        False, description="a filter on a field that only OpenViking has is refused instead of ignored and named"
    )


class StorageConfig(BaseModel):
    """How the embedded store runs."""

    model_config = _STRICT

    readers: int = Field(3, ge=1, le=32, description="reader connections")
    reserve_mb: int = Field(
        16, ge=0, le=1024, description="MiB set aside in the data folder, so that removals work on a full disk; 0: none"
    )
    history_keep_days: float = Field(30.0, ge=0, description="how long replaced and removed content stays in the log")


class SessionConfig(BaseModel):
    """How talk is recorded and when it is put away."""

    model_config = _STRICT

    auto_commit: bool = Field(False, description="sessions that say nothing of it commit by themselves")
    idle_commit: bool = Field(True, description="sessions with an auto_commit_policy are committed when they fall idle")
    idle_check_s: float = Field(60.0, ge=1, description="how often idle sessions are looked for")
    tool_output_chars_max: int = Field(
        20_000,
        ge=0,
        description="a longer tool output lies in a file of its own, its message shows a preview; 0 = never",
    )
    tool_preview_chars: int = Field(2_000, ge=200, le=20_000, description="characters of such a preview")
    turn_output_chars_max: int = Field(
        100_000, ge=0, description="tool outputs one turn may hold itself; beyond that the largest go to files"
    )


class WorkerConfig(BaseModel):
    """How background work runs."""

    model_config = _STRICT

    nice: int = Field(10, ge=0, le=19, description="priority of the worker process (19 = lowest)")
    lease_s: float = Field(30.0, gt=1, description="a job whose worker is silent for this long is given to another")
    model_calls_max: int = Field(8, ge=1, le=64, description="calls of the language model under way at once")
    stuck_s: float = Field(60.0, gt=1, description="a worker without heartbeat for this long is killed and restarted")


class LogConfig(BaseModel):
    """What is logged, and how."""

    model_config = _STRICT

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Config(BaseSettings):
    """Everything that can be set. An empty file is valid; an unknown key is refused by its name."""

    model_config = SettingsConfigDict(
        env_prefix="RECALLD_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    data: Path = Field(Path("~/.recalld"), description="folder of the store")
    server: ServerConfig = ServerConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    reranker: RerankerConfig = RerankerConfig()
    model: ModelConfig = ModelConfig()
    search: SearchConfig = SearchConfig()
    storage: StorageConfig = StorageConfig()
    session: SessionConfig = SessionConfig()
    worker: WorkerConfig = WorkerConfig()
    log: LogConfig = LogConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before file. The file arrives in the arguments under ``_FILE``."""
        arguments = init_settings() if isinstance(init_settings, InitSettingsSource) else {}
        file = arguments.pop(_FILE, {})
        return (
            InitSettingsSource(settings_cls, init_kwargs=arguments),
            env_settings,
            InitSettingsSource(settings_cls, init_kwargs=file),
        )

    @property
    def folder(self) -> Path:
        """The data folder with ``~`` expanded."""
        return self.data.expanduser()


_FILE = "file_values_"


def load_config(path: Path | str | None = None, **arguments: Any) -> Config:
    """Read settings. ``path``: a TOML file or an ``ov.conf``, None = ``recalld.toml`` in the working directory if it is there.

    ``arguments`` win over all; nested ones as dicts (``server={"port": 0}``). Raises ``Invalid`` naming every bad key.
    """
    chosen = Path(path) if path is not None else Path("recalld.toml")
    values: dict[str, Any] = {}
    if path is not None or chosen.is_file():
        values = _read(chosen)
    try:
        overrides: dict[str, Any] = {k: v for k, v in arguments.items() if v is not None}
        return Config(**{_FILE: values, **overrides})
    except ValidationError as bad:
        problems = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'])}: {_plain(e['type'], e['msg'])}" for e in bad.errors()
        )
        raise Invalid(
            f"configuration {chosen if values else ''} is not valid: {problems}".replace("  ", " "),
            remedy="docs/configuration.md lists every key",
            details={"keys": [".".join(str(p) for p in e["loc"]) for e in bad.errors()]},
        ) from None  # what it is of quotes values, keys among them


def _plain(kind: str, message: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else message


def _read(path: Path) -> dict[str, Any]:
    """A TOML file of ours, or an ``ov.conf`` in JSON, told by what is in it."""
    try:
        text = settings_text(path.read_bytes())
        if not is_ovconf(text):
            return tomllib.loads(text)
    except OSError as missing:
        raise Invalid(f"cannot read configuration {path}: {missing.strerror}", remedy="check `config`") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise Invalid(f"configuration {path} is not TOML: {bad}", remedy="mend that line") from bad
    values, notes = settings_of(text, path)
    for note in notes:
        _log.warning("%s: %s", path.name, note)
    return values
