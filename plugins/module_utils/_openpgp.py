# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of OpenPGP public keys, without gpg: a minimal Debian 13 has no gpg, and apt does not need one.

Only what RFC 9580 sections 4.2 (packet headers), 5.5.4 (fingerprints) and 6.2 (ASCII armor) say; nothing is verified
here beyond which keys a file holds. Signatures stay apt's business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

PUBLIC_KEY_TAG = 6
FINGERPRINT = re.compile(r"^(?:[0-9A-F]{40}|[0-9A-F]{64})$")
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(?P<body>.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)


def normalize_fingerprint(text: str) -> str:
    """Forty (version 4) or sixty-four (version 6) upper-case hexadecimal digits; spaces are allowed in the input."""
    fingerprint = re.sub(r"\s", "", text).upper()
    if not FINGERPRINT.match(fingerprint):
        raise DrydockError(
            "invalid_fingerprint",
            f"'{text}' is not a fingerprint: expected 40 or 64 hexadecimal digits, spaces allowed. A short key id is "
            "not enough, it can be forged; take the whole fingerprint from the vendor's documentation.",
        )
    return fingerprint


def _bad(reason: str) -> DrydockError:
    return DrydockError(
        "invalid_key",
        f"The file is not an OpenPGP public key: {reason}. The address may lead to an error page or a cut download.",
    )


def dearmor(data: bytes) -> bytes:
    """The binary packets of an armored or already binary key file."""
    blocks = [match.group("body") for match in _ARMOR.finditer(data.replace(b"\r\n", b"\n"))]
    if not blocks:
        if not data or not data[0] & 0x80:
            raise _bad("neither an armored block nor a packet")
        return data
    packets = b""
    for block in blocks:
        lines = block.split(b"\n")
        start = lines.index(b"") + 1 if b"" in lines[:-1] else 0
        text = b"".join(line.strip() for line in lines[start:] if not line.startswith(b"="))
        try:
            packets += base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise _bad(str(error)) from None
    return packets


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet. Partial lengths are only for data packets and refused here."""
    at = 0
    while at < len(data):
        header = data[at]
        at += 1
        try:
            if not header & 0x80:
                raise _bad("a packet header is missing")
            if header & 0x40:
                tag = header & 0x3F
                first = data[at]
                size, width = (0, 1) if first < 192 else (0, 2) if first < 224 else (0, 5)
                if width == 1:
                    size = first
                elif width == 2:
                    size = ((first - 192) << 8) + data[at + 1] + 192
                elif first == 255:
                    size = int.from_bytes(data[at + 1 : at + 5], "big")
                else:
                    raise _bad("a packet has a partial length")
            else:
                tag = (header >> 2) & 0x0F
                width = {0: 1, 1: 2, 2: 4}.get(header & 0x03, 0)
                if not width:
                    raise _bad("a packet has no length")
                size = int.from_bytes(data[at : at + width], "big")
        except IndexError:
            raise _bad("it ends in the middle of a packet") from None
        at += width
        if at + size > len(data):
            raise _bad("it ends in the middle of a packet")
        yield tag, data[at : at + size]
        at += size


def fingerprints(data: bytes) -> list[str]:
    """The fingerprints of the primary keys in a key file, in the order of the file."""
    found = []
    for tag, body in packets(dearmor(data)):
        if tag != PUBLIC_KEY_TAG or not body:
            continue
        if body[0] == 4:
            prefix = b"\x99" + len(body).to_bytes(2, "big")
            found.append(hashlib.sha1(prefix + body, usedforsecurity=False).hexdigest().upper())
        elif body[0] == 6:
            prefix = b"\x9b" + len(body).to_bytes(4, "big")
            found.append(hashlib.sha256(prefix + body).hexdigest().upper())
        else:
            raise _bad(f"key version {body[0]} is not supported")
    if not found:
        raise _bad("it holds no public key")
    return found


def require_fingerprint(data: bytes, expected: str, origin: str) -> None:
    """Raise unless the file holds the expected primary key and no other."""
    found = fingerprints(data)
    if set(found) != {expected}:
        raise DrydockError(
            "wrong_key",
            f"The key from {origin} is not the expected one: expected {expected}, found {', '.join(found)}. Nothing "
            "was installed. Either the vendor changed the key (compare with their documentation over another "
            "channel) or someone stands between; do not just copy the new fingerprint.",
            expected=expected,
            found=found,
        )
