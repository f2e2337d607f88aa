# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what must be true of a model beside its bytes. Judged when it is locked, and again from the lock in preflight.

Pure: everything here works on the ``models`` section as read and on an entry of the lock.
"""

from __future__ import annotations

import datetime
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import shown, to_str

CARD = ("optional", "required")
AND = " AND "
"""Between the licences of a model that names several; every one of them has to be allowed."""
_REQUIREMENT = re.compile(r"(>=|<=|==|>|<)\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:_-]{0,99}")
_METRIC = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True)
class Requirement:
    """A bound on a metric, for example ``> 0.7``."""

    sign: str
    bound: float

    def worst(self, values: Sequence[float]) -> float:
        """The value that fails first."""
        if self.sign == "==":
            return max(values, key=lambda value: abs(value - self.bound))
        return min(values) if self.sign.startswith(">") else max(values)

    def met(self, value: float) -> bool:
        return _COMPARE[self.sign](value, self.bound)

    def __str__(self) -> str:
        return f"{self.sign}{_written(self.bound)}"


def _written(number: float) -> str:
    """With every digit, so that it reads back as the same number."""
    return repr(float(number)).removesuffix(".0")


def parse_requirement(text: str) -> Requirement:
    """Read ``>0.7``.

    :raises ValueError: anything else, with what was expected.
    """
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None or not math.isfinite(float(found[2])):
        raise ValueError(f'expected a sign (>, >=, <, <=, ==) and a number such as ">0.7", found {shown(text)}')
    return Requirement(sign=found[1], bound=float(found[2]))


def to_requirement(value: Any) -> str:
    """A requirement as text in one spelling; a number alone does not say which side is good and is refused."""
    return str(parse_requirement(to_str(value)))


def to_metric(value: Any) -> str:
    """The name of a metric."""
    text = to_str(value).strip()
    if not _METRIC.fullmatch(text):
        raise ValueError(f"expected the name of a metric as the model card writes it, found {shown(value)}")
    return text


def to_license(value: Any) -> str:
    """A licence as the hub or SPDX name it, in small letters."""
    text = to_str(value).strip()
    if not _LICENSE.fullmatch(text):
        raise ValueError(f"expected the id of a licence such as apache-2.0, found {shown(value)}")
    return text.lower()


def to_checksum(value: Any) -> str:
    return f"sha256:{parse_checksum(to_str(value))}"


def to_date(value: Any) -> str:
    """A day as ``2027-01-31``. YAML makes a date of it where it is not quoted."""
    if isinstance(value, datetime.datetime):
        value = value.date()
    text = value.isoformat() if isinstance(value, datetime.date) else to_str(value).strip()
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"expected a day such as 2027-01-31, found {shown(value)}") from None


def to_reason(value: Any) -> str:
    """Why something is exempted, in words somebody can act on later."""
    text = to_str(value).strip()
    if len(text) < 3:
        raise ValueError(f"expected the reason in words, found {shown(value)}")
    return text


def judge(wanted: Mapping[str, Any], entry: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    """What of a locked model does not pass, as (path, message).

    :param wanted: the model as the inventory wants it: ``card``, ``require``, ``licenses``, ``signature``.
    :param entry: its entry in the lock: ``card``, ``metrics``, ``license``, ``signature``.
    :param where: the path of ``wanted`` for messages, ``models.ocr``.
    """
    found = []
    present = (entry.get("card") or {}).get("present") is True
    if wanted.get("card") == "required" and not present:
        found.append((f"{where}.card", "a model card is required, and there is none (README.md or card_url)."))
    metrics = entry.get("metrics") or {}
    for name, text in (wanted.get("require") or {}).items():
        problem = _metric_problem(name, parse_requirement(text), metrics)
        if problem:
            found.append((f"{where}.require.{name}", problem))
    problem = _license_problem(wanted.get("licenses"), entry.get("license"))
    if problem:
        found.append((f"{where}.licenses", problem))
    state = (entry.get("signature") or {}).get("state")
    if (wanted.get("signature") or {}).get("required") and state != "verified":
        found.append(
            (f"{where}.signature", f"a verified signature is required, and its state is '{state or 'unchecked'}'.")
        )
    return found


def _metric_problem(name: str, requirement: Requirement, metrics: Mapping[str, Any]) -> str | None:
    values = [
        float(value)
        for key, given in metrics.items()
        if str(key).casefold() == name.casefold()
        for value in (given if isinstance(given, (list, tuple)) else [given])
    ]
    if not values:
        known = ", ".join(sorted(str(key) for key in metrics)) or "none"
        return f"expected {requirement}, but the model card has no such metric (it has: {known})."
    worst = requirement.worst(values)
    if requirement.met(worst):
        return None
    several = ", the worst of several values" if len(values) > 1 else ""
    return f"expected {requirement}, found {_written(worst)}{several}."


def _license_problem(allowed: Sequence[str] | None, found: str | None) -> str | None:
    if allowed is None:
        return None
    names = ", ".join(allowed) or "none"
    if not found:
        return f"expected one of {names}, but nothing says under which licence the model is."
    small = {item.lower() for item in allowed}
    refused = [item for item in found.split(AND) if item.lower() not in small]
    return f"expected one of {names}, found {', '.join(refused)}." if refused else None
