# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who seeds whom, and the secrets that the hosts of one group share for one run: a token, a certificate and its key.

The secrets lie in the run's own temporary directory, which Ansible removes at its end, and are made by whichever of its
workers comes first.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

# Long enough for the longest download, and for clocks that do not agree.
VALID = timedelta(days=7)
EARLIER = timedelta(days=1)
# As the client knows it; the certificate itself is what counts.
SERVER_NAME = "seed.drydock.invalid"
_MADE = ("token", "certificate", "key")


def session(seed: Any, *, local_tmp: str, now: Callable[[], datetime] | None = None) -> dict[str, Any] | None:
    """The option ``seed`` of the module: what the role gave, with the secrets of this run; ``None`` for a group of one.

    :param seed: ``listen``, ``name``, ``peers``, perhaps ``idle`` and ``wait``.
    :param local_tmp: the run's temporary directory on the controller.
    :raises DrydockError: it is not usable.
    """
    if not isinstance(seed, Mapping) or not isinstance(seed.get("peers"), list):
        raise DrydockError(
            "invalid_input",
            "seed: expected a dictionary with listen, name and peers. Next step: leave it to the role "
            "model_store, with model_store_seed and model_store_seed_peers.",
        )
    if len(seed["peers"]) < 2:
        return None
    if all(seed.get(name) for name in _MADE):
        return dict(seed)
    made = _shared(Path(local_tmp), seed["peers"], now or (lambda: datetime.now(timezone.utc)))
    return {**seed, **made}


def peers(
    names: Sequence[str], hostvars: Mapping[str, Any], *, without: str | None = None, numeric: bool = False
) -> list[dict[str, str]]:
    """Name and address of those hosts that seed, in the same order.

    :param without: a host to leave out.
    :param numeric: every address has to be a number, as firewalls need it.
    :raises DrydockError: one is a name.
    """
    found = []
    for name in names:
        variables = hostvars[name]
        if name == without or not boolean(variables.get("model_store_seed", False), strict=False):
            continue
        address = str(variables.get("model_store_seed_address") or variables.get("ansible_host") or name)
        if numeric and not _is_number(address):
            raise DrydockError(
                "invalid_input",
                f"model_store_seed: {name} is known as {address}, and the firewall needs an address. Next step: set "
                f"model_store_seed_address of {name} to the IP address that the other hosts reach it by.",
            )
        found.append({"name": str(name), "address": address})
    return found


def _is_number(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _shared(folder: Path, peers: list[Any], now: Callable[[], datetime]) -> dict[str, str]:
    """The secrets of this group in this run, made where they are missing."""
    group = hashlib.sha256(json.dumps(peers, sort_keys=True, default=str).encode()).hexdigest()[:32]
    place = folder / f"drydock-seed-{group}.json"
    with contextlib.suppress(FileNotFoundError):
        return _read(place)
    descriptor, name = tempfile.mkstemp(prefix="drydock-seed-", dir=folder)  # nobody else may read it
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(_make(now()), handle)
        with contextlib.suppress(FileExistsError):  # another worker was first: its secrets are the group's
            os.link(name, place)
    finally:
        Path(name).unlink()
    return _read(place)


def _read(place: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(place.read_text(encoding="utf-8"))
    return found


def _make(now: datetime) -> dict[str, str]:
    try:
        from cryptography import x509  # noqa: PLC0415 - a run without seeding does not need it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415
    except ImportError as error:
        raise DrydockError(
            "cryptography_missing",
            "model_store_seed needs the Python library 'cryptography' on the controller, for the certificate that the "
            "hosts of the group know each other by. Next step: pip install cryptography, or switch seeding off.",
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "token": secrets.token_hex(32),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        # One line: where Ansible writes arguments down with their line breaks escaped, it would not know PEM again.
        "key": base64.b64encode(private).decode("ascii"),
    }
