# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures made by the real library, with real keys and certificates, spoilt in every way."""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.signature import verify
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import fingerprint
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .signer import DAY, NOW, Signer, hashing


@pytest.fixture(name="signer")
def _signer(tmp_path: Path) -> Signer:
    signer = Signer(tmp_path)
    signer.key("ours")
    return signer


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_set_signed_with_our_key_is_verified_without_reading_it_again(
    signer: Signer, curve: ec.EllipticCurve
) -> None:
    public = signer.key("ours", curve).public_key()
    signer.sign("ours")
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert signer.verify() == {
        "state": "verified",
        "method": "key",
        "key": f"sha256:{hashlib.sha256(der).hexdigest()}",
        "trusted": fingerprint({"method": "key", "public_key": "ours.pub"}, signer.root),
    }
    assert signer.reads == 0


@pytest.mark.parametrize(
    "hashed",
    [
        lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake2"),
        lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake3"),
        lambda: hashing.Config().use_shard_serialization(shard_size=1000),
        lambda: hashing.Config().use_shard_serialization(hashing_algorithm="blake2", shard_size=4000),
    ],
    ids=["blake2", "blake3", "shards", "blake2 in shards"],
)
def test_other_ways_to_hash_are_understood(signer: Signer, hashed: Any) -> None:
    signer.sign("ours", hashed())
    assert signer.verify()["state"] == "verified"
    place = signer.model / "deep/er/rec.onnx"
    content = place.read_bytes()
    for spoilt in (content + b"x", content[:-1], b"x" + content[1:], content[:-1] + b"x"):
        place.write_bytes(spoilt)
        assert signer.refusal().kind == "signature_refused"


@pytest.mark.parametrize(
    "hashed",
    [
        lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake2"),
        lambda: hashing.Config().use_shard_serialization(shard_size=1000),
    ],
    ids=["blake2", "shards"],
)
def test_a_source_that_shows_signed_bytes_and_lists_the_digest_of_others_is_refused(
    signer: Signer, hashed: Any
) -> None:
    signer.sign("ours", hashed())
    evil = hashlib.sha256(b"evil").hexdigest()
    files = [replace(item, sha256=evil) if item.path == "det.onnx" else item for item in signer.files()]
    with pytest.raises(DrydockError, match=r"det\.onnx differ from what was signed"):
        verify({"method": "key", "public_key": "ours.pub"}, files, context=Context(base=signer.root))


@pytest.mark.parametrize("required", [True, False])
def test_a_changed_file_is_refused(signer: Signer, required: bool) -> None:
    signer.sign("ours")
    (signer.model / "det.onnx").write_bytes(b"DET" * 1000)
    error = signer.refusal(required=required)
    assert error.kind == "signature_refused"
    assert "det.onnx differ from what was signed" in error.message
    assert "rec.onnx" not in error.message


@pytest.mark.parametrize("required", [True, False])
def test_another_key_is_refused(signer: Signer, required: bool) -> None:
    signer.key("theirs")
    signer.sign("theirs")
    error = signer.refusal(required=required)
    assert error.kind == "signature_refused"
    assert "not made with the key that belongs to" in error.message


def test_another_key_that_claims_to_be_ours_is_refused(signer: Signer) -> None:
    signer.sign("ours")
    hint = json.loads(signer.signature.read_text())["verificationMaterial"]["publicKey"]["hint"]
    signer.key("theirs")
    signer.sign("theirs")
    forged = json.loads(signer.signature.read_text())
    forged["verificationMaterial"]["publicKey"]["hint"] = hint
    signer.signature.write_text(json.dumps(forged))
    assert "not made with the key that belongs to" in signer.refusal().message


def test_a_signature_whose_list_of_files_was_changed_is_refused(signer: Signer) -> None:
    signer.sign("ours")
    good = signer.signature.read_text()
    (signer.model / "det.onnx").write_bytes(b"evil")
    signer.sign("ours")
    evil = json.loads(signer.signature.read_text())
    evil["dsseEnvelope"]["signatures"] = json.loads(good)["dsseEnvelope"]["signatures"]
    signer.signature.write_text(json.dumps(evil))
    assert signer.refusal().kind == "signature_refused"


@pytest.mark.parametrize(
    "content", ["", "x", "{}", "[]", '{"verificationMaterial": {}}', '{"mediaType": "x"}', "\udc80"]
)
def test_what_is_no_signature_is_refused(signer: Signer, content: str) -> None:
    signer.signature.write_bytes(content.encode(errors="surrogateescape"))
    error = signer.refusal()
    assert error.kind == "signature_refused"
    assert "cannot be read as one" in error.message


def test_a_file_that_is_not_signed_is_refused_when_a_signature_is_required(signer: Signer) -> None:
    signer.sign("ours")
    (signer.model / "extra.json").write_text("[]")
    error = signer.refusal()
    assert "does not cover extra.json" in error.message
    found = signer.verify(required=False)
    assert (found["state"], found["uncovered"]) == ("unchecked", ["extra.json"])


def test_a_signed_file_that_was_taken_away_is_refused_and_one_that_is_not_wanted_is_not(signer: Signer) -> None:
    signer.sign("ours")
    assert signer.verify(without="config.json")["state"] == "verified"
    (signer.model / "config.json").unlink()
    assert "config.json were signed and are not there" in signer.refusal().message


