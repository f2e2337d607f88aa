# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a signature is checked against, as one digest: the lock notes it, and preflight sees that it is still the same.

Needs none of the libraries that check signatures.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SETTING = {"key": "public_key", "certificate": "certificate_chain"}
"""Where the settings name the files, by method."""
_BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)


def fingerprint(settings: Mapping[str, Any], base: Path) -> str:
    """``sha256:…`` of the method and of what is in the files.

    Only what is inside PEM counts: comments, line ends and the file's name may change. Authorities count in no order;
    of several keys in a file the first is believed, so there the order counts.

    :param settings: ``method``, and ``public_key`` or ``certificate_chain`` as paths.
    :param base: where relative paths start.
    :raises DrydockError: ``invalid_input``: a file cannot be read.
    """
    method = str(settings.get("method"))
    given = settings.get(SETTING.get(method, "")) or []
    blocks: list[bytes] = []
    for item in [given] if isinstance(given, str) else given:
        content = read(base / str(item), f"signature.{SETTING[method]}")
        blocks += [b"".join(block.split()) for block in _BLOCK.findall(content) or [content]]
    whole = b"\n".join([method.encode(), *(blocks if method == "key" else sorted(set(blocks)))])
    return f"sha256:{hashlib.sha256(whole).hexdigest()}"


def read(path: Path, setting: str) -> bytes:
    """The content of a key or certificate.

    :param setting: where it is named, for the message.
    :raises DrydockError: ``invalid_input``.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # the second: a name with a zero byte
        why = getattr(error, "strerror", None) or error
        raise DrydockError("invalid_input", f"{setting}: {path} cannot be read on the controller: {why}.") from None
