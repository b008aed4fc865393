"""The options common to all commands, and the context of a running command."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from recalld.domain.errors import RecalldError, Upstream
from recalld.rules.encoding import settings_text
from recalld.surfaces.client import DEFAULT_URL, Client

from .exit_codes import print_json, report
from .render import note

T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON.", rich_help_panel="Common")]
UrlOption = Annotated[str, typer.Option(help="Server (RECALLD_URL).", show_default=False, rich_help_panel="Common")]
UserOption = Annotated[str, typer.Option(help="Act as (RECALLD_USER).", show_default=False, rich_help_panel="Common")]
AccountOption = Annotated[
    str, typer.Option(help="Account (RECALLD_ACCOUNT).", show_default=False, rich_help_panel="Common")
]
_COMMON = {
    "as_json": (JsonOption, False),
    "url": (UrlOption, ""),
    "user": (UserOption, ""),
    "account": (AccountOption, ""),
}


@dataclass(slots=True)
class Globals:
    """Options before the command's name. The same options after it take precedence."""

    as_json: bool = False
    url: str = ""
    user: str = ""
    account: str = ""


@dataclass(slots=True)
class Call(Globals):
    """A running command: its output format and its client. The connection is opened when first used."""

    _client: Client | None = None

    @property
    def client(self) -> Client:
        """The server, as the chosen user."""
        if self._client is None:
            key = os.environ.get("RECALLD_API_KEY", "")
            self._client = Client(self.url, user=self.user, account=self.account, api_key=key)
        return self._client

    def not_recalld(self) -> RecalldError | None:
        """What is wrong when an answer made no sense: None if it came from a recalld server (or nobody was asked), so that the
        fault is ours."""
        if self._client is None:
            return None
        try:
            found = self._client.call("GET", "/health").result
            known = isinstance(found, dict) and {"healthy", "version"} <= found.keys()
        except RecalldError:
            known = False
        if known:
            return None
        return Upstream(
            f"what answers at {self._client.url} is not a recalld server",
            remedy="name the server with --url or RECALLD_URL",
        )

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()

    def answer(self, result: T, show: Callable[[T], object], *, more: str = "raise --limit", **beside: Any) -> None:
        """Give ``result`` as ``{"ok": true, "result": ...}`` (with ``beside``), or let ``show`` print it. Where a limit cut the
        last answer short, that is said, and how to see ``more``."""
        truncated = self._client.truncated if self._client is not None else 0
        if self.as_json:
            print_json({"ok": True, "result": result, **({"truncated": truncated} if truncated else {}), **beside})
            return
        show(result)
        if truncated:
            note(f"only {truncated} are shown; there are more: {more}")


def with_client(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options. Its first parameter is ``call: Call``; the rest are its own."""
    own = inspect.signature(command, eval_str=True)
    names = list(own.parameters)

    @functools.wraps(command)
    def run(ctx: typer.Context, **options: Any) -> None:
        before = ctx.find_object(Globals) or Globals()
        common = {name: options.pop(name) or getattr(before, name) for name in _COMMON}
        call = Call(**{**common, "url": server_url(common["url"])})
        try:
            command(call, **options)
        except RecalldError as error:
            sys.stdout.flush()
            raise typer.Exit(report(error, as_json=call.as_json)) from error
        except (AttributeError, LookupError, TypeError, ValueError) as odd:
            not_recalld = call.not_recalld()
            if not_recalld is None:
                raise
            raise typer.Exit(report(not_recalld, as_json=call.as_json)) from odd
        finally:
            call.close()

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _COMMON.items()
    ]
    mine = [replace_kind(own.parameters[name]) for name in names[1:]]
    run.__signature__ = inspect.Signature([context, *mine, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (context, *mine, *common)}
    return run


def replace_kind(parameter: inspect.Parameter) -> inspect.Parameter:
    """The same parameter, by keyword only: typer passes everything by name."""
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


_FILE = Path("recalld.toml")


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The loopback address for each address that means every interface."""


def server_url(url: str = "") -> str:
    """``--url``, else ``RECALLD_URL``, else the address that ``recalld serve`` would take here (``RECALLD_SERVER__HOST`` and
    ``__PORT``, recalld.toml of this folder), else the usual one.

    Reads two keys by itself: the settings' machinery takes longer to load than most commands take to run.
    """
    named = url or os.environ.get("RECALLD_URL", "")
    if named:
        return named
    section = _section()
    host = os.environ.get("RECALLD_SERVER__HOST") or section.get("host")
    port = os.environ.get("RECALLD_SERVER__PORT") or section.get("port")
    if not host and not port:
        return DEFAULT_URL
    usual_host, _, usual_port = DEFAULT_URL.removeprefix("http://").partition(":")
    where = _EVERYWHERE.get(str(host), str(host or usual_host))
    return f"http://{f'[{where}]' if ':' in where else where}:{port or usual_port}"


def _section() -> dict[str, Any]:
    """The file's [server], {} if it cannot be read: ``recalld serve`` and ``recalld config`` report the error."""
    if not _FILE.is_file():
        return {}
    import tomllib

    try:
        found = tomllib.loads(settings_text(_FILE.read_bytes())).get("server", {})
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
