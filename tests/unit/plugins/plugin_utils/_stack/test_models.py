# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and their lock: what hosts get, and everything that stops before a host is touched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import load_components
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model import build_model
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import StackError

from .stacks import MODELS, STACK, put

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGESTS = {name: f"sha256:{number:02x}{'0' * 62}" for number, name in enumerate(("det", "config", "card"))}
DET = "deep/det.onnx"
SOURCE = "hf://acme/ocr@v4.0"

WANTED: dict[str, Any] = {
    "version": "4.0",
    "source": SOURCE,
    "include": ["*.onnx", "config.json", "README.md"],
    "exclude": ["old/*"],
    "mirrors": ["https://mirror.example.org/ocr/4.0/"],
    "files": [{"path": "deep/det.onnx", "minimum_size": "1 KiB"}],
    "card": "required",
    "require": {"mAP": ">0.7"},
    "licenses": ["Apache-2.0"],
    "signature": {"required": True, "method": "key", "public_key": "keys/ocr.pub"},
    "minimum_size": 2,
    "formats": ["onnx", "json", "text"],
}
LOCKED: dict[str, Any] = {
    "version": "4.0",
    "source": f"hf://acme/ocr@{COMMIT}",
    "requested": SOURCE,
    "license": "apache-2.0",
    "signature": {"state": "verified", "method": "key", "key": "sha256:ab"},
    "card": {"present": True, "sha256": "ab"},
    "metrics": {"mAP": 0.82, "f1": [0.5, 0.75]},
    "files": {
        "deep/det.onnx": {
            "checksum": DIGESTS["det"],
            "size": 4745517,
            "format": "onnx",
            "urls": [f"hf://acme/ocr@{COMMIT}/deep/det.onnx", "https://mirror.example.org/ocr/4.0/deep/det.onnx"],
        },
        "config.json": {
            "checksum": DIGESTS["config"],
            "size": 2,
            "format": "json",
            "urls": [f"hf://acme/ocr@{COMMIT}/config.json"],
        },
        "README.md": {
            "checksum": DIGESTS["card"],
            "size": 900,
            "format": "text",
            "urls": [f"hf://acme/ocr@{COMMIT}/README.md"],
        },
    },
}


