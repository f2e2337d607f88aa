# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes what looks like a secret out of text that is going to be kept."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_KEY = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)"
    r"[\w.-]*"
)
_ASSIGNED = re.compile(rf"(?im)^([ +-]?.*?(?<![\w.-]){_KEY}[\"']?\s*[=:]\s*)(?!\s*$)(.+)$")
# a YAML block below its key, in a diff or not
_BLOCK = re.compile(
    rf"(?im)^([ +-]?)([ \t]*)([\"']?{_KEY}[\"']?[ \t]*:)[ \t]*[|>][+-]?[ \t]*\n(?:[ +-]?\2[ \t]+\S.*(?:\n|\Z))+"
)
_IN_URL = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(@)")
_TOKEN_IN_URL = re.compile(r"(?i)(https?://)[^/\s:@]+(@)")
_BEARER = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
# the value is the name of a place, not the secret itself
_PLACE = re.compile(r"""^["']?/[\w./-]+["']?,?$""")


def redact(text: str) -> str:
    """The text without values of keys that sound secret, passwords in addresses, tokens in headers and private keys."""

    def assigned(found: re.Match[str]) -> str:
        return found.group(0) if _PLACE.match(found.group(2).strip()) else f"{found.group(1)}{HIDDEN}"

    text = _PEM.sub(rf"-----BEGIN \1-----\n{HIDDEN}", text)
    text = _IN_URL.sub(rf"\1{HIDDEN}\2", text)
    text = _BLOCK.sub(rf"\1\2\3 {HIDDEN}\n", text)
    text = _TOKEN_IN_URL.sub(rf"\1{HIDDEN}\2", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _ASSIGNED.sub(assigned, text)
