"""Files with secrets are detected by name, in any case, and by first bytes."""

from __future__ import annotations

import pytest

from recalld.rules.credentials import why_secret

SECRET = (
    ".env .ENV prod.env .env.local .env.production app/.npmrc .pypirc .netrc _netrc id_rsa ID_RSA deploy/id_ed25519 "
    "id_ed25519_work id_rsa.bak server.PEM tls.key a.p12 b.pfx vault.KDBX .docker/config.json .cargo/credentials.toml "
    "secrets.yaml Credentials.json client_secret_123.json service-account-prod.json terraform.tfvars x.auto.tfvars.json "
    "terraform.tfstate terraform.tfstate.backup cert.pem.old .git-credentials .pgpass .htpasswd .bash_history putty.ppk"
)
PLAIN = (
    ".env.example .env.sample example.env.template id_rsa.pub config.json docs/credentials.md secrets.md key.md "
    "environment.md env.py .docker/nginx.conf terraform.tfvars.example identity.md monkey.txt passwords.md settings.xml"
)


@pytest.mark.parametrize("name", SECRET.split())
def test_a_file_of_secrets_is_known(name: str) -> None:
    assert why_secret(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_a_document_a_public_key_and_an_example_are_none(name: str) -> None:
    assert why_secret(name, b"hello") == ""


@pytest.mark.parametrize(
    "head",
    [
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3",
        b"\xef\xbb\xbf-----BEGIN RSA PRIVATE KEY-----",
        b"-----BEGIN PRIVATE KEY-----",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----",
        b"PuTTY-User-Key-File-3: ssh-ed25519",
    ],
)
def test_a_private_key_is_known_whatever_its_name(head: bytes) -> None:
    assert why_secret("notes.txt", head)


def test_a_presentation_is_no_key_though_it_ends_so() -> None:
    assert why_secret("talk.key", b"PK\x03\x04rest") == ""
    assert why_secret("a.md", b"-----BEGIN PUBLIC KEY-----") == ""
