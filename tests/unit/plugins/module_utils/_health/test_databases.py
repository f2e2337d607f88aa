# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and Redis by their first words."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health import postgres, redis


def refusal(code: str, text: str) -> bytes:
    return f"SFATAL\0VFATAL\0C{code}\0M{text}\0Fpostmaster.c\0\0".encode()


@pytest.mark.parametrize(
    ("kind", "body", "ok", "words"),
    [
        (b"R", b"\0\0\0\x0a", True, "up, asks who logs in"),
        (b"E", refusal("57P03", "the database system is starting up"), False, "not ready: the database system is sta"),
        (b"E", refusal("57P03", "the database system is shutting down"), False, "not ready: the database system is s"),
        (b"E", refusal("28000", "no pg_hba.conf entry for host"), True, "up, does not let this client in"),
        (b"E", refusal("28P01", "password authentication failed"), True, "up, does not let this client in"),
        (b"E", refusal("53300", "sorry, too many clients already"), False, "refuses (53300): sorry, too many"),
        (b"E", refusal("3D000", 'database "x" does not exist'), False, 'refuses (3D000): database "x" does not exist'),
        (b"E", b"", False, "refuses (): "),
    ],
)
def test_a_first_word_of_postgresql_is_judged(kind: bytes, body: bytes, ok: bool, words: str) -> None:
    seen = postgres.judge(kind, body)
    assert seen.ok == ok
    assert seen.summary.startswith(words)


def test_a_client_says_who_it_is_in_the_form_of_the_protocol() -> None:
    sent = postgres.startup("ocr", "db")
    assert int.from_bytes(sent[:4], "big") == len(sent)
    assert sent[4:8] == bytes([0, 3, 0, 0])
    assert sent[8:] == b"user\0ocr\0database\0db\0application_name\0health_poll\0\0"


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (b"+PONG", True, "up"),
        (b"-NOAUTH Authentication required.", True, "up, asks for a password"),
        (b"-NOPERM this user has no permissions", True, "up, does not let this client ask"),
        (b"-LOADING Redis is loading the dataset in memory", False, "loading its data from disk (LOADING Redis is"),
        (b"-MASTERDOWN Link with MASTER is down", False, "a replica without its master"),
        (b"-BUSY Redis is busy running a script", False, "busy with a script"),
        (b"-DENIED Redis is running in protected mode", False, "refuses (DENIED Redis is running in protected mode)"),
        (b"HTTP/1.1 400 Bad Request", False, "what answers is not Redis: HTTP/1.1 400 Bad Request"),
        (b"", False, "what answers is not Redis: (an empty line)"),
        (b"+OK", False, "what answers is not Redis: +OK"),
    ],
)
def test_a_first_line_of_redis_is_judged(answer: bytes, ok: bool, words: str) -> None:
    seen = redis.judge(answer)
    assert seen.ok == ok
    assert seen.summary.startswith(words)
