# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what is told and kept of a release."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"
SHORTEST = 4
_PATTERNS = (
    re.compile(r"(?P<keep>://[^/\s:@]*:)[^@\s/]+(?=@)"),
    re.compile(r"(?i)(?P<keep>\bbearer\s+)\S+"),
    re.compile(
        r"(?i)(?P<keep>(?:password|passwd|passphrase|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
    ),
)


class Redactor:
    """Takes known secret values, and what looks like a secret, out of texts."""

    def __init__(self, values: Iterable[str]) -> None:
        pieces = {piece for value in values for piece in (value, *value.splitlines(), json.dumps(value)[1:-1])}
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