def build(changes: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The stack model with changes below ``models`` and ``models_lock``; the one model is called ocr."""
    tree = copy.deepcopy({"models": {"ocr": WANTED}, "models_lock": {"ocr": LOCKED}})
    for path, value in (changes or {}).items():
        if path in {"models.ocr", "models_lock.ocr"}:
            tree[path.partition(".")[0]] = {} if value is ... else {"ocr": copy.deepcopy(value)}
        else:
            put(tree, path, value)
    return build_model(STACK, models=tree["models"], lock=tree["models_lock"], components=load_components(), **options)


def locked_det(**facts: Any) -> dict[str, Any]:
    """The change that makes the lock say something else about the one large file."""
    return {"models_lock.ocr.files": {**LOCKED["files"], DET: {**LOCKED["files"][DET], **facts}}}


def violations(changes: dict[str, Any] | None = None, **options: Any) -> list[str]:
    try:
        build(changes, **options)
    except StackError as error:
        return error.violations
    return []


def test_a_locked_source_becomes_files_with_addresses_digests_and_bounds() -> None:
    (model,) = build()["models"]
    assert {key: model[key] for key in ("name", "version", "formats", "exempt")} == {
        "name": "ocr",
        "version": "4.0",
        "formats": ["onnx", "json", "text"],
        "exempt": [],
    }
    assert [item["path"] for item in model["files"]] == ["README.md", "config.json", "deep/det.onnx"]
    assert model["files"][2] == {
        "path": "deep/det.onnx",
        "urls": [f"hf://acme/ocr@{COMMIT}/deep/det.onnx", "https://mirror.example.org/ocr/4.0/deep/det.onnx"],
        "checksum": DIGESTS["det"],
        "size": 4745517,
        "minimum_size": 1024,
    }
    assert model["files"][1]["minimum_size"] == 2


def test_a_mirror_that_was_added_since_is_used_without_locking_again() -> None:
    (model,) = build({"models.ocr.mirrors": ["s3://models/ocr"]})["models"]
    assert model["files"][1]["urls"][-1] == "s3://models/ocr/config.json"


def test_named_files_need_no_lock() -> None:
    (model,) = build({"models.ocr": MODELS["ocr"], "models_lock.ocr": ...})["models"]
    assert model == {
        "name": "ocr",
        "version": "4.0",
        "files": [
            {
                "path": "det.onnx",
                "urls": ["https://models.example.org/ocr/4.0/det.onnx"],
                "checksum": "sha256:" + "cd" * 32,
                "size": 4745517,
                "minimum_size": 1,
            }
        ],
        "formats": None,
        "exempt": [],
    }


def test_a_named_s3_object_is_fetched_by_the_version_that_was_locked() -> None:
    wanted = {"version": "4.0", "files": [{"path": "a", "urls": ["s3://models/a", "https://m.example.org/a"]}]}
    facts = {"checksum": DIGESTS["det"], "size": 5, "format": "json", "urls": ["s3://models/a?versionId=7"]}
    locked = {"version": "4.0", "license": None, "files": {"a": facts}}
    (model,) = build({"models.ocr": wanted, "models_lock.ocr": locked})["models"]
    assert model["files"][0]["urls"] == ["s3://models/a?versionId=7", "https://m.example.org/a"]


def test_gates_of_named_files_are_judged_from_the_lock() -> None:
    wanted = {**MODELS["ocr"], "card_url": "https://m.example.org/README.md", "require": {"mAP": ">0.7"}}
    (line,) = violations({"models.ocr": wanted, "models_lock.ocr": ...})
    assert line.startswith("models.ocr: require and card_url: judged from the lock")
    assert "ansible-playbook drydock.serving.lock -i" in line
    file = {"checksum": "sha256:" + "cd" * 32, "size": 4745517, "urls": ["https://models.example.org/ocr/4.0/det.onnx"]}
    locked = {"version": "4.0", "metrics": {"mAP": 0.6}, "files": {"det.onnx": file}}
    (line,) = violations({"models.ocr": wanted, "models_lock.ocr": locked})
    assert line.startswith("models.ocr.require.mAP: expected >0.7, found 0.6.")


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"models_lock.ocr": ...}, "models.ocr", "ansible-playbook drydock.serving.lock -i"),
        ({"models_lock.ocr.version": "3.9"}, "models_lock.ocr.version", "drydock.serving.lock"),
        ({"models.ocr.source": "hf://acme/ocr@v5"}, "models_lock.ocr.requested", "has another source"),
        ({"models.ocr.source": "hf://acme/other@v4.0"}, "models_lock.ocr.requested", "drydock.serving.lock"),
        ({"models.ocr.include": ["*.onnx"]}, "models_lock.ocr.files.README.md", "leave it out"),
        ({"models.ocr.exclude": ["config*"]}, "models_lock.ocr.files.config.json", "leave it out"),
        ({"models_lock.ocr.include": ["*"]}, "models_lock.ocr.include", "was made for ['*']"),
        ({"models.ocr.files": [{"path": "new.onnx"}]}, "models.ocr.files[0]", "'new.onnx' is not in the lock"),
        ({"models.ocr.files": [{"path": "config.json", "size": 3}]}, "models.ocr.files[0].size", "the lock says 2"),
        ({"models_lock.ocr.files": {}}, "models_lock.ocr.files", "has no file"),
        ({"models.ocr.card": "needed"}, "models.ocr.card", "optional, required"),
        ({"models_lock.ocr.card": {"present": False}}, "models.ocr.card", "a model card is required"),
        ({"models.ocr.require": {"mAP": ">=0.9"}}, "models.ocr.require.mAP", "expected >=0.9, found 0.82"),
        ({"models.ocr.require": {"f1": ">0.6"}}, "models.ocr.require.f1", "found 0.5, the worst of"),
        ({"models.ocr.require": {"wer": "<0.1"}}, "models.ocr.require.wer", "no such metric"),
        ({"models.ocr.require": {"mAP": 0.7}}, "models.ocr.require.mAP", "a sign"),
        ({"models.ocr.licenses": ["mit"]}, "models.ocr.licenses", "found apache-2.0"),
        ({"models_lock.ocr.license": None}, "models.ocr.licenses", "nothing says under which licence"),
        ({"models_lock.ocr.signature": {"state": "unsigned"}}, "models.ocr.signature", "'unsigned'"),
        ({"models_lock.ocr.signature": {"state": "unchecked"}}, "models.ocr.signature", "'unchecked'"),
        ({"models_lock.ocr.signature": ...}, "models.ocr.signature", "'unchecked'"),
        (
            {"models.ocr.signature": {"required": True, "method": "certificate", "certificate_chain": ["ca.crt"]}},
            "models.ocr.signature.method",
            "was verified by key",
        ),
        ({"models.ocr.signature.method": "sigstore"}, "models.ocr.signature.method", "key, certificate"),
        ({"models.ocr.signature.public_key": ...}, "models.ocr.signature.public_key", "method is key"),
        ({"models.ocr.signature.certificate_chain": ["x"]}, "models.ocr.signature.certificate_chain", "method is key"),
        ({"models.ocr.minimum_size": 3}, "models.ocr.files.config.json", "at least 3"),
        (locked_det(size=1000), "models.ocr.files.deep/det.onnx", "a placeholder"),
        ({"models.ocr.formats": ["json", "text"]}, "models.ocr.files.deep/det.onnx", "is onnx, and formats allows"),
        ({"models.ocr.formats": ["pickle"]}, "models.ocr.formats[0]", "safetensors"),
        (locked_det(format="exempt"), "models.ocr.files.deep/det.onnx", "not there any"),
        (locked_det(urls=[]), "models_lock.ocr.files.deep/det.onnx.urls", "is empty"),
        ({"models.ocr.source": "https://x/y"}, "models.ocr.source", "expected hf://"),
        ({"models.ocr.source": "s3://models/x?versionId=1"}, "models.ocr.source", "versionId"),
        ({"models.ocr.source": "oci://registry/Name"}, "models.ocr.source", "expected oci://"),
        ({"models.ocr.source": "file://other/x"}, "models.ocr.source", "file:///an/absolute/folder"),
        ({"models.ocr.mirrors": ["hf://acme/ocr@1"]}, "models.ocr.mirrors[0]", "starts with https://"),
        ({"models.ocr.mirrors": ["https://m.example.org/x?a=b"]}, "models.ocr.mirrors[0]", "query"),
        ({"models.ocr.card_url": "ftp://x/y"}, "models.ocr.card_url", "starts with https://"),
        ({"models.ocr.exempt": [{"checksum": "x"}]}, "models.ocr.exempt[0].checksum", "64 hexadecimal"),
        ({"models.ocr.exempt": [{"checksum": DIGESTS["det"]}]}, "models.ocr.exempt[0].reason", "is required"),
        ({"models.ocr": {"version": "1"}, "models_lock.ocr": ...}, "models.ocr", "neither a source nor files"),
        (
            {"models.ocr": {"version": "1", "files": [{"path": "a"}]}, "models_lock.ocr": ...},
            "models.ocr.files[0].urls",
            "is required where the model has no source",
        ),
        (
            {"models.ocr": {**MODELS["ocr"], "include": ["*.onnx"]}, "models_lock.ocr": ...},
            "models.ocr.include",
            "means nothing without a source",
        ),
        ({"models.ocr": MODELS["ocr"]}, "models_lock.ocr.requested", "has no source"),
    ],
)  # fmt: skip
def test_what_does_not_pass_is_told_with_its_place(changes: dict[str, Any], path: str, said: str) -> None:
    found = violations(changes)
    assert [line for line in found if line.startswith(f"{path}: ") and said in line], found


VERIFIED = {"state": "verified", "method": "key", "key": "sha256:ab", "trusted": "sha256:cd"}


def _missing(_settings: Any) -> str:
    raise DrydockError("invalid_input", "signature.public_key: keys/ocr.pub cannot be read on the controller: gone.")


@pytest.mark.parametrize(
    ("trusted", "locked", "said"),
    [
        (lambda _settings: "sha256:cd", VERIFIED, None),
        (lambda _settings: "sha256:ef", VERIFIED, "has other content than when the model was locked"),
        (lambda _settings: "sha256:ef", LOCKED["signature"], "the lock was made before locks noted"),
        (_missing, VERIFIED, "keys/ocr.pub cannot be read on the controller"),
    ],
    ids=["the same key", "another key", "an older lock", "no key"],
)
def test_a_required_signature_was_verified_with_the_key_that_is_there_now(
    trusted: Any, locked: Any, said: str | None
) -> None:
    found = violations({"models_lock.ocr.signature": locked}, trusted=trusted)
    if said is None:
        assert found == []
    else:
        (line,) = found
        assert line.startswith("models.ocr.signature.public_key: ")
        assert said in line
    optional = {"models.ocr.signature.required": False, "models_lock.ocr.signature": locked}
    assert violations(optional, trusted=trusted) == []


def test_other_authorities_than_when_it_was_locked_are_told_where_they_are_named() -> None:
    wanted = {"required": True, "method": "certificate", "certificate_chain": ["ca.crt"]}
    locked = {**VERIFIED, "method": "certificate"}
    changes = {"models.ocr.signature": wanted, "models_lock.ocr.signature": locked}
    (line,) = violations(changes, trusted=lambda settings: f"sha256:{settings['certificate_chain']}")
    assert line.startswith("models.ocr.signature.certificate_chain: has other content")
    assert "ansible-playbook drydock.serving.lock -i" in line


def test_a_tampered_path_in_the_lock_is_refused() -> None:
    changed = copy.deepcopy(LOCKED)
    changed["files"]["../../etc/passwd.onnx"] = changed["files"].pop("deep/det.onnx")
    found = violations({"models_lock.ocr": changed, "models.ocr.files": ...})
    assert any(line.startswith("models_lock.ocr.files.../../etc/passwd.onnx: contains") for line in found), found


def test_all_that_does_not_pass_is_told_at_once() -> None:
    changes = {
        "models.ocr.require": {"mAP": ">0.9", "wer": "<1"},
        "models.ocr.licenses": ["mit"],
        "models.ocr.minimum_size": 3,
        "models_lock.ocr.card": {"present": False},
        "models_lock.ocr.signature": {"state": "unsigned"},
    }
    assert len(violations(changes)) == 6


def test_a_lock_for_something_else_is_told_once_and_not_judged() -> None:
    (line,) = violations({"models_lock.ocr.version": "3", "models_lock.ocr.license": "mit"})
    assert "Lock again: ansible-playbook drydock.serving.lock -i" in line


def test_exemptions_are_handed_on_and_their_day_is_judged_by_preflight_alone() -> None:
    exempt = [{"checksum": DIGESTS["det"], "reason": "needed by the old engine", "until": "2020-01-01"}]
    (model,) = build({"models.ocr.exempt": exempt, **locked_det(format="exempt")})["models"]
    assert model["exempt"] == exempt


@pytest.mark.parametrize("scheme", ["hf://acme/ocr@v4.0", f"oci://r.example.org/ocr@{DIGESTS['det']}"])
def test_the_exact_source_may_be_wanted_by_name(scheme: str) -> None:
    assert violations({"models.ocr.source": scheme, "models_lock.ocr.source": scheme}) == []


def test_no_credentials_of_an_address_are_ever_shown() -> None:
    canary = "c4n4ry"
    changes = {
        "models.ocr.source": f"hf://user:{canary}@hub/x",
        "models.ocr.mirrors": [f"https://u:{canary}@m.example.org/", f"https://m.example.org/?token={canary}"],
        "models.ocr.card_url": f"https://u:{canary}@m.example.org/x",
    }
    found = violations(changes)
    assert len(found) >= 4
    assert canary not in "\n".join(found)


@pytest.mark.parametrize("key", ["require", "licenses", "signature", "formats"])
def test_a_gate_without_values_is_a_mistake_and_not_an_open_gate(key: str) -> None:
    assert violations({f"models.ocr.{key}": None}) == [
        f"models.ocr.{key}: is empty, so nothing would be demanded. Give values or leave it out."
    ]
