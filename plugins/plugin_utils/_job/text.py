# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells, made fit for a terminal, and the few words that every kind of job needs. Pure."""

from __future__ import annotations

import unicodedata
from typing import Any


def clean(value: object) -> str:
    """Text without control characters: what a host says must not steer the operator's terminal."""
    return "".join(letter for letter in str(value) if unicodedata.category(letter)[0] != "C")


def number(value: Any) -> float:
    """What should be a number, from a host; 0 for anything else."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e18
    return float(value) if good else 0.0


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 05 s``, ``2 h 10 min``, ``3 d 04 h``."""
    whole = round(seconds)
    for size, unit, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller:02d} {small}"
    return f"{whole} s"


def shortened(text: str, length: int) -> str:
    """The text, its middle left out when it is longer than that."""
    if len(text) <= length:
        return text
    if length < 2:
        return text[:length]
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"
