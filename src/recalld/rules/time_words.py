"""The words of time expressions in English, Chinese, German, French, Spanish and Japanese."""

from __future__ import annotations

DAY, WEEK, MONTH, YEAR = "day", "week", "month", "year"


def _numbered(*groups: tuple[int, str]) -> dict[str, int]:
    return {word: number for number, words in groups for word in words.split()}


def _units(*groups: tuple[str, str]) -> dict[str, str]:
    return {word: unit for unit, words in groups for word in words.split()}


def _before(*groups: tuple[str, int, str]) -> dict[str, tuple[str, int]]:
    return {word: (unit, back) for unit, back, words in groups for word in words.split("|")}


UNITS = _units(
    (DAY, "day days tag tage tagen jour jours día días dia dias"),
    (WEEK, "week weeks woche wochen semaine semaines semana semanas"),
    (MONTH, "month months monat monate monaten mois mes meses"),
    (YEAR, "year years jahr jahre jahren an ans année années año años"),
)
CJK_UNITS = _units(
    (DAY, "天 日"),
    (WEEK, "周 週 星期 礼拜 禮拜 週間"),
    (MONTH, "月 ヶ月 か月 カ月"),
    (YEAR, "年"),
)
NUMBERS = _numbered(
    (1, "a an one ein eine einem einer un une una"),
    (2, "two zwei deux dos"),
    (3, "three drei trois tres"),
    (4, "four vier quatre cuatro"),
    (5, "five fünf cinq cinco"),
    (6, "six sechs seis"),
    (7, "seven sieben sept siete"),
    (8, "eight acht huit ocho"),
    (9, "nine neun neuf nueve"),
    (10, "ten zehn dix diez"),
)
CJK_NUMBERS = {**{c: n for n, c in enumerate("一二三四五六七八九十", 1)}, "两": 2, "兩": 2}
MONTHS = _numbered(
    (1, "january jan januar janvier enero"),
    (2, "february feb februar février febrero"),
    (3, "march mar märz mars marzo"),
    (4, "april apr avril abril"),
    (5, "may mai mayo"),
    (6, "june jun juni juin junio"),
    (7, "july jul juli juillet julio"),
    (8, "august aug août agosto"),
    (9, "september sep sept septembre septiembre"),
    (10, "october oct oktober octobre octubre"),
    (11, "november nov novembre noviembre"),
    (12, "december dec dezember décembre diciembre"),
)
WEEKDAYS = _numbered(
    (0, "monday montag lundi lunes"),
    (1, "tuesday dienstag mardi martes"),
    (2, "wednesday mittwoch mercredi miércoles"),
    (3, "thursday donnerstag jeudi jueves"),
    (4, "friday freitag vendredi viernes"),
    (5, "saturday samstag samedi sábado"),
    (6, "sunday sonntag dimanche domingo"),
)
FIXED = _before(
    (DAY, 0, "today|tonight|heute|aujourd'hui|hoy"),
    (DAY, 1, "yesterday|last night|gestern|hier soir|hier matin|ayer|anoche"),
    (DAY, 2, "day before yesterday|vorgestern|avant-hier|anteayer"),
)
"""A word, and the unit that lies so many before the present one. Without French "hier", which is German for "here"."""
CJK_FIXED = _before(
    (DAY, 0, "今天|今日"),
    (DAY, 1, "昨天|昨日|昨晚"),
    (DAY, 2, "前天|一昨日|おととい"),
    (WEEK, 0, "这周|這週|本周|本週|这个星期|這個星期|今週"),
    (WEEK, 1, "上周|上週|上星期|上个星期|上個星期|上礼拜|先週"),
    (WEEK, 2, "先々週|上上周|上上週"),
    (MONTH, 0, "这个月|這個月|本月|今月"),
    (MONTH, 1, "上个月|上個月|上月|先月"),
    (MONTH, 2, "先々月|上上个月|上上個月"),
    (YEAR, 0, "今年"),
    (YEAR, 1, "去年|昨年"),
    (YEAR, 2, "前年|一昨年|おととし"),
)
