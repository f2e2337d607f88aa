# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a peer may ask, and what is refused before anything is looked at."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._seed.request import (
    BLOB,
    INDEX,
    BadRequestError,
    Request,
    head_of,
    parse_head,
    parse_range,
)
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "a1" * 32


def head(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1")


def test_a_request_of_a_peer_is_read() -> None:
    request = parse_head(
        head(f"GET /blobs/{DIGEST} HTTP/1.1", "Host: 192.0.2.1:18480", "AUTHORIZATION: Bearer abc", "Connection: close")
    )
    assert (request.method, request.target, request.token, request.closes) == ("GET", f"/blobs/{DIGEST}", b"abc", True)


# Heads that could be understood in two ways, carry a body, or are no HTTP/1.1.
REFUSED = {
    "no request line": head(""),
    "another protocol": head("GET / HTTP/2.0"),
    "the old protocol": head("GET /"),
    "an absolute target": head("GET http://192.0.2.1/ HTTP/1.1"),
    "a space in the target": head("GET /a b HTTP/1.1"),
    "a control character": head("GET /a\tb HTTP/1.1"),
    "a bare line feed": head("GET / HTTP/1.1\nA: b"),
    "a body": head("GET / HTTP/1.1", "Content-Length: 5"),
    "a negative length": head("GET / HTTP/1.1", "Content-Length: -1"),
    "chunks": head("GET / HTTP/1.1", "Transfer-Encoding: chunked"),
    "a header twice": head("GET / HTTP/1.1", "Authorization: Bearer a", "authorization: Bearer b"),
    "a folded header": head("GET / HTTP/1.1", "A: b", " c"),
    "a space before the colon": head("GET / HTTP/1.1", "A : b"),
    "no colon": head("GET / HTTP/1.1", "A"),
    "another character set": "GET / HTTP/1.1\r\nA: ü".encode(),
    "a null byte": head("GET / HTTP/1.1", "A: b\0"),
    "too many headers": head("GET / HTTP/1.1", *(f"A{number}: b" for number in range(33))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_head_that_no_peer_sends_is_refused(case: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_head(REFUSED[case])
    assert refused.value.status == 400


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fall(data: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        parse_head(data)


# What is not the address of a blob.
NOT_BLOBS = [
    "/blobs/",
    "/blobs/../../../etc/shadow",
    f"/blobs/{DIGEST}/",
    f"/blobs/{DIGEST}?a=b",
    f"/blobs/{DIGEST.upper()}",
    f"/blobs/{DIGEST[:-1]}",
    f"/blobs/{DIGEST}0",
    f"/blobs//{DIGEST}",
    f"//blobs/{DIGEST}",
    f"/blobs/%2e%2e/{DIGEST}",
    "/index",
    "/index?instance=0&since=0",
    "/index?instance=0000000000000000&since=-1",
    "/index?instance=0000000000000000&since=0&place&more",
]


@pytest.mark.parametrize("target", NOT_BLOBS)
def test_only_a_digest_names_a_blob_and_only_one_form_the_index(target: str) -> None:
    assert BLOB.fullmatch(target) is None
    assert INDEX.fullmatch(target) is None


# A Range header, the If-Range beside it, and what is sent of 100 bytes.
RANGES = {
    "none": ("", None, None),
    "from the middle": ("bytes=10-", None, (10, 100)),
    "a stretch": ("bytes=10-19", None, (10, 20)),
    "behind the end": ("bytes=90-900", None, (90, 100)),
    "one byte": ("bytes=99-99", None, (99, 100)),
    "several": ("bytes=0-1,5-6", None, None),
    "the last ones": ("bytes=-5", None, None),
    "backwards": ("bytes=20-10", None, None),
    "another unit": ("pages=1-2", None, None),
    "the same file": ("bytes=10-", '"e"', (10, 100)),
    "another file": ("bytes=10-", '"other"', None),
}


@pytest.mark.parametrize("case", RANGES)
def test_one_range_is_honoured_and_everything_else_gets_the_whole(case: str) -> None:
    text, condition, expected = RANGES[case]
    headers = {"range": text, **({"if-range": condition} if condition else {})}
    assert parse_range(Request("GET", "/", headers), size=100, etag='"e"') == expected


def test_a_range_behind_the_end_is_told_so() -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_range(Request("GET", "/", {"range": "bytes=100-"}), size=100, etag='"e"')
    assert refused.value.status == 416


@pytest.mark.parametrize("value", ["", "Basic abc", "bearer abc", "Bearer"])
def test_what_is_not_a_bearer_token_is_none(value: str) -> None:
    assert Request("GET", "/", {"authorization": value}).token == b""


def test_an_answer_has_status_headers_and_an_empty_line() -> None:
    assert head_of(206, "Partial Content", {"Content-Length": 5}) == (
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\n"
    )
