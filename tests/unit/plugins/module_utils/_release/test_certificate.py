# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the edge's certificate, by either reader."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.certificate import configured, read_certificate
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed, SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._release.verdict import judge
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 21, 4, 15, 0, tzinfo=timezone.utc)
HEALTHY = {"lease": None, "unfinished": None, "release": None, "problems": [{"kind": "host_failed"}]}


def write(path: Path, ends: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ocr.example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Openssl:
    """Says what openssl would."""

    def __init__(self, code: int = 0, out: str = "", err: str = "") -> None:
        self.answer = (code, out, err)
        self.calls: list[Sequence[str]] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(argv)
        return Completed(tuple(argv), *self.answer)


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)


@pytest.mark.parametrize(("hours", "days"), [(24 * 30 + 1, 30), (23, 0), (-1, -1), (-49, -3)])
def test_whole_days_are_counted_and_are_negative_when_it_is_over(tmp_path: Path, hours: int, days: int) -> None:
    path = write(tmp_path / "c.crt", NOW + timedelta(hours=hours))
    told = read_certificate(path, Openssl(code=1), now=NOW)
    assert told["days"] == days
    assert told["path"] == str(path)


def test_the_first_certificate_of_a_chain_counts(tmp_path: Path) -> None:
    leaf = write(tmp_path / "leaf", NOW + timedelta(days=9))
    chain = tmp_path / "chain"
    chain.write_bytes(leaf.read_bytes() + write(tmp_path / "ca", NOW + timedelta(days=900)).read_bytes())
    assert read_certificate(chain, Openssl(code=1), now=NOW)["days"] == 9


@pytest.mark.usefixtures("without_library")
def test_without_the_library_openssl_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "c.crt"
    path.write_text("-")
    openssl = Openssl(out="notAfter=Dec  1 04:15:00 2026 GMT\n")
    assert read_certificate(path, openssl, now=NOW) == {
        "path": str(path),
        "expires": "2026-12-01T04:15:00Z",
        "days": 10,
    }
    assert openssl.calls[0][-1] == str(path)


@pytest.mark.usefixtures("without_library")
def test_both_readers_say_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "c.crt", NOW + timedelta(days=30))
    assert read_certificate(path, SubprocessRunner(), now=NOW)["expires"] == "2026-12-21T04:15:00Z"


@pytest.mark.usefixtures("without_library")
@pytest.mark.parametrize(
    "openssl", [Openssl(code=127, err="openssl: not found"), Openssl(code=1, err="no start line"), Openssl(out="what?")]
)
def test_what_openssl_cannot_read_either_is_told(tmp_path: Path, openssl: Openssl) -> None:
    path = tmp_path / "c.crt"
    path.write_text("-")
    with pytest.raises(DrydockError, match="openssl said") as caught:
        read_certificate(path, openssl, now=NOW)
    assert caught.value.kind == "certificate_unreadable"


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_is_missing_or_no_certificate_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "c.crt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DrydockError, match=r"c\.crt, cannot be read") as caught:
        read_certificate(path, Openssl(), now=NOW)
    assert caught.value.kind == "certificate_unreadable"


def test_the_certificate_is_the_one_nginx_is_told_to_show(tmp_path: Path) -> None:
    nginx = tmp_path / "tls.conf"
    assert configured(nginx) is None
    nginx.write_text("# ssl_certificate /no;\nssl_certificate_key /k;\nssl_certificate   /etc/x/tls.crt;\n")
    assert configured(nginx) == Path("/etc/x/tls.crt")
    nginx.write_text("ssl_protocols TLSv1.3;\n")
    assert configured(nginx) is None


@pytest.mark.parametrize(
    ("days", "kind"), [(14, None), (13, "certificate_ends"), (0, "certificate_ends"), (-1, "certificate_expired")]
)
def test_a_certificate_that_ends_soon_is_a_problem(days: int, kind: str | None) -> None:
    told = {
        **HEALTHY,
        "attempts": [],
        "failures": [],
        "disks": [],
        "certificate": {"path": "/c", "expires": "2026-12-01T04:15:00Z", "days": days},
    }
    assert [found for found, _message in judge(told, reserve=0, certificate_days=14)] == ([kind] if kind else [])
