"""The language of a text, as far as our own few words in it need to know, and those words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SAMPLE_CHARS: Final = 4_000
_HITS_MIN: Final = 3
_WORD = re.compile(r"[^\W\d_]+")
_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_COMMON_WORDS: Final[Mapping[str, str]] = {
    "en": "the and of to is for with that this are from you it be by or as",
    "de": "der die das und ist für mit nicht ein eine den von zu wird werden sie auf im",
    "es": "el los las y es para con que una por del se en como son puede",
    "fr": "le les et est pour avec que une des du dans vous sur par ce il au",
    "pt": "o os as e é para com que uma por do da em não são você no na",
    "it": "il gli e è per con che una di del della in sono non si le",
}
_COMMON: Final = {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}


@dataclass(frozen=True, slots=True)
class Words:
    """Our words in one language. ``directories`` and ``files``: one and several; ``more``: with ``{n}``; ``also`` and ``topics``:
    before further headings of a text, and before its own."""

    directories: tuple[str, str]
    files: tuple[str, str]
    more: str
    empty: str
    also: str
    topics: str


WORDS: Final[Mapping[str, Words]] = {
    "en": Words(("directory", "directories"), ("file", "files"), "{n} more not shown.", "empty", "Also: ", "Topics: "),
    "de": Words(
        ("Ordner", "Ordner"), ("Datei", "Dateien"), "{n} weitere nicht gezeigt.", "leer", "Außerdem: ", "Themen: "
    ),
    "es": Words(
        ("carpeta", "carpetas"), ("archivo", "archivos"), "{n} más sin mostrar.", "vacío", "También: ", "Temas: "
    ),
    "fr": Words(
        ("dossier", "dossiers"), ("fichier", "fichiers"), "{n} autres non affichés.", "vide", "Aussi : ", "Sujets : "
    ),
    "pt": Words(
        ("pasta", "pastas"), ("arquivo", "arquivos"), "Mais {n} não mostrados.", "vazio", "Também: ", "Temas: "
    ),
    "it": Words(
        ("cartella", "cartelle"), ("file", "file"), "Altri {n} non mostrati.", "vuoto", "Inoltre: ", "Argomenti: "
    ),
    "ru": Words(("папка", "папки"), ("файл", "файлы"), "Ещё не показано: {n}.", "пусто", "Также: ", "Темы: "),
    "zh": Words(("个目录", "个目录"), ("个文件", "个文件"), "另有 {n} 项未显示。", "空", "另有：", "主题："),
    "ja": Words(
        ("フォルダー", "フォルダー"), ("ファイル", "ファイル"), "ほか {n} 件は省略。", "空", "ほか：", "項目："
    ),
    "ko": Words(("폴더", "폴더"), ("파일", "파일"), "{n}개는 표시하지 않음.", "비어 있음", "또한: ", "주제: "),
}


def language_of(text: str) -> str:
    """Return one of ``WORDS``: by script, else by the commonest words; "en" if nothing tells."""
    sample = text[:SAMPLE_CHARS]
    wide = len(_HAN.findall(sample)) + len(_KANA.findall(sample))
    if len(_HANGUL.findall(sample)) * 6 > len(sample):
        return "ko"
    # A page of tables and code has few words: an eighth of wide characters tells its language.
    if wide * 8 > sum(map(str.isalnum, sample)):
        return "ja" if len(_KANA.findall(sample)) * 12 > wide else "zh"
    if len(_CYRILLIC.findall(sample)) * 3 > len(sample):
        return "ru"
    counts = Counter(_WORD.findall(sample.lower()))
    hits = {language: sum(counts[word] for word in common) for language, common in _COMMON.items()}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] >= _HITS_MIN and hits[best] > hits["en"] else "en"


def counted(n: int, words: tuple[str, str]) -> str:
    """Return ``3 files``, or ``3 个文件``: a number and its noun."""
    return f"{n} {words[0] if n == 1 else words[1]}"
