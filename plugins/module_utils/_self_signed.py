# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A self-signed server certificate and its key: whether the pair on disk still serves, and a new pair when not.

``cryptography`` is imported where it is used, because a bare host gets it only during the first run.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic

if TYPE_CHECKING:
    from cryptography import x509

CLOCK_SLACK = datetime.timedelta(hours=1)


def reasons_to_renew(
    certificate: Path, key: Path, *, domains: Sequence[str], renew_before: datetime.timedelta, now: datetime.datetime
) -> list[str]:
    """Why the pair has to be made anew; empty when it serves.

    :param now: an aware time in UTC.
    """
    absent = [f"{path} is missing" for path in (certificate, key) if not path.is_file()]
    if absent:
        return absent
    from cryptography import x509  # noqa: PLC0415 - see the module's docstring
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        return [f"the pair cannot be read ({error})"]
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    reasons = []
    if found.public_key().public_bytes(*encoding) != private.public_key().public_bytes(*encoding):
        reasons.append("certificate and key do not belong together")
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = list(alternative.get_values_for_type(x509.DNSName))
    if sorted(names) != sorted(domains):
        reasons.append(f"it names {', '.join(names) or 'nothing'}, wanted {', '.join(domains)}")
    if _end(found) - renew_before <= now:
        reasons.append(f"it ends on {_end(found):%Y-%m-%d}")
    return reasons


def _end(certificate: x509.Certificate) -> datetime.datetime:
    """The end of validity, with its zone: cryptography tells it so since 42; Debian 12 has 38."""
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    return certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def new_pair(*, domains: Sequence[str], days: int, now: datetime.datetime) -> tuple[bytes, bytes]:
    """Certificate and key as PEM: ECDSA P-256, for TLS servers, valid from an hour before ``now``."""
    from cryptography import x509  # noqa: PLC0415 - see the module's docstring
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    private = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domains[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains]), critical=False)
        # A certificate authority for itself alone, so that a client can be told to trust exactly this file.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key


def _key_usage() -> x509.KeyUsage:
    """What strict clients (X509_STRICT of OpenSSL, default of Python 3.13) ask of a certificate that signs itself."""
    from cryptography import x509  # noqa: PLC0415 - see the module's docstring

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def write_pair(certificate: Path, key: Path, pair: tuple[bytes, bytes]) -> None:
    """Key first; if the second write never happens, the next run sees that the two do not belong together."""
    for path in (certificate, key):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomic(key, pair[1], mode=0o600)
    write_atomic(certificate, pair[0], mode=0o644)
