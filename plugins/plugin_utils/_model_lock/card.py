# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model cards: the YAML block at the top of a README.md, as hubs define it (licence, metrics in ``model-index``)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.gates import AND

NAME = "README.md"
LIMIT = 4 * 1024 * 1024
"""Bytes. A card beyond it is not read."""
MOST = 100_000
"""Values of metrics that are looked at; with aliases a small card can name more than anybody can count."""
_BLOCK = re.compile(r"---[ \t]*\n(.*?)(?:^|\n)---[ \t]*(?:\n|$)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class CardFacts:
    """What a card says that can be judged.

    :param metrics: a number by the metric's name, or the least and the greatest where the card gives several.
    :param problem: why its block of facts could not be read, or ``None``.
    :param unreadable: names of metrics of which some value is no finite number.
    """

    license: str | None
    metrics: Mapping[str, float | int | list[float | int]]
    problem: str | None = None
    unreadable: tuple[str, ...] = ()


def read_card(text: str) -> CardFacts:
    """The facts of a card; a card without any, or with a block that cannot be read, has none."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    block = _BLOCK.match(plain)
    if block is None:
        return CardFacts(license=None, metrics={})
    try:
        facts = yaml.safe_load(block[1])  # never the faster C loader: lists in lists without end crash it
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 2}" if mark else ""
        return CardFacts(license=None, metrics={}, problem=f"the block at its top is not YAML{place}")
    if facts is None:
        return CardFacts(license=None, metrics={})
    if not isinstance(facts, Mapping):
        return CardFacts(license=None, metrics={}, problem="the block at its top has no keys and values")
    found: dict[str, list[float | int]] = {}
    unreadable = set()
    for names, value in islice(_metrics(facts.get("model-index")), MOST):
        number = _number(value)
        for name in names:
            if number is None:
                unreadable.add(name)
            else:
                found.setdefault(name, []).append(number)
    return CardFacts(
        license=_license(facts),
        metrics={name: _extremes(values) for name, values in sorted(found.items())},
        unreadable=tuple(sorted(unreadable)),
    )


def _extremes(values: list[float | int]) -> float | int | list[float | int]:
    """All that a bound can be compared with; some cards have a value for each of hundreds of data sets."""
    low, high = min(values), max(values)
    return low if low == high else [low, high]


def _license(facts: Mapping[Any, Any]) -> str | None:
    """``license: other`` with a ``license_name`` is recorded as ``other:<name>``."""
    given = facts.get("license")
    names = [str(item).strip().lower() for item in (given if isinstance(given, list) else [given]) if item]
    own = facts.get("license_name")
    if own:
        names = [f"other:{str(own).strip().lower()}" if name == "other" else name for name in names]
    return AND.join(_one_line(name) for name in sorted(set(names))) or None


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)[:100]


def _metrics(index: Any) -> Iterator[tuple[list[str], Any]]:
    """Names and value of every metric of every result; a metric is known by its name and by its type."""
    for model in _items(index):
        for result in _items(model.get("results")):
            for metric in _items(result.get("metrics")):
                names = [
                    _one_line(str(item).strip())
                    for item in (metric.get("name"), metric.get("type"))
                    if item is not None
                ]
                if len(names) == 2 and names[0].casefold() == names[1].casefold():
                    names = names[:1]
                yield [name for name in names if name], metric.get("value")


def _items(value: Any) -> list[Mapping[Any, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _number(value: Any) -> float | int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value
