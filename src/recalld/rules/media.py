"""Detects what a file is from its name and first bytes."""

from __future__ import annotations

from typing import Final

from .encoding import utf8_head, wide_codec

_SHELVES: Final = {"image": "images", "audio": "audio", "video": "video"}
HEAD_BYTES: Final = 8_192
"""Number of first bytes that ``media_type`` and ``is_binary`` need."""

LANGUAGES: Final[dict[str, str]] = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), "python"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "javascript"),
    **dict.fromkeys((".ts", ".mts", ".cts"), "typescript"),
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ipp"), "cpp"),
}
"""Languages whose structure is parsed."""

PLAIN_LANGUAGES: Final[dict[str, str]] = {
    **dict.fromkeys((".sh", ".bash", ".zsh", ".fish"), "shell"),
    **dict.fromkeys((".rb", ".rake"), "ruby"),
    ".php": "php",
    ".cs": "csharp",
    **dict.fromkeys((".kt", ".kts"), "kotlin"),
    ".swift": "swift",
    ".scala": "scala",
    **dict.fromkeys((".pl", ".pm"), "perl"),
    ".lua": "lua",
    ".r": "r",
    ".sql": "sql",
    ".css": "css",
    **dict.fromkeys((".scss", ".less"), "scss"),
    ".vue": "vue",
    ".svelte": "svelte",
    ".ps1": "powershell",
    ".bat": "batch",
    ".proto": "protobuf",
    ".graphql": "graphql",
    **dict.fromkeys((".ex", ".exs"), "elixir"),
    ".hs": "haskell",
    ".dart": "dart",
    ".zig": "zig",
    ".tf": "terraform",
    ".cmake": "cmake",
}
"""Languages stored as text: recognised as code, never parsed or split."""

_CODE_NAMES: Final = {
    **dict.fromkeys(("makefile", "gnumakefile", "justfile"), "makefile"),
    **dict.fromkeys(("dockerfile", "containerfile"), "dockerfile"),
}

