"""What is no document: folders of tools, build products, executables, files too large."""

from __future__ import annotations

from typing import Final

from recalld.domain.policy import DOCUMENT_BYTES_MAX, UPLOAD_BYTES_MAX

from .media import OPAQUE_SUFFIXES, is_binary, size_words, suffix_of

_FOLDERS: Final[dict[str, str]] = {
    **dict.fromkeys((".git", ".hg", ".svn", ".bzr", "CVS"), "version control data"),
    **dict.fromkeys(("node_modules", "bower_components", "site-packages"), "installed dependencies"),
    **dict.fromkeys((".venv", "venv", "virtualenv", ".virtualenv"), "virtual environment"),
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
    **dict.fromkeys((".idea", ".vscode", ".vs"), "editor settings"),
    **dict.fromkeys(("__MACOSX", ".Trash"), "system files"),
}
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
    **dict.fromkeys((".DS_Store", "Thumbs.db", "desktop.ini"), "system file"),
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


def why_skip_folder(name: str) -> str:
    """Why a folder of this name is not entered; "" to enter it."""
    if name.endswith(".egg-info"):
        return "build product"
    return _FOLDERS.get(name, "")


def why_skip_file(name: str, size: int, head: bytes) -> str:
    """Why a file is left out, told from its name, size in bytes and first bytes; "" to import it.

    Texts may have ``DOCUMENT_BYTES_MAX``, what is stored unread ``UPLOAD_BYTES_MAX``.
    """
    base = name.rsplit("/", 1)[-1]
    why = _NAMES.get(base, "") or _SUFFIXES.get(suffix_of(base), "")
    if why or base.startswith(".#") or base.endswith("~"):
        return why or "temporary file"
    # "MZ" may begin a text; only with the NULs of a header is it a program.
    signed = next((said for magic, said in _MAGIC if head.startswith(magic)), "")
    if signed and (b"\x00" in head or head.startswith(b"!<arch>")):
        return signed
    opaque = suffix_of(base) in OPAQUE_SUFFIXES or is_binary(head)
    limit = UPLOAD_BYTES_MAX if opaque else DOCUMENT_BYTES_MAX
    return f"too large: {size_words(size)}, the limit is {size_words(limit)}" if size > limit else ""
