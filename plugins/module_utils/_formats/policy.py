# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which formats of files a set of models may hold, and which digests are let through for a reason and until a day."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

FORMATS = (
    "safetensors",
    "gguf",
    "onnx",
    "tflite",
    "tensorrt",
    "npy",
    "json",
    "text",
    "tokenizer",
    "zip",
    "tar",
    "gzip",
)
INSPECTION = 1
"""To be raised whenever something else is refused than before, so that hosts look again at what they refused."""
EXEMPT = "exempt"
"""The name of the format of a file that was not looked at, because its digest is exempted."""
WAY_OUT = (
    "leave it out when nothing needs it (`exclude`), or, when you know it and need it as it is, exempt its digest with "
    "a reason and an expiry date (`exempt: [{checksum, reason, until}]` beside the model)"
)


@dataclass(frozen=True)
class Exemption:
    """Why one digest is let through whatever its format, and the last day on which it is."""

    reason: str
    until: datetime.date


@dataclass(frozen=True)
class Policy:
    """What a set may hold.

    :param allowed: names out of ``FORMATS``; ``None`` for all of them.
    :param exempt: by lower-case hex sha256.
    :param minimum_size: bytes a file must have at least; empty files are refused in any case.
    """

    allowed: frozenset[str] | None = None
    exempt: Mapping[str, Exemption] = field(default_factory=dict)
    minimum_size: int = 1

    def at_least(self, minimum_size: int | None) -> Policy:
        """The same, for a file that must have at least so many bytes; ``None`` leaves what is."""
        return self if minimum_size is None else replace(self, minimum_size=max(self.minimum_size, minimum_size))

    def allows(self, name: str) -> bool:
        """Is this format among the allowed?"""
        return self.allowed is None or name in self.allowed


def parse_policy(
    where: str,
    *,
    formats: Sequence[Any] | None,
    exempt: Sequence[Any] | None,
    minimum_size: int = 1,
) -> tuple[Policy, list[str]]:
    """The policy as an operator writes it, and every violation with its place; an expired exemption is none of them."""
    problems = [
        f"{where}.formats: {name!r} is not a format; expected some of {', '.join(FORMATS)}"
        for name in formats or ()
        if name not in FORMATS
    ]
    if formats is not None and not formats:
        problems.append(f"{where}.formats: is empty, so no file could be in the set; leave it out to allow all formats")
    exemptions: dict[str, Exemption] = {}
    for index, raw in enumerate(exempt or ()):
        found = _parse_exemption(f"{where}.exempt[{index}]", raw, problems)
        if found is not None:
            exemptions[found[0]] = found[1]
    allowed = None if formats is None else frozenset(str(name) for name in formats)
    return Policy(allowed=allowed, exempt=exemptions, minimum_size=max(1, minimum_size)), problems


def _parse_exemption(where: str, raw: Any, problems: list[str]) -> tuple[str, Exemption] | None:
    before = len(problems)
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: expected a dictionary with checksum, reason and until, found {raw!r}")
        return None
    unknown = sorted(str(key) for key in set(raw) - {"checksum", "reason", "until"})
    problems += [f"{where}.{key}: is not known; expected checksum, reason and until" for key in unknown]
    sha256, until = "", datetime.date.min
    try:
        sha256 = parse_checksum(str(raw.get("checksum") or ""))
    except ValueError as error:
        problems.append(f"{where}.checksum: {error}")
    reason = raw.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        problems.append(f"{where}.reason: is missing; say why this digest is let through")
    try:
        until = parse_date(raw.get("until"))
    except ValueError as error:
        problems.append(f"{where}.until: {error}")
    return (sha256, Exemption(str(reason).strip(), until)) if len(problems) == before else None


def parse_date(value: Any) -> datetime.date:
    """A day written as ``2027-01-31``, or what YAML made of it.

    :raises ValueError: anything else.
    """
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    text = str(value or "").strip()
    try:
        if len(text) != len("2027-01-31"):  # newer Pythons read 20270131 and 2027-W04-7, too
            raise ValueError
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected a day such as 2027-01-31, found {text!r}") from None


def check(policy: Policy, sha256: str, today: datetime.date, *, name: str = "") -> Exemption | None:
    """The exemption under which a digest passes today; ``None`` where it has none and its format must be looked at.

    :raises DrydockError: kind ``format_refused``: it had one that has expired.
    """
    found = policy.exempt.get(sha256)
    if found is None or today <= found.until:
        return found
    raise DrydockError(
        "format_refused",
        f"{name or 'sha256:' + sha256}: its digest sha256:{sha256} was exempted from the format policy until "
        f"{found.until.isoformat()} ({found.reason}), and that day is over. Next step: replace the file by one of an "
        "allowed format, or decide again and write a later date into `until`.",
        file=name or None,
        found="expired exemption",
        checksum=f"sha256:{sha256}",
        until=found.until.isoformat(),
    )
