# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the certificate that the edge shows ends."""

from __future__ import annotations

import importlib
import re
import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner

NGINX = Path("/etc/nginx/drydock/tls.conf")
_NAMED = re.compile(r"^\s*ssl_certificate\s+(?P<path>[^;\s]+)\s*;", re.MULTILINE)


def configured(nginx: Path = NGINX) -> Path | None:
    """The certificate that nginx is told to show; None where there is no edge.

    :raises OSError: the file is there and cannot be read.
    """
    try:
        found = _NAMED.search(nginx.read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Path(found.group("path").strip("\"'")) if found else None


def read_certificate(path: Path, runner: Runner, *, now: datetime) -> dict[str, Any]:
    """``{path, expires, days}`` of the first certificate in a file. ``days`` are whole ones, negative when it is over.

    :raises DrydockError: ``certificate_unreadable``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    ends = _by_library(content, path)
    if ends is None:
        ends = _by_openssl(path, runner)
    return {"path": str(path), "expires": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "days": (ends - now).days}


def _by_library(content: bytes, path: Path) -> datetime | None:
    """None where the host's Python has no ``cryptography``."""
    try:
        x509 = importlib.import_module("cryptography.x509")
    except ImportError:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise _unreadable(path, "it holds no certificate in PEM") from error
    # cryptography 42 brought not_valid_after_utc; Debian 12 has 38
    ends: datetime = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after
    return ends if ends.tzinfo else ends.replace(tzinfo=timezone.utc)


def _by_openssl(path: Path, runner: Runner) -> datetime:
    done = runner.run(["openssl", "x509", "-noout", "-enddate", "-in", str(path)], timeout=10.0)
    if not done.ok:
        raise _unreadable(path, f"openssl said: {done.tail(1)}")
    try:
        seconds = ssl.cert_time_to_seconds(done.out.strip().partition("=")[2])
    except ValueError as error:
        raise _unreadable(path, f"openssl said: {done.tail(1)}") from error
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def _unreadable(path: Path, why: str) -> DrydockError:
    return DrydockError(
        "certificate_unreadable",
        f"The certificate that the edge shows, {path}, cannot be read: {why}. Bring it back with the tag `edge`.",
        path=str(path),
    )
