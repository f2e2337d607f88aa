# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few parts of RFC 6455 that both ends of this need: frames that are not split, and the key's answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
NORMAL, GOING_AWAY = 1000, 1001
LIMIT = 64 * 1024
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(key: str) -> str:
    """What ``Sec-WebSocket-Accept`` must be for a key."""
    digest = hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def frame(kind: int, payload: bytes, *, masked: bool) -> bytes:
    """One whole frame; clients mask, servers do not."""
    size = len(payload)
    flag = 0x80 if masked else 0
    if size < 126:
        head = bytes([0x80 | kind, flag | size])
    elif size < 65536:
        head = bytes([0x80 | kind, flag | 126]) + struct.pack(">H", size)
    else:
        raise ValueError(f"a frame of {size} bytes; at most 65535")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + _masked(payload, mask)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The kind and payload of the next frame.

    :raises ValueError: a split or a long one, which neither end sends.
    :raises asyncio.IncompleteReadError: the connection ended.
    """
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
    if size > LIMIT or not first & 0x80:
        raise ValueError(f"a frame of {size} bytes that begins with {first:#x}")
    mask = await reader.readexactly(4) if second & 0x80 else b""
    payload = await reader.readexactly(size)
    return first & 0x0F, _masked(payload, mask) if mask else payload


def closing(code: int) -> bytes:
    """The payload of a close frame."""
    return struct.pack(">H", code)


def close_code(payload: bytes) -> int:
    """The code in a close frame; 1005 stands for none, as in the standard."""
    return int(struct.unpack(">H", payload[:2])[0]) if len(payload) >= 2 else 1005


def _masked(payload: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
