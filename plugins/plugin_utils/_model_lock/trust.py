# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a model's signature is believed: one public key, or whoever has a certificate from one's own authorities."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import trusted

with contextlib.suppress(ImportError):  # ansible-test imports every file without it; controllers have it
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

METHODS = ("key", "certificate")
CURVES = ("secp256r1", "secp384r1", "secp521r1")


class Trust(ABC):
    """One way to believe a signature."""

    @abstractmethod
    def configure(self, config: Any) -> Any:
        """The library's configuration with the verifier set."""

    @abstractmethod
    def identity(self, place: Path, now: datetime.datetime) -> dict[str, Any]:
        """Who signed, for the lock, once the signature at ``place`` is found genuine.

        :raises DrydockError: ``signature_refused``: who signed is not believed any more.
        """

    @abstractmethod
    def explain(self, error: Exception) -> str:
        """Why a signature did not pass, for people."""


class Key(Trust):
    """An elliptic curve public key, as PEM."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        try:
            key = serialization.load_pem_public_key(content)
        except (ValueError, TypeError):
            raise _unreadable(path, "is not a public key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
            raise _unreadable(path, f"is not a key of a curve that model signatures use ({', '.join(CURVES)})")
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._fingerprint = f"sha256:{hashlib.sha256(der).hexdigest()}"

    def configure(self, config: Any) -> Any:
        return config.use_elliptic_key_verifier(public_key=self._path)

    def identity(self, place: Path, now: datetime.datetime) -> dict[str, Any]:  # noqa: ARG002 - a key has no dates
        return {"method": "key", "key": self._fingerprint}

    def explain(self, error: Exception) -> str:
        if isinstance(error, InvalidSignature) or "Key mismatch" in str(error):
            return (
                f"The signature was not made with the key that belongs to {self._path} ({self._fingerprint}), or was "
                "changed since. Next step: ask who signed the model for the right public key; do not use it before."
            )
        return _no_signature(error)


class Certificates(Trust):
    """Authorities, as PEM. Public ones are no choice: they vouch for web sites, not for models."""

    def __init__(self, paths: list[Path], contents: list[bytes]) -> None:
        self._paths = paths
        self._authorities = []
        for path, content in zip(paths, contents, strict=True):
            try:
                self._authorities += x509.load_pem_x509_certificates(content)
            except ValueError:  # noqa: PERF203 - the message names the file
                raise _unreadable(path, "holds no certificate in PEM") from None

    def configure(self, config: Any) -> Any:
        return config.use_certificate_verifier(certificate_chain=self._paths)

    def identity(self, place: Path, now: datetime.datetime) -> dict[str, Any]:
        chain = _chain_of(place)
        leaf = chain[0]
        self._judge_today(chain, now)
        return {
            "method": "certificate",
            "certificate": leaf.subject.rfc4514_string(),
            "issuer": leaf.issuer.rfc4514_string(),
            "fingerprint": f"sha256:{leaf.fingerprint(hashes.SHA256()).hex()}",
        }

    def explain(self, error: Exception) -> str:
        if type(error).__name__ == "X509StoreContextError":
            return (
                "The certificate that signed was not issued by the authorities in certificate_chain "
                f"({', '.join(str(path) for path in self._paths)}): {error}. Next step: ask who signed the model for "
                "their authority; do not use it before."
            )
        if isinstance(error, InvalidSignature):
            return "The signature does not fit the certificate that came with it: it was changed, or is a forgery."
        if "cannot be used for signing" in str(error):
            return "The certificate that signed is not meant for signatures (key usage digitalSignature is missing)."
        return _no_signature(error)

    def _judge_today(self, chain: list[x509.Certificate], now: datetime.datetime) -> None:
        """The library judges the day the certificate began, as nothing proves when it signed; so is today."""
        from OpenSSL import crypto  # noqa: PLC0415 - comes with the optional extra, loaded by the library before

        store = crypto.X509Store()
        for authority in self._authorities:
            store.add_cert(crypto.X509.from_cryptography(authority))
        store.set_time(now)
        leaf, *between = [crypto.X509.from_cryptography(item) for item in chain]
        try:
            crypto.X509StoreContext(store, leaf, between).verify_certificate()
        except crypto.X509StoreContextError as error:
            raise DrydockError(
                "signature_refused",
                f"The certificate that signed ({chain[0].subject.rfc4514_string()}, good until "
                f"{chain[0].not_valid_after_utc:%Y-%m-%d}) or one above it is not good today: {error}. Nothing proves "
                "that the signature is older. Next step: have the model signed again.",
            ) from None


def read(settings: Mapping[str, Any], base: Path) -> Trust:
    """Whom the settings believe.

    :param base: where relative paths start.
    :raises DrydockError: ``invalid_input``.
    """
    method = settings.get("method")
    if method == "key":
        path = base / str(settings.get("public_key") or "")
        return Key(path, trusted.read(path, "signature.public_key"))
    if method == "certificate":
        paths = [base / str(item) for item in settings.get("certificate_chain") or []]
        if not paths:
            raise DrydockError(
                "invalid_input",
                "signature.certificate_chain is missing: the certificates of the authorities that issue to those who "
                "may sign. Public authorities of the web are not taken; they issue to anybody.",
            )
        return Certificates(paths, [trusted.read(path, "signature.certificate_chain") for path in paths])
    raise DrydockError("invalid_input", f"signature.method: expected one of {', '.join(METHODS)}, found {method!r}.")


def _chain_of(place: Path) -> list[x509.Certificate]:
    """The certificates of a signature, that of the signer first.

    The library takes some keys by a second name as well. Here each may be there once, by its own name, so that no other
    certificate is looked at than the one the library judged.
    """
    try:
        bundle = json.loads(place.read_text(encoding="utf-8"))
        material = bundle["verificationMaterial"]
        listed = material["x509CertificateChain"]["certificates"]
        plain = (
            set(bundle) == {"mediaType", "verificationMaterial", "dsseEnvelope"}
            and set(material) <= {"x509CertificateChain", "tlogEntries"}
            and set(material["x509CertificateChain"]) == {"certificates"}
            and all(set(item) == {"rawBytes"} for item in listed)
        )
        chain = [x509.load_der_x509_certificate(base64.b64decode(item["rawBytes"])) for item in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise DrydockError("signature_refused", _no_signature(error)) from None
    if not plain or not chain:
        raise DrydockError("signature_refused", _no_signature(ValueError()))
    return chain


def _unreadable(path: Path, why: str) -> DrydockError:
    return DrydockError("invalid_input", f"{path} {why}.")


def _no_signature(error: Exception) -> str:
    return (
        "The signature cannot be read as one that model-signing makes with a key or certificate "
        f"({type(error).__name__}). Likely cause: another kind of signature, or a damaged file."
    )
