"""Record what the published ``ov`` sends and is answered: ``record_ov.py URL FILE`` runs each command of ``COMMANDS`` against a
running server, through a proxy that writes every request and answer down. ``tests/clients`` replays the file.

``ov`` is installed by ``clients_setup.py ov``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OV = Path(__file__).resolve().parents[1] / ".venv-clients" / "ov" / "openviking" / "bin" / "ov"
AT = "viking://user/ana/privacy/mail/work"
COMMANDS = (
    (
        "privacy",
        "upsert",
        "mail",
        "work",
        "--values-json",
        '{"token":"hunter2","host":"mx"}',
        "--labels-json",
        '{"by":"ana"}',
    ),
    ("privacy", "upsert", "mail", "work", "--field", "token=swordfish", "--change-reason", "leaked"),
    ("privacy", "upsert", "mail", "home", "--field-token", "abc"),
    ("privacy", "categories"),
    ("privacy", "list", "mail"),
    ("privacy", "get", "mail", "work"),
    ("privacy", "tree"),
    ("privacy", "tree", "--category", "mail", "--references"),
    ("privacy", "reference", "mail", "work", "token"),
    ("privacy", "reference", "mail", "home"),
    ("privacy", "resolve", "mail", "work", "token"),
    ("privacy", "resolve", "mail", "home"),
    ("privacy", "resolve", f"{AT}/token"),
    ("privacy", "versions", "mail", "work"),
    ("privacy", "version", "mail", "work", "1"),
    ("privacy", "activate", "mail", "work", "1"),
    ("privacy", "delete", "--yes", "mail", "work", "token"),
    ("privacy", "delete", "--yes", f"{AT}/host"),
    ("privacy", "delete", "--yes", "mail", "home"),
    ("privacy", "delete", "--yes", AT),
    ("privacy", "tree"),
)
TIMEOUT_S = 60


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on and keeps them with their answers."""

    protocol_version = "HTTP/1.1"
    target = ""
    seen: list[dict[str, Any]] = []

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def handle_any(self) -> None:
        """One request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k: v for k, v in self.headers.items() if k.lower() in {"content-type", "x-openviking-user"}}
        request = urllib.request.Request(self.target + self.path, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, data = refused.code, refused.read()
        self.seen.append(
            {
                "method": self.command,
                "path": self.path,
                "body": json.loads(body) if body else None,
                "status": status,
                "answer": json.loads(data),
            }
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


def main(url: str, file: str) -> int:
    """0 when ``ov`` accepted every answer."""
    Proxy.target = url
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        settings = Path(home) / "ovcli.conf"
        settings.write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_port}", "user": "ana"}))
        env = {"PATH": os.environ["PATH"], "HOME": home, "OPENVIKING_CLI_CONFIG_FILE": str(settings)}
        subprocess.run([OV, "language", "en"], env=env, check=True, capture_output=True)
        for words in COMMANDS:
            Proxy.seen.clear()
            ran = subprocess.run([OV, *words], env=env, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
            shown = (ran.stdout + ran.stderr).strip().splitlines()
            steps.append({"command": list(words), "exit": ran.returncode, "shown": shown, "requests": [*Proxy.seen]})
    server.shutdown()
    Path(file).write_text(json.dumps(steps, indent=1, ensure_ascii=False) + "\n")
    refused = [" ".join(step["command"]) for step in steps if step["exit"]]
    print("\n".join(refused) or f"{len(steps)} commands recorded")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
