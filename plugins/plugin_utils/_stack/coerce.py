# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values: what an operator writes becomes one plain Python type, or a sentence says what was expected.

Every function takes any value and raises ValueError; results are exact built-in types, without the templating engine's
tags.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
FALSE = frozenset({"false", "no", "off", "0", "n", "f"})
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def shown(value: Any) -> str:
    """A value for a message, short and on one line."""
    text = repr(to_plain(value))
    return text if len(text) <= 60 else text[:57] + "..."


def to_plain(value: Any) -> Any:
    """The same value in exact built-in types, recursively."""
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    return "".join((value,)) if isinstance(value, str) else str(value)


def to_str(value: Any) -> str:
    """Text on one line; numbers are taken as written, booleans and structures are refused."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"expected text, found {shown(value)}")
    text = str(to_plain(value))
    if _CONTROL.search(text):
        raise ValueError("contains a control character or a line break; expected one line of text")
    return text


def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"expected true or false, found {shown(value)}")


def to_float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _float(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value.strip())
    else:
        raise ValueError(f"expected a number, found {shown(value)}")
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {shown(value)}")
    return number


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def to_int(value: Any) -> int:
    number = to_float(value)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, found {shown(value)}")
    return int(value) if isinstance(value, int) else int(number)


def to_bytes(value: Any) -> int:
    """Bytes in ``768m`` or ``1GiB`` (1024, as Docker and nginx read one letter), ``500MB`` (1000) or a number."""
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"expected a size such as 768m, 1GiB, 500MB or bytes as a number, found {shown(value)}")
        number, unit, binary, byte = found.groups()
        base = 1000 if byte and not binary else 1024
        return int(float(number) * base ** _UNITS[unit.lower()]) if unit or "." in number else int(number)
    try:
        return to_int(value)
    except ValueError:
        raise ValueError(
            f"expected a size such as 768m, 1GiB, 500MB or bytes as a number, found {shown(value)}"
        ) from None


def within(read: Callable[[Any], Any], low: float, high: float) -> Callable[[Any], Any]:
    """The reader, and bounds that are part of what is allowed."""

    def bounded(value: Any) -> Any:
        number = read(value)
        if not low <= number <= high:
            raise ValueError(f"expected {low:g} to {high:g}, found {shown(value)}")
        return number

    return bounded


def at_least(read: Callable[[Any], Any], low: float, meaning: str) -> Callable[[Any], Any]:
    def bounded(value: Any) -> Any:
        number = read(value)
        if number < low:
            raise ValueError(f"expected at least {meaning}, found {shown(value)}")
        return number

    return bounded


to_port = within(to_int, 1, 65535)


def choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = to_str(value)
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, found {shown(value)}")
        return text

    return read


def matching(pattern: str, meaning: str) -> Callable[[Any], str]:
    """Text that the whole pattern fits; ``meaning`` says in words what is expected."""
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        text = to_str(value)
        if not compiled.fullmatch(text):
            raise ValueError(f"expected {meaning}, found {shown(value)}")
        return text

    return read


def to_source(value: Any) -> str:
    """``any``, an address or a network, IPv4 or IPv6."""
    text = to_str(value).strip()
    if text == "any":
        return text
    try:
        return str(ipaddress.ip_network(text)) if "/" in text else str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"expected any, an address or a network such as 192.0.2.0/24, found {shown(value)}") from None
    raise ValueError(f"{text} has bits set beyond its prefix; write {network} for the network")


def repeated(values: Iterable[Any]) -> list[Any]:
    """What occurs more than once, each once, in order."""
    seen: set[Any] = set()
    twice: list[Any] = []
    for value in values:
        if value in seen and value not in twice:
            twice.append(value)
        seen.add(value)
    return twice
