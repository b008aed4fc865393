"""Constants of ``calibration``, printed by bench/calibrate.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds that an entry is relevant = base + total x rank sum - place x log(1 + position) + coverage x sqrt(coverage) +
    closeness x closeness. Above ``keep`` lie 98% of the relevant entries and 97% on each set; F1 is best at ``balance``."""

    base: float
    total: float
    place: float
    coverage: float
    closeness: float
    keep: float
    balance: float


@dataclass(frozen=True, slots=True)
class AnswerCalibration:
    """Log-odds that a query has an answer = base + coverage x sqrt(coverage) + closeness x closeness."""

    base: float
    coverage: float
    closeness: float


@dataclass(frozen=True, slots=True)
class PersonCalibration:
    """Log-odds that a query is about the person it names = base + lead x lead."""

    base: float
    lead: float


WITH_VECTORS = Calibration(-7.9122, 4.0924, 0.7333, 1.6323, 2.3308, 0.0022, 0.1850)
LEXICAL_ONLY = Calibration(-5.4224, 2.4259, 0.7810, 3.4782, 0.0, 0.0047, 0.1700)
WITH_VECTORS_ANSWER = AnswerCalibration(-6.3876, 3.2092, 11.4911)
LEXICAL_ONLY_ANSWER = AnswerCalibration(-5.1601, 12.5156, 0.0)
PERSON = PersonCalibration(0.2243, 16.0255)
