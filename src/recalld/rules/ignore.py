"""What imports skip: credentials, tool folders, trash, build output, executables, files that are too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from recalld.domain.policy import DOCUMENT_BYTES_MAX, UPLOAD_BYTES_MAX

from .credentials import CREDENTIALS
from .media import OPAQUE_SUFFIXES, is_binary, size_words, suffix_of

TRASH: Final = "trash"
NOTE_SETTINGS: Final = "settings of a note app"
_FOLDERS: Final[dict[str, str]] = {
    **dict.fromkeys((".git", ".hg", ".svn", ".bzr", "cvs", ".jj", "_darcs", ".pijul", ".sl"), "version control data"),
    **dict.fromkeys(
        (
            ".ssh",
            ".aws",
            ".azure",
            ".gcloud",
            ".gnupg",
            ".kube",
            ".oci",
            ".password-store",
            ".secrets",
            ".1password",
            ".bitwarden",
            ".terraform.d",
        ),
        CREDENTIALS,
    ),
    **dict.fromkeys(("node_modules", "bower_components", "site-packages"), "installed dependencies"),
    **dict.fromkeys((".venv", "venv", ".env", "virtualenv", ".virtualenv"), "virtual environment"),
    **dict.fromkeys(
        (
            "__pycache__",
            ".mypy_cache",
            ".ruff_cache",
            ".pytest_cache",
            ".hypothesis",
            ".tox",
            ".nox",
            ".cache",
            ".gradle",
            ".next",
        ),
        "cache",
    ),
    **dict.fromkeys((".idea", ".vscode", ".vs", ".fleet", ".zed", ".settings"), "editor settings"),
    **dict.fromkeys((".obsidian", ".foam", ".zk", ".stfolder", ".silverbullet"), NOTE_SETTINGS),
    **dict.fromkeys(
        (
            ".trash",
            ".trashes",
            "$recycle.bin",
            "recycler",
            "recycled",
            ".recycle",
            "#recycle",
            ".stversions",
            "lost+found",
        ),
        TRASH,
    ),
    **dict.fromkeys(
        ("__macosx", ".fseventsd", ".spotlight-v100", ".temporaryitems", "system volume information", "@eadir"),
        "system files",
    ),
}
_FOLDER_STARTS: Final[tuple[tuple[str, str], ...]] = ((".trash-", TRASH), (".obsidian-", NOTE_SETTINGS))
_WITH_SETTINGS: Final[dict[str, tuple[str, str]]] = {"logseq": ("config.edn", NOTE_SETTINGS)}
"""Folders that count as tool settings only if they contain that file."""
_SUFFIXES: Final[dict[str, str]] = {
    **dict.fromkeys(
        (".exe", ".dll", ".so", ".dylib", ".msi", ".com", ".app", ".apk", ".deb", ".rpm", ".dmg", ".iso"), "executable"
    ),
    **dict.fromkeys((".o", ".obj", ".a", ".lib", ".ko", ".elf", ".wasm"), "object file"),
    **dict.fromkeys(
        (".pyc", ".pyo", ".pyd", ".class", ".jar", ".war", ".whl", ".egg", ".beam", ".rlib"), "compiled code"
    ),
    **dict.fromkeys((".swp", ".swo", ".tmp", ".lock~", ".bak~"), "temporary file"),
    **dict.fromkeys(
        (".safetensors", ".onnx", ".gguf", ".pt", ".pth", ".ckpt", ".h5", ".npy", ".npz", ".pkl", ".pickle"),
        "model or array data",
    ),
}
_NAMES: Final[dict[str, str]] = {
    **dict.fromkeys((".ds_store", "thumbs.db", "desktop.ini", "icon\r"), "system file"),
    **dict.fromkeys((".abstract.md", ".overview.md", ".relations.json"), "name is reserved"),
    ".git": "version control data",
}
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x7fELF", "executable"),
    (b"MZ", "executable"),
    (b"\xfe\xed\xfa\xce", "executable"),
    (b"\xfe\xed\xfa\xcf", "executable"),
    (b"\xce\xfa\xed\xfe", "executable"),
    (b"\xcf\xfa\xed\xfe", "executable"),
    (b"\xca\xfe\xba\xbe", "compiled code"),
    (b"!<arch>\n", "object file"),
    (b"\x00asm", "object file"),
)


def why_skip_folder(name: str, holds: Callable[[str], bool] = lambda name: False) -> str:
    """Return why a folder of this name (in any case) is skipped; "" to enter it. ``holds``: whether it has an entry of
    a name."""
    low = name.casefold()
    if low.endswith(".egg-info"):
        return "build product"
    if low in _WITH_SETTINGS:
        file, why = _WITH_SETTINGS[low]
        return why if holds(file) else ""
    return _FOLDERS.get(low, "") or next((why for start, why in _FOLDER_STARTS if low.startswith(start)), "")


def why_skip_file(name: str, size: int, head: bytes) -> str:
    """Return why a file is skipped, from its name, size in bytes and first bytes; "" to import it.

    Texts may have ``DOCUMENT_BYTES_MAX``, files stored without parsing ``UPLOAD_BYTES_MAX``.
    """
    base = name.rsplit("/", 1)[-1]
    why = _NAMES.get(base.casefold(), "") or _SUFFIXES.get(suffix_of(base), "")
    if why or base.startswith((".#", "._")) or base.endswith("~"):
        return why or ("system file" if base.startswith("._") else "temporary file")
    # "MZ" may begin a text; only with the NULs of a header is it a program.
    signed = next((kind_name for magic, kind_name in _MAGIC if head.startswith(magic)), "")
    if signed and (b"\x00" in head or head.startswith(b"!<arch>")):
        return signed
    opaque = suffix_of(base) in OPAQUE_SUFFIXES or is_binary(head)
    limit = UPLOAD_BYTES_MAX if opaque else DOCUMENT_BYTES_MAX
    return f"too large: {size_words(size)}, the limit is {size_words(limit)}" if size > limit else ""
