# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small OCI registry and its token service, over real TLS, that remember every request."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TITLE = "org.opencontainers.image.title"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Service:
    """One TLS server on the loopback; subclasses answer."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._do()

            def do_HEAD(self) -> None:
                self._do()

            def _do(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.asked.append((self.command, self.path, headers))
                status, given, body = service.answer(self.path, headers)
                self.send_response(status)
                for name, value in given.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.name = f"127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError

    def saw(self, canary: str) -> bool:
        return canary in str(self.asked)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class Tokens(Service):
    """Gives a token to ``user:password``, and one that is good for public repositories to anybody."""

    login = "ann:c4n4ry-password"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        scopes = parse_qs(urlsplit(path).query).get("scope", [])
        given = headers.get("authorization", "")
        if given and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            return 401, {}, b"{}"
        allowed = [scope.split(":")[1] for scope in scopes if given or scope.startswith("repository:public")]
        return 200, {"Content-Type": "application/json"}, json.dumps({"token": "+".join(["ok", *allowed])}).encode()


class Registry(Service):
    """Repositories by name; ``realm`` is where it sends those who have no token."""

    def __init__(self, folder: Path, realm: str) -> None:
        super().__init__(folder)
        self.realm = realm
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}

    def push(self, repository: str, files: dict[str, bytes], *, tag: str = "4.0", **more: Any) -> str:
        """An artefact as ORAS makes it; its digest."""
        layers = []
        for path, content in files.items():
            digest = digest_of(content)
            self.blobs[digest] = content
            annotations = {"annotations": {TITLE: path}} if path else {}
            layers.append(
                {"mediaType": "application/octet-stream", "digest": digest, "size": len(content), **annotations}
            )
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": layers, **more}
        return self.put(repository, manifest, tag=tag)

    def put(self, repository: str, manifest: dict[str, Any], *, tag: str = "4.0") -> str:
        body = json.dumps(manifest).encode()
        for reference in (tag, digest_of(body)):
            self.manifests[f"/v2/{repository}/manifests/{reference}"] = (manifest.get("mediaType", MANIFEST), body)
        return digest_of(body)

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        repository = path.removeprefix("/v2/").rsplit("/", 2)[0]
        allowed = headers.get("authorization", "").removeprefix("Bearer ok").split("+")
        if repository not in allowed:
            challenge = f'Bearer realm="{self.realm}",service="test",scope="repository:{repository}:pull"'
            return 401, {"WWW-Authenticate": challenge}, b"{}"
        if path in self.manifests:
            media_type, body = self.manifests[path]
            return 200, {"Content-Type": media_type}, body
        blob = self.blobs.get(path.rpartition("/")[2])
        if blob is None:
            return 404, {}, b"{}"
        if "range" in headers:
            start = int(headers["range"].removeprefix("bytes=").partition("-")[0])
            return 206, {"Content-Range": f"bytes {start}-{len(blob) - 1}/{len(blob)}"}, blob[start:]
        return 200, {}, blob


def make_certificate(folder: Path) -> Path:
    """``server.crt`` and ``server.key`` for the loopback; the certificate is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(pem)
    place = folder / "server.crt"
    place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return place
