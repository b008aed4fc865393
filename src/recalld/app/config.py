"""One frozen object holds every setting: arguments > RECALLD_* environment > recalld.toml > defaults."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from recalld.domain.errors import Invalid

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ServerConfig(BaseModel):
    """Where it listens and how long it may think."""

    model_config = _STRICT

    host: str = Field("127.0.0.1", description="address to listen on; auth_mode dev takes loopback only")
    port: int = Field(1933, ge=0, le=65535, description="TCP port; 0 picks a free one")
    auth_mode: Literal["dev"] = Field("dev", description="dev: no keys, the caller names its user in a header")
    recall_deadline_s: float = Field(2.0, gt=0, le=60, description="a find answers within this, complete or degraded")
    request_deadline_s: float = Field(
        30.0, gt=0, le=600, description="any other request that does not wait answers within this"
    )
    shutdown_s: float = Field(10.0, gt=0, le=300, description="how long open requests may finish after SIGTERM")
    cors_origins: tuple[str, ...] = Field(("*",), description="origins a browser may call from")
    metrics: bool = Field(
        True, description="GET /metrics answers figures for Prometheus, to anybody who reaches the port"
    )


class EmbedderConfig(BaseModel):
    """Which model turns texts into vectors. Other keys go to that plugin's own settings, which refuse unknown ones."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field("static", description="static, minilm, e5 or none (lexical only)")
    deadline_s: float = Field(0.5, gt=0, description="a query's vector later than this is done without")


class RerankerConfig(BaseModel):
    """Which model takes a second look at the best candidates."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field("none", description="none")
    deadline_s: float = Field(1.0, gt=0)


class ModelConfig(BaseModel):
    """What writes abstracts, overviews and memories."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    kind: str = Field("extractive", description="extractive: sentences chosen from the text itself")
    deadline_s: float = Field(30.0, gt=0)


class StorageConfig(BaseModel):
    """How the embedded store runs."""

    model_config = _STRICT

    readers: int = Field(4, ge=1, le=32, description="reader connections")
    history_keep_days: float = Field(30.0, ge=0, description="how long replaced and removed content stays in the log")


class WorkerConfig(BaseModel):
    """How background work runs."""

    model_config = _STRICT

    nice: int = Field(10, ge=0, le=19, description="priority of the worker process (19 = lowest)")
    lease_s: float = Field(30.0, gt=1, description="a job whose worker is silent for this long is given to another")
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
    storage: StorageConfig = StorageConfig()
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
    """Read settings. ``path``: a TOML file, None = ``recalld.toml`` in the working directory if it is there.

    ``arguments`` win over all; nested ones as dicts (``server={"port": 0}``). Raises ``Invalid`` naming every bad key.
    """
    chosen = Path(path) if path is not None else Path("recalld.toml")
    values: dict[str, Any] = {}
    if path is not None or chosen.is_file():
        values = _read_toml(chosen)
    try:
        given: dict[str, Any] = {k: v for k, v in arguments.items() if v is not None}
        return Config(**{_FILE: values, **given})
    except ValidationError as bad:
        problems = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'])}: {_plain(e['type'], e['msg'])}" for e in bad.errors()
        )
        raise Invalid(
            f"configuration {chosen if values else ''} is not valid: {problems}".replace("  ", " "),
            remedy="docs/configuration.md lists every key",
            details={"keys": [".".join(str(p) for p in e["loc"]) for e in bad.errors()]},
        ) from bad


def _plain(kind: str, message: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else message


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as missing:
        raise Invalid(f"cannot read configuration {path}: {missing.strerror}", remedy="check --config") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise Invalid(f"configuration {path} is not TOML: {bad}", remedy="mend that line") from bad
