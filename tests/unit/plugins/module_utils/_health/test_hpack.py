# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/2's headers: the examples of RFC 7541, and what is no block of headers."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.hpack import (
    STATIC,
    Decoder,
    HpackError,
    _codes,
    encode,
    huffman,
)

# RFC 7541, appendix C.6: three answers on one connection that fill, use and shrink the table
ANSWERS = (
    (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        [
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ],
    ),
    (
        "4883640effc1c0bf",
        [
            (":status", "307"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ],
    ),
)


def test_the_examples_of_the_standard_are_read() -> None:
    decoder = Decoder()
    for block, headers in ANSWERS:
        assert decoder.decode(bytes.fromhex(block)) == headers


@pytest.mark.parametrize(
    ("coded", "text"),
    [("f1e3c2e5f23a6ba0ab90f4ff", b"www.example.com"), ("a8eb10649cbf", b"no-cache"), ("6402", b"302"), ("", b"")],
)
def test_huffman_s_code_is_read(coded: str, text: bytes) -> None:
    assert huffman(bytes.fromhex(coded)) == text


def test_the_code_is_whole_and_has_a_letter_for_every_byte() -> None:
    codes = _codes()
    assert sorted(codes.values()) == list(range(257))
    assert sum(2**-length for length, _code in codes) == 1
    # spot checks against appendix B: "0", "a", ":", 0xff and the end
    assert [codes[5, 0x0], codes[5, 0x3], codes[7, 0x5C], codes[26, 0x3FFFFEE], codes[30, 0x3FFFFFFF]] == [
        *(ord("0"), ord("a"), ord(":")),
        255,
        256,
    ]


def test_the_static_table_is_the_standard_s() -> None:
    assert len(STATIC) == 61
    assert [STATIC[index - 1] for index in (8, 14, 31, 58, 61)] == [
        (":status", "200"),
        (":status", "500"),
        ("content-type", ""),
        ("user-agent", ""),
        ("www-authenticate", ""),
    ]


@pytest.mark.parametrize("size", [0, 126, 127, 128, 254, 255, 1000, 20000])
def test_what_is_written_is_read_again(size: int) -> None:
    headers = [(":path", "/x"), ("x-long", "v" * size), ("te", "trailers")]
    assert Decoder().decode(encode(headers)) == headers


@pytest.mark.parametrize(
    "block",
    [
        "80",  # the header 0
        "be",  # a header of the table, which is empty
        "0005",  # a name that does not come
        "007f",  # a size that does not come
        "3fe2ff01",  # a table larger than was allowed
        "ffffffffffffff7f",  # a number without end
        "0081ffff",  # a letter that does not end
        "0084fffffffc00",  # the end of a string within it
    ],
)
def test_what_is_no_block_of_headers_is_refused(block: str) -> None:
    with pytest.raises(HpackError):
        Decoder().decode(bytes.fromhex(block))


def test_the_table_forgets_its_oldest_headers() -> None:
    decoder = Decoder()
    for number in range(200):
        decoder.decode(b"\x40\x01a\x04" + f"{number:04}".encode())
    newest = 62 + 4096 // (32 + 5) - 1
    assert decoder.decode(bytes([0xFF, newest - 127])) == [("a", "0090")]
    with pytest.raises(HpackError):
        decoder.decode(bytes([0xFF, newest + 1 - 127]))
