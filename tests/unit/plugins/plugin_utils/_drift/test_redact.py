# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken out of text that is kept, and what is left in."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.redact import redact


@pytest.mark.parametrize(
    "text",
    [
        "+POSTGRES_PASSWORD=c4n4ry",
        "-  password: c4n4ry",
        '  "api_key": "c4n4ry",',
        "db_url = postgres://ocr:c4n4ry@postgres/ocr",
        "Authorization: Bearer c4n4ryc4n4ry",
        "+requirepass-secret=c4n4ry # comment",
        "token = c4n4ry",
        "-----BEGIN RSA PRIVATE KEY-----\nc4n4ry\n-----END RSA PRIVATE KEY-----",
        "+-----BEGIN PRIVATE KEY-----\n+c4n4ry",
        "+  password: |\n+    c4n4ry\n+    c4n4ry",
        "secret_note: >-\n  c4n4ry\n",
        "+Authorization: Token c4n4ry",
        "+url = https://c4n4ry@git.example.org/team/models",
        "aws_secret_access_key = c4n4ry",
    ],
)
def test_a_value_that_sounds_secret_is_hidden(text: str) -> None:
    assert "c4n4ry" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "+PermitRootLogin no",
        "-PasswordAuthentication yes",
        "ssl_certificate_key /etc/drydock/edge/tls.key;",
        "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password",
        "listen 443 ssl",
        "monkey: banana",
        "secrets:",
        "https://ocr.example.org/health",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_only_the_value_is_hidden() -> None:
    assert redact("a: 1\n+db_password: x\nb: 2") == "a: 1\n+db_password: [hidden]\nb: 2"
