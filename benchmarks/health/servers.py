# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that take their time: each connection is answered after a pause of its own, the longest as long as is asked.

``servers.py 3.0 <folder>`` prints the ports as one line of JSON and serves until its input ends. In the folder it
leaves the certificate of the encrypted one.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
import struct
import sys
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._health import grpc
from ansible_collections.drydock.serving.plugins.module_utils._health.hpack import encode
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

STEPS = 50  # different pauses; the connections go through them in turn
READY = b'{"status": "ready"}'
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(READY), READY)
GRPC = b"".join(
    (
        grpc.frame(grpc.SETTINGS, 0, 0),
        grpc.frame(grpc.HEADERS, grpc.END_HEADERS, 1, encode([(":status", "200")])),
        grpc.frame(grpc.DATA, 0, 1, struct.pack("!BI", 0, 2) + b"\x08\x01"),
        grpc.frame(grpc.HEADERS, grpc.END_HEADERS | grpc.END_STREAM, 1, encode([("grpc-status", "0")])),
    )
)
ANSWERS = {
    "http": HTTP,
    "https": HTTP,
    "grpc": GRPC,
    "redis": b"+PONG\r\n",
    "postgres": b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
}


class Late:
    """Answers every connection with the same, later or sooner."""

    def __init__(self, answer: bytes, slowest: float) -> None:
        self._answer, self._slowest, self._number = answer, slowest, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        pause = self._slowest * (self._number % STEPS + 1) / STEPS
        try:
            await reader.read(65536)
            await asyncio.sleep(pause)
            writer.write(self._answer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return  # the client, or the benchmark, has gone
        finally:
            writer.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """For localhost, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    place, plain = folder / "localhost.pem", serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    place.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    return context


async def main() -> None:
    """Serve."""
    slowest, folder = float(sys.argv[1]), Path(sys.argv[2])
    ports = {}
    for kind, answer in ANSWERS.items():
        server = await asyncio.start_server(
            Late(answer, slowest).serve,
            "127.0.0.1",
            0,
            backlog=1024,
            ssl=certificate(folder) if kind == "https" else None,
        )
        ports[kind] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
