# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on the host: given, kept or generated; the same for all who read one; never in what is told."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _secrets
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

UID, GID = os.getuid(), os.getgid()
RAW = {
    "redis_password": {
        "length": 32,
        "consumers": [{"service": "api", "uid": UID, "gid": GID}, {"service": "worker", "uid": UID, "gid": GID}],
    },
    "redis_acl": {
        "derived_from": "redis_password",
        "template": "user default on #{sha256} ~*\n",
        "consumers": [{"service": "redis", "uid": UID, "gid": GID}],
    },
}
SPECS = _secrets.parse_secrets(RAW)
KEY = b"k" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "demo" / "secrets"


def copy_of(root: Path, plan: _secrets.SecretsPlan, service: str) -> Path:
    return root / service / plan.versions[service] / "redis_password"


def settle(root: Path, given: dict[str, str] | None = None) -> _secrets.SecretsPlan:
    plan = _secrets.plan_secrets(root, SPECS, given or {}, key=KEY)
    _secrets.write_secrets(root, plan)
    _secrets.forget_undo(root)
    return plan


def test_a_secret_without_a_value_is_generated_once_and_then_kept(root: Path) -> None:
    first = settle(root)
    assert first.generated == ("redis_password",)
    assert len(first.values["redis_password"]) == 32
    second = settle(root)
    assert second.generated == ()
    assert not second.changed
    assert second.values == first.values


def test_all_who_read_a_secret_get_the_same_value_in_a_file_only_they_can_read(root: Path) -> None:
    plan = settle(root)
    for service in ("api", "worker"):
        path = copy_of(root, plan, service)
        assert path.read_text() == plan.values["redis_password"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        assert (path.stat().st_uid, path.stat().st_gid) == (UID, GID)


def test_a_derived_secret_holds_the_digest_and_not_the_value(root: Path) -> None:
    plan = settle(root)
    digest = hashlib.sha256(plan.values["redis_password"].encode()).hexdigest()
    assert (root / "redis" / plan.versions["redis"] / "redis_acl").read_text() == f"user default on #{digest} ~*\n"


def test_a_given_value_wins_over_the_stored_one_and_changes_what_derives_from_it(root: Path) -> None:
    settle(root)
    plan = _secrets.plan_secrets(root, SPECS, {"redis_password": "from the vault"}, key=KEY)
    assert {(item.path.relative_to(root).parts[0], item.path.name) for item in plan.writes} == {
        (".store", "redis_password"),
        ("api", "redis_password"),
        ("worker", "redis_password"),
        ("redis", "redis_acl"),
    }


@pytest.mark.parametrize("value", ["", "  \n", "a\0b", 5])
def test_a_value_that_cannot_be_a_secret_is_refused_by_name_and_not_shown(root: Path, value: object) -> None:
    with pytest.raises(DrydockError) as failure:
        _secrets.plan_secrets(root, SPECS, {"redis_password": value}, key=KEY)  # type: ignore[dict-item]
    assert failure.value.kind == "secret_invalid"
    assert "redis_password" in failure.value.message


def test_planning_writes_nothing(root: Path) -> None:
    _secrets.plan_secrets(root, SPECS, {}, key=KEY)
    assert not root.exists()


def test_what_can_be_printed_of_a_plan_holds_no_value(root: Path) -> None:
    plan = _secrets.plan_secrets(root, SPECS, {"redis_password": "canary-value"}, key=KEY)
    assert "canary-value" not in repr(plan)
    assert all("canary-value" not in mark for mark in plan.fingerprints.values())


def test_a_fingerprint_tells_values_apart_on_one_host_only() -> None:
    assert _secrets.fingerprint(KEY, "a", "x") == _secrets.fingerprint(KEY, "a", "x")
    assert _secrets.fingerprint(KEY, "a", "x") != _secrets.fingerprint(KEY, "a", "y")
    assert _secrets.fingerprint(KEY, "a", "x") != _secrets.fingerprint(b"other", "a", "x")


@pytest.mark.parametrize("damage", ["content", "mode", "gone"])
def test_a_file_that_was_touched_is_put_right(root: Path, damage: str) -> None:
    path = copy_of(root, settle(root), "worker")
    good = path.read_text()
    if damage == "content":
        path.chmod(0o600)
        path.write_text("edited")
        path.chmod(0o400)
    elif damage == "mode":
        path.chmod(0o644)
    else:
        path.unlink()
    plan = settle(root)
    assert [item.path for item in plan.writes] == [path]
    assert path.read_text() == good
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_an_unfinished_change_is_undone_to_the_values_that_served(root: Path) -> None:
    old = settle(root).values["redis_password"]
    for value in ("second", "third"):  # two attempts in a row: the first copy is the one that served
        _secrets.write_secrets(root, _secrets.plan_secrets(root, SPECS, {"redis_password": value}, key=KEY))
    assert _secrets.restore_secrets(root) == 1
    assert (root / ".store" / "redis_password").read_text() == old
    assert not settle(root).writes


def test_another_value_is_another_file_and_the_old_one_stays_for_who_was_made_with_it(root: Path) -> None:
    old = settle(root, {"redis_password": "first"})
    new = settle(root, {"redis_password": "second"})
    assert copy_of(root, old, "api").read_text() == "first"
    assert copy_of(root, new, "api").read_text() == "second"


def test_a_version_that_a_release_names_is_not_stale(root: Path) -> None:
    old = settle(root, {"redis_password": "first"})
    settle(root, {"redis_password": "second"})
    kept = [str(copy_of(root, old, service).parent) for service in ("api", "worker")]
    plan = _secrets.plan_secrets(root, SPECS, {}, key=KEY, kept=kept)
    assert [path.parent.name for path in plan.stale] == ["redis"]


def test_a_lost_store_is_made_up_for_by_what_serves(root: Path) -> None:
    old = settle(root, {"redis_password": "first"})
    settle(root, {"redis_password": "second"})
    (root / ".store" / "redis_password").unlink()
    serving = {"api": str(copy_of(root, old, "api").parent)}
    plan = _secrets.plan_secrets(root, SPECS, {}, key=KEY, serving=serving)
    assert plan.values["redis_password"] == "first"
    assert plan.generated == ()


def test_a_copy_that_nobody_reads_any_more_is_removed(root: Path) -> None:
    settle(root)
    fewer = _secrets.parse_secrets({**RAW, "redis_password": {"consumers": RAW["redis_password"]["consumers"][:1]}})  # type: ignore[index]
    plan = _secrets.plan_secrets(root, fewer, {}, key=KEY)
    assert {path.parent.name for path in plan.stale} == {"worker"}
    _secrets.remove_unused(root, [str(root / name / version) for name, version in plan.versions.items()])
    assert sorted(path.name for path in root.iterdir()) == [".store", "api", "redis"]


def test_the_key_for_fingerprints_is_not_made_in_check_mode(tmp_path: Path) -> None:
    assert _secrets.read_or_make_key(tmp_path / "key", create=False) == b""
    key = _secrets.read_or_make_key(tmp_path / "key", create=True)
    assert len(key) == 32
    assert _secrets.read_or_make_key(tmp_path / "key", create=False) == key