_DOCUMENTS: Final[dict[str, str]] = {
    **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd"), "text/markdown"),
    **dict.fromkeys((".txt", ".text", ".log", ".tex"), "text/plain"),
    **dict.fromkeys((".rst", ".rest"), "text/rst"),
    **dict.fromkeys((".adoc", ".asciidoc", ".asc"), "text/asciidoc"),
    ".org": "text/org",
    **dict.fromkeys((".html", ".htm", ".xhtml"), "text/html"),
    **dict.fromkeys((".json", ".jsonc", ".ipynb", ".geojson"), "application/json"),
    **dict.fromkeys((".jsonl", ".ndjson"), "application/jsonl"),
    **dict.fromkeys((".yaml", ".yml"), "application/yaml"),
    ".toml": "application/toml",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    **dict.fromkeys((".xml", ".xsd", ".xsl", ".rss", ".svg"), "application/xml"),
    **dict.fromkeys((".ini", ".cfg", ".conf", ".env", ".properties"), "text/plain"),
}
_OPAQUE: Final[dict[str, tuple[str, str]]] = {
    ".pdf": ("application/pdf", "PDF document"),
    ".doc": ("application/msword", "Word document"),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word document"),
    ".xls": ("application/vnd.ms-excel", "Excel workbook"),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Excel workbook"),
    ".ppt": ("application/vnd.ms-powerpoint", "PowerPoint presentation"),
    ".pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "PowerPoint presentation"),
    ".odt": ("application/vnd.oasis.opendocument.text", "OpenDocument text"),
    ".ods": ("application/vnd.oasis.opendocument.spreadsheet", "OpenDocument spreadsheet"),
    ".odp": ("application/vnd.oasis.opendocument.presentation", "OpenDocument presentation"),
    ".rtf": ("application/rtf", "RTF document"),
    ".epub": ("application/epub+zip", "EPUB book"),
    ".png": ("image/png", "PNG image"),
    **dict.fromkeys((".jpg", ".jpeg"), ("image/jpeg", "JPEG image")),
    ".gif": ("image/gif", "GIF image"),
    ".webp": ("image/webp", "WebP image"),
    ".bmp": ("image/bmp", "BMP image"),
    ".ico": ("image/x-icon", "icon"),
    **dict.fromkeys((".tif", ".tiff"), ("image/tiff", "TIFF image")),
    ".avif": ("image/avif", "AVIF image"),
    ".heic": ("image/heic", "HEIC image"),
    ".aac": ("audio/aac", "AAC audio"),
    ".opus": ("audio/ogg", "Opus audio"),
    ".mp3": ("audio/mpeg", "MP3 audio"),
    ".wav": ("audio/wav", "WAV audio"),
    ".flac": ("audio/flac", "FLAC audio"),
    ".ogg": ("audio/ogg", "Ogg audio"),
    ".m4a": ("audio/mp4", "M4A audio"),
    ".mp4": ("video/mp4", "MP4 video"),
    ".mov": ("video/quicktime", "QuickTime video"),
    ".mkv": ("video/x-matroska", "Matroska video"),
    ".webm": ("video/webm", "WebM video"),
    ".avi": ("video/x-msvideo", "AVI video"),
    ".m4v": ("video/mp4", "MP4 video"),
    **dict.fromkeys((".mpg", ".mpeg"), ("video/mpeg", "MPEG video")),
    ".zip": ("application/zip", "ZIP archive"),
    **dict.fromkeys((".gz", ".tgz"), ("application/gzip", "gzip archive")),
    ".tar": ("application/x-tar", "tar archive"),
    ".7z": ("application/x-7z-compressed", "7-Zip archive"),
    ".rar": ("application/vnd.rar", "RAR archive"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), ("application/vnd.sqlite3", "SQLite database")),
    ".parquet": ("application/vnd.apache.parquet", "Parquet table"),
    **dict.fromkeys((".ttf", ".otf", ".woff", ".woff2"), ("font/sfnt", "font")),
    ".bin": ("application/octet-stream", "binary file"),
}
OPAQUE_SUFFIXES: Final = tuple(_OPAQUE)
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF-", ".pdf"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"PK\x03\x04", ".zip"),
    (b"\x1f\x8b", ".gz"),
    (b"SQLite format 3\x00", ".sqlite"),
    (b"\xd0\xcf\x11\xe0", ".doc"),
    (b"ID3", ".mp3"),
    (b"OggS", ".ogg"),
    (b"fLaC", ".flac"),
    (b"7z\xbc\xaf\x27\x1c", ".7z"),
    (b"Rar!", ".rar"),
)
# Signatures that a text may well begin with: "ID3 is a decision tree", "Rar!".
_WORDLIKE: Final = frozenset({".gif", ".mp3", ".ogg", ".flac", ".rar"})
_CONTROLS: Final = bytes((*range(0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F))
_SHORT_BYTES: Final = 64
_BOMS: Final = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def suffix_of(name: str) -> str:
    """Return the lower-case suffix with its dot; "" for ``Makefile`` and for dot files such as ``.gitignore``."""
    stem, dot, ending = name.rsplit("/", 1)[-1].rpartition(".")
    return f".{ending.lower()}" if dot and stem.strip(".") and ending else ""


def is_binary(head: bytes) -> bool:
    """True if the first bytes are not text in any supported encoding: a known binary signature, or NULs that neither
    UTF-16 nor UTF-8 with a stray NUL explains."""
    if head.startswith(_BOMS):
        return False
    signature = _signature(head)
    if signature and (signature not in _WORDLIKE or not _is_plain(head)):
        return True
    return b"\x00" in head[:HEAD_BYTES] and not _is_plain(head[:HEAD_BYTES]) and not wide_codec(head)


def _is_plain(head: bytes) -> bool:
    """True for UTF-8 with few control characters, which terminals, logs and faulty clients produce."""
    if not utf8_head(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls * (2 if len(head) < _SHORT_BYTES else 10) <= len(head)


def media_type(name: str, head: bytes = b"") -> str:
    """Return the media type by suffix, else by the first bytes, else ``text/plain`` or ``application/octet-stream``."""
    suffix = suffix_of(name)
    if (base := name.rsplit("/", 1)[-1].lower()) in _CODE_NAMES:
        return f"text/x-{_CODE_NAMES[base]}"
    if suffix in LANGUAGES:
        return f"text/x-{LANGUAGES[suffix]}"
    if suffix in PLAIN_LANGUAGES:
        return f"text/x-{PLAIN_LANGUAGES[suffix]}"
    if suffix in _DOCUMENTS:
        return _DOCUMENTS[suffix]
    if suffix in _OPAQUE:
        return _OPAQUE[suffix][0]
    signature = _signature(head)
    if signature:
        return _OPAQUE[signature][0]
    return "application/octet-stream" if is_binary(head) else "text/plain"


def media_words(name: str, head: bytes = b"") -> str:
    """Return a human-readable type: "PDF document", "PNG image", "binary file"."""
    suffix = suffix_of(name)
    known = suffix if suffix in _OPAQUE else _signature(head)
    return _OPAQUE[known][1] if known else "binary file"


def media_folder(name: str) -> str:
    """Return the resources directory for a single image, audio or video file ("" for anything else)."""
    return _SHELVES.get(media_type(name).partition("/")[0], "")


def is_text(media: str) -> bool:
    """True if bytes of this media type are text that can be shown and searched by grep."""
    return media.startswith("text/") or media in {
        "application/json",
        "application/jsonl",
        "application/yaml",
        "application/toml",
        "application/xml",
    }


def is_code(media: str) -> bool:
    """True for source code of any language."""
    return media.startswith("text/x-")


def splits(media: str) -> bool:
    """True for documents that are split into sections when they are long; code and data stay one file."""
    return media in {"text/markdown", "text/plain", "text/html", "text/rst", "text/asciidoc", "text/org"}


def size_words(size: int) -> str:
    """Return a human-readable size: "512 B", "1.2 MB"."""
    if size < 1_000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB"):
        amount /= 1_000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1_000:.1f} GB"


def _signature(head: bytes) -> str:
    return next((suffix for magic, suffix in _MAGIC if head.startswith(magic)), "")
