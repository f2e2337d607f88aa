# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models signed by the real library, with keys and certificates made for the test."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.signature import verify
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, HashedFile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

model_signing = pytest.importorskip("model_signing.signing", reason="an optional extra of the controller")
hashing = pytest.importorskip("model_signing.hashing", reason="an optional extra of the controller")

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
CONTENT = {"det.onnx": b"det" * 1000, "config.json": b"{}", "deep/er/rec.onnx": b"rec" * 5000, "README.md": b"# card"}


class Signer:
    """A folder with a model, keys and certificates, and what is needed to sign and to check."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = root / "model"
        for path, content in CONTENT.items():
            (self.model / path).parent.mkdir(parents=True, exist_ok=True)
            (self.model / path).write_bytes(content)
        self.reads = 0

    @property
    def signature(self) -> Path:
        return self.model / "model.sig"

    def key(self, name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(curve or ec.SECP256R1())
        self._write(f"{name}.key", _pem(key))
        public = key.public_key()
        (self.root / f"{name}.pub").write_bytes(
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return key

    def certificate(
        self,
        name: str,
        *,
        issuer: str | None = None,
        start: datetime.datetime = NOW - 30 * DAY,
        end: datetime.datetime = NOW + 30 * DAY,
        signs: bool = True,
    ) -> None:
        """``<name>.key`` and ``<name>.crt``, issued by ``issuer`` or by itself."""
        key = self.key(name)
        maker = name if issuer is None else issuer
        maker_key = serialization.load_pem_private_key((self.root / f"{maker}.key").read_bytes(), None)
        assert isinstance(maker_key, ec.EllipticCurvePrivateKey)
        usage = {
            "digital_signature": signs,
            "key_cert_sign": issuer is None,
            "crl_sign": False,
            "content_commitment": False,
            "key_encipherment": not signs,
            "data_encipherment": False,
            "key_agreement": False,
            "encipher_only": False,
            "decipher_only": False,
        }
        made = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(maker))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(maker_key, hashes.SHA256())
        )
        self._write(f"{name}.crt", made.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, hashed: Any = None) -> None:
        """With a key."""
        config = model_signing.Config().use_elliptic_key_signer(private_key=self.root / f"{name}.key")
        self._sign(config, hashed)

    def sign_with_certificate(self, name: str, chain: tuple[str, ...] = ()) -> None:
        self._sign(
            model_signing.Config().use_certificate_signer(
                private_key=self.root / f"{name}.key",
                signing_certificate=self.root / f"{name}.crt",
                certificate_chain=[self.root / f"{link}.crt" for link in chain] or [self.root / f"{name}.crt"],
            )
        )

    def _sign(self, config: Any, hashed: Any = None) -> None:
        hashed = hashed or hashing.Config()
        config.set_hashing_config(hashed.set_ignored_paths(paths=[self.signature])).sign(self.model, self.signature)

    def _write(self, name: str, content: bytes) -> None:
        (self.root / name).write_bytes(content)

    def files(self) -> list[HashedFile]:
        found = []
        for place in sorted(self.model.rglob("*")):
            if place.is_file():
                data = place.read_bytes()
                path = place.relative_to(self.model).as_posix()
                found.append(
                    HashedFile(path, len(data), hashlib.sha256(data).hexdigest(), partial(self._open, place, path))
                )
        return found

    def _open(self, place: Path, path: str) -> BinaryIO:
        self.reads += path != "model.sig"
        return place.open("rb")

    def verify(self, *, without: str = "", now: datetime.datetime = NOW, **settings: Any) -> Mapping[str, Any]:
        """Check the set; ``without`` is a file of the source that is not wanted."""
        given = {"method": "key", "public_key": "ours.pub", "required": True, **settings}
        files = self.files()
        there = [item.path for item in files]
        wanted = [item for item in files if item.path != without]
        return verify(given, wanted, context=Context(base=self.root), there=there, now=lambda: now)

    def refusal(self, **settings: Any) -> DrydockError:
        with pytest.raises(DrydockError) as caught:
            self.verify(**settings)
        return caught.value


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