def test_a_missing_signature_is_refused_when_required_and_told_otherwise(signer: Signer) -> None:
    assert "there is no model.sig" in signer.refusal().message
    assert signer.verify(required=False) == {"state": "unsigned"}


def test_a_signature_may_have_another_name(signer: Signer) -> None:
    signer.sign("ours")
    signer.signature.rename(signer.model / "ocr.sig")
    assert signer.verify(file="ocr.sig")["state"] == "verified"


def test_a_certificate_of_our_authority_is_verified_and_named(signer: Signer) -> None:
    signer.certificate("root")
    signer.certificate("release", issuer="root")
    signer.sign_with_certificate("release")
    found = signer.verify(method="certificate", certificate_chain=["root.crt"])
    assert (found["state"], found["method"]) == ("verified", "certificate")
    assert (found["certificate"], found["issuer"]) == ("CN=release", "CN=root")
    assert signer.reads == 0


def test_a_certificate_below_another_one_is_verified(signer: Signer) -> None:
    signer.certificate("root")
    signer.certificate("release", issuer="root")
    signer.sign_with_certificate("release", chain=("root",))
    assert signer.verify(method="certificate", certificate_chain=["root.crt"])["state"] == "verified"


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW - 30 * DAY, NOW - DAY), (NOW + DAY, NOW + 30 * DAY)],
    ids=["expired", "not yet good"],
)
def test_a_certificate_that_is_not_good_today_is_refused(
    signer: Signer, start: datetime.datetime, end: datetime.datetime
) -> None:
    signer.certificate("root", start=NOW - 300 * DAY, end=NOW + 300 * DAY)
    signer.certificate("release", issuer="root", start=start, end=end)
    signer.sign_with_certificate("release")
    error = signer.refusal(method="certificate", certificate_chain=["root.crt"])
    assert error.kind == "signature_refused"
    assert "is not good today" in error.message
    during = start + DAY
    found = signer.verify(method="certificate", certificate_chain=["root.crt"], now=during)
    assert found["state"] == "verified"


def test_a_certificate_of_another_authority_is_refused(signer: Signer) -> None:
    for name in ("root", "other"):
        signer.certificate(name)
    signer.certificate("release", issuer="other")
    signer.sign_with_certificate("release", chain=("other",))
    error = signer.refusal(method="certificate", certificate_chain=["root.crt"])
    assert "was not issued by the authorities" in error.message


def test_a_certificate_that_is_not_for_signatures_is_refused(signer: Signer) -> None:
    signer.certificate("root")
    signer.certificate("web", issuer="root", signs=False)
    signer.sign_with_certificate("web")
    error = signer.refusal(method="certificate", certificate_chain=["root.crt"])
    assert "not meant for signatures" in error.message


def test_a_file_changed_under_a_certificate_is_refused(signer: Signer) -> None:
    signer.certificate("root")
    signer.certificate("release", issuer="root")
    signer.sign_with_certificate("release")
    (signer.model / "README.md").write_text("# other")
    error = signer.refusal(method="certificate", certificate_chain=["root.crt"])
    assert "README.md differ from what was signed" in error.message


@pytest.mark.parametrize("second", ["x509_certificate_chain", "certificate", "publicKey"])
def test_a_signature_that_names_its_certificate_twice_is_refused(signer: Signer, second: str) -> None:
    """Else the one the library judges and the one whose dates are judged could differ."""
    signer.certificate("root")
    signer.certificate("release", issuer="root")
    signer.sign_with_certificate("release")
    bundle = json.loads(signer.signature.read_text())
    material = bundle["verificationMaterial"]
    material[second] = material["x509CertificateChain"]
    signer.signature.write_text(json.dumps(bundle))
    assert signer.refusal(method="certificate", certificate_chain=["root.crt"]).kind == "signature_refused"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"public_key": "nowhere.pub"}, "cannot be read on the controller"),
        ({"public_key": "model/README.md"}, "is not a public key in PEM"),
        ({"public_key": "rsa.pub"}, "is not a key of a curve"),
        ({"method": "certificate"}, "Public authorities of the web are not taken"),
        ({"method": "certificate", "certificate_chain": ["ours.pub"]}, "holds no certificate"),
        ({"method": "sigstore"}, "expected one of key, certificate"),
    ],
)
def test_trust_that_cannot_be_read_is_named(signer: Signer, settings: dict[str, Any], said: str) -> None:
    signer.sign("ours")
    public = rsa.generate_private_key(65537, 2048).public_key()
    (signer.root / "rsa.pub").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    error = signer.refusal(**settings)
    assert error.kind == "invalid_input"
    assert said in error.message


@pytest.mark.parametrize("name", ["model_signing", "OpenSSL"])
def test_a_missing_library_is_named(signer: Signer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    signer.sign("ours")
    for loaded in [item for item in sys.modules if item.partition(".")[0] in ("model_signing", "OpenSSL")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, name, None)
    error = signer.refusal()
    assert (error.kind, "make setup-models" in error.message) == ("extra_missing", True)


def test_the_library_prints_nothing(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    signer.sign("ours")
    old = json.loads(signer.signature.read_text())
    del old["verificationMaterial"]["publicKey"]["hint"]
    signer.signature.write_text(json.dumps(old))
    capsys.readouterr()
    assert signer.verify()["state"] == "verified"
    assert capsys.readouterr().out == ""
