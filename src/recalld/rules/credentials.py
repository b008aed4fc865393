"""Files that hold secrets by convention: environment files, keys, login state of tools. Detected by name and first
bytes."""

from __future__ import annotations

import re
from typing import Final

from .media import suffix_of

CREDENTIALS: Final = "credentials, left out by default"


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_SECRET_NAMES: Final = _words(
    ".env .envrc .flaskenv .npmrc .pypirc .netrc _netrc .pgpass pgpass.conf .my.cnf .mylogin.cnf .git-credentials .htpasswd",
    ".dockercfg .dockerconfigjson .s3cfg .boto .vault-token .vault_pass .vault-pass .terraformrc terraform.rc",
    "credentials.tfrc.json .rclone.conf rclone.conf .smbcredentials .fetchmailrc .msmtprc .esmtprc .ftpconfig .remote-sync.json",
    "sftp-config.json .databrickscfg kaggle.json kubeconfig .kubeconfig .secrets secrets.yml secrets.yaml secrets.json ",
    "secrets.toml",
    "credentials credentials.json credentials.yml credentials.yaml credentials.toml credentials.xml credentials.csv credentials.db",
    "client_secret.json service_account.json service-account.json application_default_credentials.json access_tokens.db",
    "id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk id_xmss ssh_host_rsa_key ssh_host_dsa_key",
    "ssh_host_ecdsa_key ssh_host_ed25519_key .bash_history .zsh_history .python_history .psql_history .mysql_history",
    ".sqlite_history .node_repl_history .sh_history fish_history wp-config.php key4.db logins.json cookies.sqlite",
)
_SECRET_SUFFIXES: Final = _words(".env .tfstate .tfvars .kubeconfig")
_KEY_SUFFIXES: Final = _words(
    ".pem .key .p8 .p12 .pfx .pkcs12 .ppk .jks .jceks .bcfks .keystore .kdb .kdbx .psafe3 .agilekeychain .opvault",
    ".keychain .keychain-db .ovpn",
)
_SECRET_PATTERN: Final = re.compile(
    r"""(?x)
    \.env[._-].+                                # .env.local, .env.production
    | .+[._-]env\.(?:local|prod|production|staging)
    | (?:client_secret|service[_-]account).*\.json
    | id_(?:rsa|dsa|ecdsa|ed25519)[._-].+        # id_rsa.bak, id_ed25519_work
    | .+\.(?:tfstate|tfvars)(?:\..+)?
    | .+\.(?:pem|p12|pfx|key|kdbx?|ppk)[._-](?:bak|old|orig|backup|copy)
    | .+\.auto\.tfvars(?:\.json)?
    """
)
_SECRET_PATHS: Final = (
    ".docker/config.json",
    ".cargo/credentials.toml",
    ".composer/auth.json",
    ".m2/settings.xml",
    "gh/hosts.yml",
    ".jupyter/jupyter_server_config.json",
)
_EXAMPLE: Final = re.compile(r"(?:^|[._-])(?:example|sample|template|tmpl|tpl|dist|schema|dummy)s?(?:[._-]|$)")
_PRIVATE_KEY: Final = re.compile(
    rb"\A[\s\xef\xbb\xbf]*(?:-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-)"
)
_OFFICE: Final = b"PK\x03\x04"


def why_secret(name: str, head: bytes = b"") -> str:
    """Return why a file counts as credentials, from its name (in any case) and first bytes; "" if it does not. Public
    keys and examples (``.env.example``) do not count."""
    if _PRIVATE_KEY.match(head):
        return CREDENTIALS
    low = name.casefold()
    base = low.rsplit("/", 1)[-1]
    suffix = suffix_of(base)
    if suffix == ".key" and head.startswith(_OFFICE):
        return ""  # Keynote presentations use this suffix as well
    if suffix in _KEY_SUFFIXES:
        return CREDENTIALS
    if suffix == ".pub" or _EXAMPLE.search(base):
        return ""
    found = base in _SECRET_NAMES or suffix in _SECRET_SUFFIXES or _SECRET_PATTERN.fullmatch(base)
    return CREDENTIALS if found or f"/{low}".endswith(tuple(f"/{path}" for path in _SECRET_PATHS)) else ""
