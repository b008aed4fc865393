"""Markup inside a line becomes words: Markdown, reStructuredText, AsciiDoc and Org, each with what its readers see."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Final

_WIDE: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_BETWEEN_WIDE = re.compile(f"(?<=[{_WIDE}，。！？；：、]) (?=[{_WIDE}])")
_PICTOGRAPH = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\ufe0f\u200d\u20e3]+")
_SHORTCODE = re.compile(r"(?<![\w:]):(?=[a-z0-9_+-]*[a-z])[a-z0-9_+-]{2,40}:(?![\w:])(?:\{[^{}\n]{0,200}\})?")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,500}>|<!--.{0,2000}?-->|<>|</>", re.DOTALL)
_SPACE_BEFORE = re.compile(r" +(?=[,.;:!?)](?:\s|$))")
# Placeholders of code spans while the rest of a line is read. Private use: no text has them.
_HELD_FIRST: Final = 0xE000
_HELD_MAX: Final = 1_000
_HELD = re.compile(f"[{chr(_HELD_FIRST)}-{chr(_HELD_FIRST + _HELD_MAX)}]")

_MD_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)(.{1,500}?)(?<!`)\1(?!`)", re.DOTALL)
_MD_COMMENT = re.compile(
    r"\{/\*.{0,300}?\*/\}|\{[%{#].{0,300}?[%}#]\}|\{:?\s*[#.][^{}\n]{0,200}\}|\{\{<.{0,300}?>\}\}", re.DOTALL
)
_MD_EMBED = re.compile(r"!\[\[[^\[\]\n]{0,300}\]\]")
_MD_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\](?:\([^()\n]{0,500}\)|\[[^\[\]\n]{0,100}\])")
_MD_WIKI = re.compile(r"\[\[([^\[\]|\n]{1,300})(?:\\?\|([^\[\]\n]{1,300}))?\]\]")
_MD_LINK = re.compile(
    r"\[((?:[^\[\]\n]|\[[^\[\]\n]{0,100}\]){0,300})\](?:\((?:[^()\n]|\([^()\n]{0,200}\)){0,600}\)|\[[^\[\]\n]{0,100}\])"
)
_MD_CALLOUT = re.compile(r"(?:^|(?<=\s))\[!(\w{1,30})\][+-]?\s?")
_MD_FOOTNOTE = re.compile(r"\[\^[^\[\]\n]{1,60}\]")
_MD_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]{1,500})>")
_MD_STRONG = re.compile(r"(\*{1,3})(?=\S)([^*\n]{1,600}?)(?<=\S)\1")
# Underscores mark emphasis between words only: __init__.py and snake_case are names.
_MD_UNDERLINED = re.compile(
    r"(?<![\w/.])(_{1,3})(?=[^\s_])((?:[^_\n]|(?<=\w)_(?=[^\W_])){1,300}?)(?<=[^\s_])\1(?![\w(./])"
)
_MD_STRUCK = re.compile(r"(~~|==)(?=\S)([^~=\n]{1,300}?)(?<=\S)\1")
_DUNDER = re.compile(r"\w+")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")

_RST_LITERAL = re.compile(r"``(.{1,500}?)``", re.DOTALL)
_RST_ROLE = re.compile(r":((?:[\w+-]+:){0,2}[\w+-]+):`([^`\n]{1,500})`|`([^`\n]{1,500})`:([\w+-]+):")
_RST_LINK = re.compile(r"`([^`<>\n]{1,300}?)\s*<[^<>`\n]{1,500}>`__?")
_RST_PHRASE = re.compile(r"`([^`\n]{1,300})`_{0,2}")
_RST_TARGET = re.compile(r"^(.{1,400}?)\s*<([^<>\n]{1,400})>$", re.DOTALL)
_RST_NOTE = re.compile(r"\s?\[(?:#[\w-]*|\d{1,4}|\*)\]_")
_RST_SUBSTITUTED = re.compile(r"\|([A-Za-z][^|\n]{0,60})\|_{0,2}")
_RST_REFERENCE = re.compile(r"(?<=[A-Za-z0-9])_{1,2}(?=[\s.,;:)!?\"'”’]|$)")
_RST_PREFIXES: Final[Mapping[str, str]] = {"pep": "PEP ", "rfc": "RFC "}

_ADOC_CODE = re.compile(
    r"``(.{1,300}?)``|(?<![\w`])`\+?([^`\n]{1,300}?)\+?`(?![\w`])|(?<![\w+])\+\+?([^+\n]{1,200}?)\+\+?(?![\w+])"
)
_ADOC_CROSS = re.compile(r"<<([^<>,\n]{1,200})(?:,\s*([^<>\n]{1,300}))?>>")
_ADOC_MACRO = re.compile(
    r"(?<![\w:])(xref|link|mailto|image|icon|kbd|btn|menu|footnote|footnoteref|anchor|indexterm2?|pass|stem|asciimath|latexmath|"
    r"emoji|link[a-z]{3,10}|https?|ftp|irc)(:{1,2})([^\s\[\]]{0,400})\[((?:[^\[\]\n]|\[[^\[\]\n]{0,100}\]|\\\]){0,400})\]"
)
_ADOC_ROLE = re.compile(r"\[[.#%\w][^\[\]\n]{0,100}\](?=[#*_`])")
_ADOC_MARK = re.compile(r"(?<![\w#])(#{1,2})(?=\S)([^#\n]{1,300}?)(?<=\S)\1(?![\w#])")
_ADOC_ANCHOR = re.compile(r"\[\[[^\[\]\n]{0,100}\]\]|\(\(\([^()\n]{0,200}\)\)\)|<\d{1,2}>")
_ADOC_TERM = re.compile(r"\(\(([^()\n]{1,200})\)\)")
_ADOC_ATTRIBUTE = re.compile(r"\{([A-Za-z][\w-]{1,60})(?::[^{}\n]{0,100})?\}")
_ADOC_SILENT: Final = frozenset({"image", "icon", "footnote", "footnoteref", "anchor", "indexterm", "stem"})
_ADOC_SIGNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("nbsp", "sp"), " "),
    **dict.fromkeys(("zwsp", "empty", "blank", "wj"), ""),
    "cpp": "C++",
    "plus": "+",
    "lt": "<",
    "gt": ">",
    "amp": "&",
    "apos": "'",
    "quot": '"',
    "vbar": "|",
    "startsb": "[",
    "endsb": "]",
    "asterisk": "*",
    "backtick": "`",
    "caret": "^",
    "tilde": "~",
    "two-colons": "::",
    "deg": "°",
}

_ORG_LINK = re.compile(r"\[\[([^\[\]\n]{1,400})\](?:\[([^\[\]\n]{1,300})\])?\]")
_ORG_CODE = re.compile(r"(?<![\w=~])([=~])(?=\S)([^=~\n]{1,300}?)(?<=\S)\1(?![\w=~])")
_ORG_MARK = re.compile(r"(?<![\w/*_+])([/*_+])(?=[^\s/*_+])([^\n]{1,300}?)(?<=[^\s/*_+])\1(?![\w/*_+])")
_ORG_NOTE = re.compile(r"\[fn:[^\[\]\n]{0,100}\]|<<<?[^<>\n]{1,100}>>>?|@@[^@\n]{0,200}@@|\{\{\{[^{}\n]{0,200}\}\}\}")
_ORG_STAMP = re.compile(r"[<\[](\d{4}-\d\d-\d\d)[^<>\[\]\n]{0,40}[>\]]")


def plain_markdown(text: str) -> str:
    """Return one line without Markdown's marks, tags, images, icons and link targets; code spans stay as written."""
    held: list[str] = []
    if "`" in text:
        text = _MD_CODE.sub(lambda code: _hold(code[2].strip(), held), text)
    if "\\" in text:
        text = _ESCAPED.sub(lambda mark: _hold(mark[1], held), text)
    if "[" in text:
        text = _MD_IMAGE.sub(" ", _MD_EMBED.sub(" ", text))
        text = _MD_WIKI.sub(_wiki, text)
        text = _MD_FOOTNOTE.sub("", _MD_CALLOUT.sub("", text))
        text = _MD_LINK.sub(r"\1", text)
    if "{" in text:
        text = _MD_COMMENT.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(" ", _MD_AUTOLINK.sub(r"\1", text))
    if "*" in text:
        text = _MD_STRONG.sub(r"\2", _MD_STRONG.sub(r"\2", text)).replace("**", "")
    if "_" in text:
        text = _MD_UNDERLINED.sub(_underlined, text)
    if "~~" in text or "==" in text:
        text = _MD_STRUCK.sub(r"\2", text)
    return _tidy(_SHORTCODE.sub("", text) if ":" in text else text, held)


