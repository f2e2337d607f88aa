# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what is told and kept of a release."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 4
_PATTERNS = (
    re.compile(r"(?P<keep>://[^/\s:@]*:)[^@\s/]+(?=@)"),
    re.compile(r"(?i)(?P<keep>\bbearer\s+)\S+"),
    re.compile(
        r"(?i)(?P<keep>(?:password|passwd|passphrase|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
    ),
)


def _forms(value: str) -> Iterator[str]:
    """How a value may stand in a text: as it is, each of its lines, in JSON, in a URL, in base64."""
    yield value
    yield from value.splitlines()
    yield json.dumps(value)[1:-1]
    for quoted in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    for before in range(3):  # bytes of something else in the first group of three, as the name before a password
        raw = b"\0" * before + value.encode("utf-8", "replace")
        own = slice((before * 8 + 5) // 6, len(raw) * 8 // 6)  # letters that are made of nothing but the value
        yield base64.b64encode(raw).decode("ascii")[own]
        yield base64.urlsafe_b64encode(raw).decode("ascii")[own]


class Redactor:
    """Takes known secret values, and what looks like a secret, out of texts."""

    def __init__(self, values: Iterable[str]) -> None:
        pieces = {piece for value in values if len(value) >= SHORTEST for piece in _forms(value)}
        self._values = sorted((piece for piece in pieces if len(piece) >= SHORTEST), key=len, reverse=True)

    def known(self, text: str) -> str:
        """Without the values of the stack's secrets."""
        for value in self._values:
            text = text.replace(value, REDACTED)
        return text

    def text(self, text: str) -> str:
        """Without known values and without what looks like one; for logs."""
        text = self.known(text)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda match: match.group("keep") + REDACTED, text)
        return text

    def data(self, value: Any) -> Any:
        """JSON data with every text in it redacted. By text: inside JSON a value may also be syntax (1000, null)."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(key): self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    def inspection(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """An inspection without the values of environment variables."""
        copy: dict[str, Any] = self.data(raw)
        config = copy.get("Config") or {}
        config["Env"] = [f"{entry.partition('=')[0]}={REDACTED}" for entry in config.get("Env") or []]
        return copy
