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
from .renamed_settings import with_new_names

AuthMode = Literal["dev", "api_key", "trusted"]
_log = logging.getLogger("recalld.config")
_STRICT = ConfigDict(frozen=True, extra="forbid")
_NORMALIZE: dict[str, Callable[[Any], Any]] = {
    "cors_origins": origin.cors_origins,
    "allowed_hosts": origin.allowed_hosts,
    "trusted_proxies": origin.trusted_proxies,
    "public_url": origin.public_url,
}


class ServerConfig(BaseModel):
    """Address, access and limits of the server."""

    model_config = _STRICT

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; auth_mode dev, and trusted without a root key, allow loopback only",
    )
    port: int = Field(1933, ge=0, le=65535, description="TCP port; 0 picks a free one")
    auth_mode: AuthMode | None = Field(
        None,
        description="how callers authenticate: dev (headers, unverified), api_key (a key per user) or trusted (headers of "
        "a gateway); default: api_key if a root key is set, else dev",
    )
    root_api_key: SecretStr | None = Field(None, description="key that administers accounts")
    root_api_key_file: Path | None = Field(None, description="file that contains the root key")
    search_timeout_s: float = Field(2.0, gt=0, le=60, description="limit of a search, complete or degraded")
    request_timeout_s: float = Field(30.0, gt=0, le=600, description="limit of requests that do not wait for jobs")
    wait_timeout_s: float = Field(1800.0, gt=0, le=86400, description="limit of requests that wait for jobs")
    connections_max: int = Field(
        1000, ge=8, le=100_000, description="open connections; fewer if the system allows fewer open files"
    )
    connections_per_address_max: int = Field(256, ge=1, le=100_000, description="open connections per remote address")
    pending_upload_bytes_per_user_max: int = Field(2 * 1024**3, ge=1, description="uploads not yet imported")
    shutdown_timeout_s: float = Field(10.0, gt=0, le=300, description="limit of open requests after SIGTERM")
    pin_cpu: bool = Field(True, description="pin the server's threads to one CPU; the worker is not pinned")
    cors_origins: tuple[str, ...] = Field((), description="web origins allowed to call from a browser")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="accepted host names besides loopback names; if empty and keys are required, any name"
    )
    public_url: str = Field("", description="public address, used in links such as download tickets")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="addresses or networks of proxies whose forwarded headers are trusted"
    )
    metrics: bool = Field(True, description="serve Prometheus metrics at GET /metrics, without a key")

    @model_validator(mode="before")
    @classmethod
    def _load_root_key(cls, fields: Any) -> Any:
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
    def _normalize(cls, value: Any, info: ValidationInfo) -> Any:
        """Comparable forms of names and addresses."""
        try:
            return _NORMALIZE[info.field_name or ""](value) if value else value
        except Invalid as bad:
            raise ValueError(str(bad)) from bad

    @property
    def mode(self) -> AuthMode:
        """The configured mode, or its default."""
        return self.auth_mode or ("dev" if self.root_api_key is None else "api_key")

    @property
    def requires_key(self) -> bool:
        """Whether every request needs a key. If not, every process that can connect is accepted."""
        return self.mode == "api_key" or (self.mode == "trusted" and bool(self.root_key))

    @property
    def root_key(self) -> str:
        """The root key in clear, "" if there is none. Must not be logged or shown."""
        return "" if self.root_api_key is None else self.root_api_key.get_secret_value()

    @model_validator(mode="after")
    def _check(self) -> ServerConfig:
        if self.root_api_key is not None and not self.root_api_key.get_secret_value().strip():
            raise ValueError("root_api_key is empty: remove it, or set a random key")
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
        """The plugin's own settings, secrets in clear. Must not be logged or shown."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in (self.model_extra or {}).items()
        }


class EmbedderConfig(_PluginConfig):
    """The model that embeds texts and queries."""

    provider: str = Field(
        "minilm",
        description="minilm, static (leaner), e5 (multilingual), none (lexical only), openai, cohere, voyage, jina, gemini",
    )
    static: bool = Field(
        True, description="embed with the model static as well: its vectors come first and vote beside the provider's"
    )
    timeout_s: float = Field(
        0.5, gt=0, description="limit of a query embedding; after it the search goes on without it"
    )
    tokens_per_day_max: int = Field(20_000_000, ge=0, description="per UTC day, remote embedders only; 0 = no limit")
    calls_per_day_max: int = Field(100_000, ge=0, description="per UTC day, remote embedders only; 0 = no limit")


class RerankerConfig(_PluginConfig):
    """The model that reranks the best candidates of a search."""

    provider: str = Field("none", description="none, cohere, jina, voyage, tei or openai")
    timeout_s: float = Field(1.0, gt=0, description="limit of reranking; after it the fused order stays")
    tokens_per_day_max: int = Field(50_000_000, ge=0, description="per UTC day; 0 = no limit")
    calls_per_day_max: int = Field(20_000, ge=0, description="per UTC day; 0 = no limit")


class ModelConfig(_PluginConfig):
    """What writes abstracts, overviews and memories."""

    provider: str = Field(
        "extractive", description="extractive (sentences selected from the text), openai or anthropic"
    )
    timeout_s: float = Field(30.0, gt=0, description="limit of a call")
    tokens_per_day_max: int = Field(200_000, ge=0, description="per UTC day, input and output, all accounts together")
    calls_per_day_max: int = Field(2_000, ge=0, description="per UTC day")
    tokens_per_import_max: int = Field(
        100_000, ge=0, description="for the files of one import; further files keep their extractive summaries"
    )
    calls_per_import_max: int = Field(1_000, ge=0, description="for the files of one import, likewise")


class SearchConfig(BaseModel):
    """How searches are parsed."""

    model_config = _STRICT

    strict_filters: bool = Field(
        False,
        description="reject filters on fields that only OpenViking supports, instead of reporting them as ignored",
    )


class StorageConfig(BaseModel):
    """The embedded store."""

    model_config = _STRICT

    reader_connections: int = Field(3, ge=1, le=32, description="connections for reads; scans have two more")
    reserve_mib: int = Field(
        16, ge=0, le=1024, description="reserved in the data folder, so that removals work on a full disk; 0: none"
    )
    history_retention_days: float = Field(
        30.0, ge=0, description="how long replaced and removed content can be restored"
    )


class SessionConfig(BaseModel):
    """How messages are stored and when sessions are archived."""

    model_config = _STRICT

    auto_commit: bool = Field(False, description="give new sessions without an auto_commit_policy the default one")
    idle_commit: bool = Field(True, description="commit idle sessions that have an auto_commit_policy")
    idle_scan_interval_s: float = Field(60.0, ge=1, description="how often to scan for idle sessions")
    tool_output_inline_chars_max: int = Field(
        20_000,
        ge=0,
        description="a longer tool output is stored as a file and its message shows a preview; 0 = never",
    )
    tool_output_preview_chars: int = Field(2_000, ge=200, le=20_000, description="characters of the preview")
    tool_output_inline_chars_per_turn_max: int = Field(
        100_000, ge=0, description="beyond that the largest tool outputs of a turn are stored as files"
    )


class WorkerConfig(BaseModel):
    """The worker process."""

    model_config = _STRICT

    nice: int = Field(10, ge=0, le=19, description="nice value (19 = lowest priority)")
    lease_timeout_s: float = Field(30.0, gt=1, description="after it a job whose lease is not renewed is leased again")
    concurrent_model_calls_max: int = Field(8, ge=1, le=64, description="concurrent calls to the language model")
    heartbeat_timeout_s: float = Field(60.0, gt=1, description="after it a silent worker is killed and restarted")


class LogConfig(BaseModel):
    """Level and format of the log."""

    model_config = _STRICT

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Config(BaseSettings):
    """All settings. An empty file is valid; an unknown key is an error."""

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
        return tuple(
            InitSettingsSource(settings_cls, init_kwargs=with_new_names(source))
            for source in (arguments, env_settings(), file)
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
        return Config(**{_FILE: values, **{k: v for k, v in arguments.items() if v is not None}})
    except ValidationError as bad:
        problems = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'])}: {'unknown key' if e['type'] == 'extra_forbidden' else e['msg']}"
            for e in bad.errors()
        )
        raise Invalid(
            f"configuration {chosen if values else ''} is not valid: {problems}".replace("  ", " "),
            remedy="docs/configuration.md lists every key",
            details={"keys": [".".join(str(p) for p in e["loc"]) for e in bad.errors()]},
        ) from None  # what it is of quotes values, keys among them


def _read(path: Path) -> dict[str, Any]:
    """A TOML file, or an ``ov.conf`` in JSON; the content decides which."""
    try:
        text = settings_text(path.read_bytes())
        if not is_ovconf(text):
            return tomllib.loads(text)
    except OSError as missing:
        raise Invalid(f"cannot read configuration {path}: {missing.strerror}", remedy="check `config`") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise Invalid(f"configuration {path} is not TOML: {bad}", remedy="correct that line") from bad
    values, notes = settings_of(text, path)
    for note in notes:
        _log.warning("%s: %s", path.name, note)
    return values
