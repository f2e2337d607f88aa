# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model cards: the YAML block at the top of a README.md, as hubs define it (licence, metrics in ``model-index``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.gates import AND
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.lockfile import NOT_YAML

NAME = "README.md"
LIMIT = 4 * 1024 * 1024
"""Bytes. A card beyond it is not read."""
MOST = 100_000
"""Entries of the index that are looked at; with aliases a small card can name more than anybody can count."""
LONGEST = 1000
"""Characters of a text that are looked at."""
UNREADABLE = "unreadable"
"""Stands for a licence that is no text, so that no allow-list passes it."""
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


class _Loader(yaml.SafeLoader):
    """Never the faster C loader: lists in lists without end crash it."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse keys that say two things, and merges, which can multiply until nothing else fits into memory."""
        seen = set()
        for key, _value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "a merge key", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, "a key given twice", key.start_mark)
                seen.add(key.value)


def read_card(text: str) -> CardFacts:
    """The facts of a card; a card without any, or with a block that cannot be read, has none."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    block = _BLOCK.match(plain)
    if block is None:
        return CardFacts(license=None, metrics={})
    try:
        facts = yaml.load(block[1], Loader=_Loader)  # noqa: S506 - a safe loader
    except NOT_YAML as error:
        return CardFacts(license=None, metrics={}, problem=f"the block at its top {_why(error)}")
    if facts is None:
        return CardFacts(license=None, metrics={})
    if not isinstance(facts, Mapping):
        return CardFacts(license=None, metrics={}, problem="the block at its top has no keys and values")
    found: dict[str, list[float | int]] = {}
    unreadable = set()
    metrics = _metrics(facts.get("model-index"))
    for names, value in islice(metrics, MOST):
        number = _number(value)
        for name in names:
            if number is None:
                unreadable.add(name)
            else:
                found.setdefault(name, []).append(number)
    return CardFacts(
        license=_license(facts),
        metrics={name: _extremes(values) for name, values in sorted(found.items())},
        problem=f"its model-index has more than {MOST} entries" if next(metrics, None) else None,
        unreadable=tuple(sorted(unreadable)),
    )


def _why(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f" at line {mark.line + 2}" if mark else ""
    if isinstance(error, yaml.constructor.ConstructorError) and error.problem in ("a merge key", "a key given twice"):
        return f"has {error.problem}{place}"
    return f"is not YAML{place}"


def _extremes(values: list[float | int]) -> float | int | list[float | int]:
    """All that a bound can be compared with; some cards have a value for each of hundreds of data sets."""
    low, high = min(values), max(values)
    return low if low == high else [low, high]


def _license(facts: Mapping[Any, Any]) -> str | None:
    """``license: other`` with a ``license_name`` is recorded as ``other:<name>``."""
    given = facts.get("license")
    names = [one_line(item).lower() for item in (given if isinstance(given, list) else [given]) if item]
    own = facts.get("license_name")
    if own:
        names = [f"other:{one_line(own).lower()}" if name == "other" else name for name in names]
    return AND.join(sorted(set(names))) or None


def one_line(value: Any) -> str:
    """One line to show. Anything but text is not written out: with aliases that may take for ever."""
    if not isinstance(value, str):
        return UNREADABLE
    return " ".join("".join(mark if mark.isprintable() else " " for mark in value[:LONGEST]).split())[:100]


def _metrics(index: Any) -> Iterator[tuple[list[str], Any]]:
    """Names and value of every metric of every result; a metric is known by its name and by its type. Whatever is
    passed on the way counts as one without names.
    """
    for model in _each(index):
        yield [], None
        for result in _each(model.get("results")):
            yield [], None
            for metric in _each(result.get("metrics")):
                names = [one_line(item) for item in (metric.get("name"), metric.get("type")) if isinstance(item, str)]
                if len(names) == 2 and names[0].casefold() == names[1].casefold():
                    names = names[:1]
                yield [name for name in names if name], metric.get("value")


def _each(value: Any) -> Iterator[Mapping[Any, Any]]:
    for item in value if isinstance(value, list) else []:
        yield item if isinstance(item, Mapping) else {}


def _number(value: Any) -> float | int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -sys.float_info.max <= value <= sys.float_info.max else None