def plain_rst(text: str) -> str:
    """Return one line without reStructuredText's roles, targets, substitutions and marks."""
    held: list[str] = []
    if "`" in text:
        text = _RST_LITERAL.sub(lambda code: _hold(code[1].strip(), held), text)
        text = _RST_ROLE.sub(lambda role: _hold(_role(role[1] or role[4], role[2] or role[3]), held), text)
        text = _RST_PHRASE.sub(r"\1", _RST_LINK.sub(r"\1", text)).replace("`", "")
    if "_" in text:
        text = _RST_REFERENCE.sub("", _RST_NOTE.sub("", text))
    if "|" in text:
        text = _RST_SUBSTITUTED.sub(r"\1", text)
    if "*" in text:
        text = _MD_STRONG.sub(r"\2", text)
    return _tidy(re.sub(r"\\\s?", "", text) if "\\" in text else text, held)


def plain_asciidoc(text: str, attributes: Mapping[str, str] | None = None) -> str:
    """Return one line without AsciiDoc's macros, anchors, roles and marks; known ``attributes`` are replaced."""
    held: list[str] = []
    known = attributes or {}
    if "{" in text:
        text = _ADOC_ATTRIBUTE.sub(lambda a: _attribute(a[1], known), text)
    text = _ADOC_CODE.sub(lambda code: _hold(next(filter(None, code.groups()), ""), held), text)
    if "<<" in text:
        text = _ADOC_CROSS.sub(lambda cross: cross[2] or _words(cross[1]), text)
    if "[" in text:
        text = _ADOC_MACRO.sub(_macro, text)
        text = _ADOC_ROLE.sub("", _ADOC_ANCHOR.sub("", text))
    text = _ADOC_TERM.sub(r"\1", text) if "((" in text else text
    text = _ADOC_MARK.sub(r"\2", text) if "#" in text else text
    text = _MD_STRONG.sub(r"\2", text) if "*" in text else text
    text = _MD_UNDERLINED.sub(r"\2", text) if "_" in text else text
    return _tidy(text.removesuffix(" +"), held)


