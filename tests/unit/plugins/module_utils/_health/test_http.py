# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an HTTP answer means, and what is never told of a request."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.http import (
    BODY_LIMIT,
    judge,
    probe_http,
    without_credentials,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec


@pytest.mark.parametrize("value", ["Bearer canary-value\n", " canary-value", "canary-value-\u2603"])
def test_a_header_that_cannot_be_sent_is_told_without_its_value(value: str) -> None:
    seen = probe_http(HttpSpec(url="http://127.0.0.1:1/", headers={"Authorization": value}), 1.0)
    assert not seen.ok
    assert "canary" not in str(seen.as_dict())


@pytest.mark.parametrize(
    ("spec", "elapsed", "days", "words"),
    [
        (HttpSpec(url="x"), 9.0, None, "HTTP 200"),
        (HttpSpec(url="x", max_latency=1.0), 0.9, None, "HTTP 200"),
        (HttpSpec(url="x", max_latency=1.0), 1.25, None, "answered after 1.250 s, at most 1 s are wanted"),
        (HttpSpec(url="x", certificate_days=14), 0.1, 14, "HTTP 200"),
        (HttpSpec(url="x", certificate_days=14), 0.1, 13, "the certificate is good for 13 more days, at least 14 are"),
    ],
)
def test_a_right_answer_may_come_too_late_or_with_an_old_certificate(
    spec: HttpSpec, elapsed: float, days: int | None, words: str
) -> None:
    seen = judge(spec, status=200, body=b"fine", elapsed=elapsed, certificate_days=days)
    assert seen.summary.startswith(words)
    assert seen.ok == (words == "HTTP 200")
    assert seen.facts.get("certificate_days") == days


def test_a_body_that_echoes_what_was_sent_is_told_without_it() -> None:
    spec = HttpSpec(
        url="x",
        headers={"Authorization": "Bearer canary-one", "X-Key": "canary-two", "Content-Type": "text/plain"},
        json={"a": 1},
    )
    body = b'{"a": "canary-two", "sent": {"auth": "Bearer canary-one", "token": "canary-one", "as": "text/plain"}}'
    seen = judge(spec, status=200, body=body, elapsed=0.1)
    assert "canary" not in str(seen.as_dict())
    assert "text/plain" in seen.summary


def test_a_secret_at_the_edge_of_the_excerpt_is_not_told_in_part() -> None:
    spec = HttpSpec(url="x", headers={"X-Key": "canary-" + "k" * 40})
    seen = judge(spec, status=500, body=b"x" * 280 + b"canary-" + b"k" * 40, elapsed=0.1)
    assert "canary" not in seen.summary


def test_of_a_body_without_end_the_beginning_is_judged() -> None:
    large = b"first" + b"x" * BODY_LIMIT + b"last"
    assert judge(HttpSpec(url="x", contains=("first",)), status=200, body=large, elapsed=1).ok
    seen = judge(HttpSpec(url="x", contains=("last",)), status=200, body=large, elapsed=1)
    assert "only the first 1048576 bytes of the body were read" in seen.summary


def test_a_body_that_did_not_end_is_not_judged_though_its_status_is_right() -> None:
    seen = judge(HttpSpec(url="x"), status=200, body=None, elapsed=5.0)
    assert (seen.ok, seen.summary) == (False, "HTTP 200, but the body was not complete after 5.0 s")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:canary@h:1/x", "http://h:1/x"),
        ("https://h/x?token=canary", "https://h/x?…"),
        ("https://h/x#canary", "https://h/x"),
        ("https://[::1]:1/x", "https://[::1]:1/x"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_key(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
