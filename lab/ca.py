# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authority, and the certificates it gives to the registry, the origin and the demo's domain."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.checkout import Checkout

CA_LIFETIME = dt.timedelta(days=365)
LEAF_LIFETIME = dt.timedelta(days=90)
RENEW_BEFORE = dt.timedelta(days=15)
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


def ensure_ca(checkout: Checkout, *, now: dt.datetime | None = None) -> KeyPair:
    """Make sure the authority exists and is not about to expire."""
    pair = KeyPair(certificate=checkout.path("ca", "ca.crt"), key=checkout.path("ca", "ca.key"))
    moment = now or dt.datetime.now(tz=dt.UTC)
    with checkout.lock("ca"):
        if not usable(pair, issuer=None, names=(), now=moment):
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"drydock lab {checkout.id}")])
            certificate = (
                builder(name, name, key.public_key(), now=moment, lifetime=CA_LIFETIME)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(key_usage(signs=True), critical=True)
                .sign(key, hashes.SHA256())
            )
            write_pair(pair, certificate, key)
    return pair


def ensure_certificate(
    checkout: Checkout, name: str, names: tuple[str, ...], *, now: dt.datetime | None = None
) -> KeyPair:
    """Make sure a certificate for these host names exists, signed by the authority as it is now."""
    authority = ensure_ca(checkout, now=now)
    pair = KeyPair(certificate=checkout.path("ca", f"{name}.crt"), key=checkout.path("ca", f"{name}.key"))
    moment = now or dt.datetime.now(tz=dt.UTC)
    with checkout.lock("ca"):
        issuer = load(authority.certificate)
        if not usable(pair, issuer=issuer, names=names, now=moment):
            key = ec.generate_private_key(ec.SECP256R1())
            issuer_key = serialization.load_pem_private_key(authority.key.read_bytes(), password=None)
            if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{authority.key} is not an elliptic-curve key")
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
            certificate = (
                builder(subject, issuer.subject, key.public_key(), now=moment, lifetime=LEAF_LIFETIME)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(key_usage(signs=False), critical=True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
                )
                .sign(issuer_key, hashes.SHA256())
            )
            write_pair(pair, certificate, key)
    return pair


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, now: dt.datetime, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    """What every certificate of the lab has."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_usage(*, signs: bool) -> x509.KeyUsage:
    """What the key may do: sign certificates, or prove who a server is."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def usable(pair: KeyPair, *, issuer: x509.Certificate | None, names: tuple[str, ...], now: dt.datetime) -> bool:
    """Whether the pair belongs together, stands for these names, comes from this issuer, and lives on for a while."""
    try:
        certificate = load(pair.certificate)
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (OSError, ValueError):
        return False
    if certificate.not_valid_after_utc - RENEW_BEFORE <= now or certificate.public_key() != key.public_key():
        return False
    if names:
        try:
            alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        if tuple(alternatives.get_values_for_type(x509.DNSName)) != names:
            return False
    if issuer is not None:
        try:
            certificate.verify_directly_issued_by(issuer)
        except Exception:  # noqa: BLE001 - the library raises several kinds; each means: not from this authority
            return False
    return True


def load(path: Path) -> x509.Certificate:
    """Read a certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def write_pair(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write key and certificate; the key is never readable by others, not for a moment."""
    pair.key.parent.chmod(0o700)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.key.unlink(missing_ok=True)
    descriptor = os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(encoded)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