def plain_org(text: str) -> str:
    """Return one line without Org's links, marks, time of day and footnotes."""
    held: list[str] = []
    text = _ORG_NOTE.sub("", text)
    if "[[" in text:
        text = _ORG_LINK.sub(lambda link: _hold(link[2] or _words(link[1].rsplit(":", 1)[-1]), held), text)
    text = _ORG_CODE.sub(lambda code: _hold(code[2], held), text)
    return _tidy(_ORG_STAMP.sub(r"\1", _ORG_MARK.sub(r"\2", text)), held)


def _hold(code: str, held: list[str]) -> str:
    if len(held) >= _HELD_MAX:
        return code
    held.append(code)
    return chr(_HELD_FIRST + len(held) - 1)


def _tidy(text: str, held: list[str]) -> str:
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = _PICTOGRAPH.sub("", text)
    if held:
        # Twice: a link may have a code span inside.
        for _ in range(2):
            text = _HELD.sub(lambda mark: _held_at(mark[0], held), text)
    text = _SPACE_BEFORE.sub("", " ".join(text.split()))
    return text if text.isascii() else _BETWEEN_WIDE.sub("", text)


def _held_at(mark: str, held: list[str]) -> str:
    at = ord(mark) - _HELD_FIRST
    return held[at] if at < len(held) else ""


def _wiki(link: re.Match[str]) -> str:
    """Return the label of a wiki link, else the name of its target: ``[[folder/Note#Part]]`` is Note."""
    if link[2]:
        return link[2]
    note, _, part = link[1].partition("#")
    return note.rsplit("/", 1)[-1].removesuffix(".md") or part


def _underlined(mark: re.Match[str]) -> str:
    return mark[0] if len(mark[1]) > 1 and _DUNDER.fullmatch(mark[2]) else mark[2]


def _role(name: str, content: str) -> str:
    """Return what a role shows: its title, or the last name of its target."""
    kind = name.rsplit(":", 1)[-1]
    titled = _RST_TARGET.match(content)
    if titled:
        return titled[1]
    if kind in {"ref", "doc", "numref", "any"}:
        path = [part for part in content.strip("/~!").split("/") if part != "index"] or [content]
        return _words(path[-1])
    content = _RST_PREFIXES.get(kind, "") + content.removeprefix(".")
    return content.lstrip("!").rsplit(".", 1)[-1] if content.startswith("~") else content.lstrip("!")


def _macro(macro: re.Match[str]) -> str:
    name, target, content = macro[1], macro[3], macro[4].replace("\\]", "]")
    if name in _ADOC_SILENT:
        return ""
    if name == "menu":
        return f"{target} > {content}" if content else target
    label = content.split(",", 1)[0].strip("\"' ^") if name in {"link", "xref", "http", "https", "mailto"} else content
    if name.startswith("link") and label.isdigit():
        return f"{target}({label})"
    if name in {"http", "https", "ftp", "irc"}:
        return label or f"{name}:{target}"
    return label or _words(target.rsplit("/", 1)[-1].removesuffix(".adoc"))


def _attribute(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return known[name]
    return _ADOC_SIGNS.get(name, _words(name))


def _words(name: str) -> str:
    return re.sub(r"[-_\s]+", " ", name).strip(" #")


PLAIN: Final[Mapping[str, Callable[[str], str]]] = {
    "text/rst": plain_rst,
    "text/asciidoc": plain_asciidoc,
    "text/org": plain_org,
}
"""By media type; any other text is read as Markdown."""
