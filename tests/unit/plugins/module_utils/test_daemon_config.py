# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of daemon_config: apply, apply again, check, refuse; and dying in the middle."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.module_utils import (
    _atomic,
    _daemon_config,
    _daemon_config_keys,
    _file_state,
    _lock,
)
from ansible_collections.drydock.serving.plugins.module_utils._daemon_config import Tools, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._reader import Verdict
from ansible_collections.drydock.serving.plugins.modules import daemon_config

FOREIGN = '{\n    "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}\n}\n'


class Engine:
    """A dockerd that says what it is told to."""

    def __init__(self, *, installed: bool = True, validates: bool = True, rc: int = 0, says: str = "") -> None:
        self.asked: list[list[str]] = []
        self.seen: list[dict[str, Any]] = []
        self._validates, self._rc, self._says = validates, rc, says
        self.tools = Tools(ask=self._ask, installed=lambda _program: installed, now=lambda: 1.0e9)

    def _ask(self, argv: Sequence[str], timeout: float) -> Verdict:
        self.asked.append(list(argv))
        if argv[1] == "--help":
            return Verdict(rc=0, output="  --validate   Validate" if self._validates else "  --debug")
        self.seen.append(json.loads(Path(argv[-1]).read_bytes()))
        return Verdict(rc=self._rc, output=self._says)


def wanted(root: Path, config: dict[str, Any], **changes: Any) -> Wanted:
    base = Wanted(
        name="docker_engine",
        path=root / "docker" / "daemon.json",
        declared=_daemon_config_keys.parse_declared(config),
        backup=True,
        state_directory=root / "state",
        timeout=5,
        lock_timeout=0,
    )
    return replace(base, **changes)


def run(root: Path, config: dict[str, Any], *, check: bool = False, **changes: Any) -> dict[str, Any]:
    engine = Engine(installed=False)
    return _daemon_config.converge(wanted(root, config, **changes), check=check, tools=engine.tools)[0]


def content(root: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((root / "docker" / "daemon.json").read_bytes())
    return value


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "daemon.json").write_text(FOREIGN)
    return tmp_path


def test_keys_are_merged_in_and_a_second_run_changes_nothing(host: Path) -> None:
    first = run(host, {"log-opts.max-size": "1m"})
    assert first["changed"]
    assert (first["impact"], first["restart_required"], first["reload_enough"]) == ("restart", True, False)
    assert content(host) == {**json.loads(FOREIGN), "log-opts": {"max-size": "1m"}}
    assert (host / "docker" / "daemon.json").read_text().splitlines()[1].startswith("    ")
    before = (host / "docker" / "daemon.json").stat()

    second = run(host, {"log-opts.max-size": "1m"})

    assert not second["changed"]
    assert (second["impact"], second["keys"], second["backup"], second["validated"]) == ("none", [], "", "unchanged")
    assert (host / "docker" / "daemon.json").stat().st_mtime_ns == before.st_mtime_ns
    assert first.keys() == second.keys()


def test_a_file_that_is_right_already_is_not_reformatted(host: Path) -> None:
    run(host, {"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}})
    assert (host / "docker" / "daemon.json").read_text() == FOREIGN


def test_check_mode_says_what_a_run_does_and_changes_nothing(host: Path) -> None:
    foretold = run(host, {"debug": True}, check=True)
    assert (host / "docker" / "daemon.json").read_text() == FOREIGN
    assert not (host / "state").exists()
    done = run(host, {"debug": True})
    assert {**foretold, "backup": done["backup"]} == done
    assert '"debug": true' in done["diff"]["after"]
    assert '"debug"' not in done["diff"]["before"]


def test_check_mode_works_on_a_bare_host(tmp_path: Path) -> None:
    result = run(tmp_path, {"debug": True}, check=True)
    assert (result["changed"], result["validated"]) == (True, "no_engine")
    assert list(tmp_path.iterdir()) == []


def test_a_first_run_on_a_bare_host_creates_the_file(tmp_path: Path) -> None:
    assert run(tmp_path, {"debug": True})["backup"] == ""
    assert content(tmp_path) == {"debug": True}
    assert (tmp_path / "docker" / "daemon.json").stat().st_mode & 0o777 == 0o644


def test_a_directory_made_on_the_way_is_passable_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        run(tmp_path, {"debug": True})
    finally:
        os.umask(before)
    assert (tmp_path / "docker").stat().st_mode & 0o777 == 0o755


def test_a_key_no_longer_declared_goes_and_foreign_ones_stay(host: Path) -> None:
    run(host, {"debug": True, "log-opts.max-size": "1m"})
    result = run(host, {"debug": True})
    assert [(entry["key"], entry["change"]) for entry in result["keys"]] == [("log-opts.max-size", "removed")]
    assert content(host) == {**json.loads(FOREIGN), "debug": True}
    run(host, {})
    assert content(host) == json.loads(FOREIGN)


def test_two_owners_hold_different_keys_and_cannot_hold_the_same(host: Path) -> None:
    run(host, {"debug": True})
    run(host, {"default-runtime": "nvidia"}, name="nvidia_runtime")
    run(host, {"debug": True})
    assert content(host)["default-runtime"] == "nvidia"
    with pytest.raises(DrydockError) as caught:
        run(host, {"debug": False}, name="nvidia_runtime")
    assert caught.value.kind == "owned_elsewhere"
    assert "docker_engine" in caught.value.message
    assert content(host)["debug"] is True


def test_broken_json_is_left_as_it_is(host: Path) -> None:
    path = host / "docker" / "daemon.json"
    path.write_text('{\n "debug": true\n "x": 1}')
    for check in (True, False):
        with pytest.raises(DrydockError) as caught:
            run(host, {"debug": True}, check=check)
        assert caught.value.kind == "invalid_json"
        assert (caught.value.details["line"], caught.value.details["column"]) == (3, 2)
    assert path.read_text() == '{\n "debug": true\n "x": 1}'


@pytest.mark.parametrize("check", [True, False])
def test_the_engine_sees_the_whole_new_file(host: Path, check: bool) -> None:
    engine = Engine()
    result, _secrets = _daemon_config.converge(wanted(host, {"debug": True}), check=check, tools=engine.tools)
    assert result["validated"] == "yes"
    assert engine.seen == [{**json.loads(FOREIGN), "debug": True}]


@pytest.mark.parametrize("check", [True, False])
def test_what_the_engine_refuses_is_not_written(host: Path, check: bool) -> None:
    engine = Engine(rc=1, says="unknown key nonsense; proxy http://u:sesame@p")
    with pytest.raises(DrydockError) as caught:
        _daemon_config.converge(wanted(host, {"nonsense": 1}), check=check, tools=engine.tools)
    assert caught.value.kind == "refused_by_engine"
    assert "unknown key nonsense" in caught.value.message
    assert "sesame" not in caught.value.message
    assert (host / "docker" / "daemon.json").read_text() == FOREIGN


def test_an_engine_too_old_to_check_is_said_to_be(host: Path) -> None:
    engine = Engine(validates=False)
    result, _secrets = _daemon_config.converge(wanted(host, {"debug": True}), check=False, tools=engine.tools)
    assert result["validated"] == "not_supported"
    assert engine.seen == []


def test_the_old_file_is_kept_and_only_the_last_five_are(host: Path) -> None:
    for number in range(8):
        engine = Engine(installed=False)
        tools = replace(engine.tools, now=functools.partial(float, 1_000_000_000 + number))
        result, _secrets = _daemon_config.converge(wanted(host, {"mtu": number}), check=False, tools=tools)
        assert json.loads(Path(result["backup"]).read_bytes()).get("mtu") == (number - 1 if number else None)
    assert len(list((host / "docker").glob("daemon.json.*~"))) == 5
    run(host, {"mtu": 99}, backup=False)
    assert len(list((host / "docker").glob("daemon.json.*~"))) == 5


def test_the_backup_just_made_stays_also_after_the_clock_was_set_back(host: Path) -> None:
    for year in range(2090, 2095):
        (host / "docker" / f"daemon.json.{year}-01-01T000000Z~").write_text("{}")
    result = run(host, {"debug": True})
    assert Path(result["backup"]).read_text() == FOREIGN
    assert len(list((host / "docker").glob("daemon.json.*~"))) == 5


def test_keys_held_in_another_file_are_neither_given_back_here_nor_in_the_way(host: Path) -> None:
    run(host, {"debug": True})
    other = host / "docker" / "other.json"
    other.write_text('{"debug": true}')
    assert not run(host, {}, path=other)["changed"]
    run(host, {"debug": False}, path=other, name="rootless")
    assert json.loads(other.read_text()) == {"debug": False}


def test_mode_and_owner_of_the_file_stay(host: Path) -> None:
    path = host / "docker" / "daemon.json"
    path.chmod(0o600)
    run(host, {"debug": True})
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_refused(host: Path) -> None:
    path = host / "docker" / "daemon.json"
    path.rename(host / "real.json")
    path.symlink_to(host / "real.json")
    with pytest.raises(DrydockError) as caught:
        run(host, {"debug": True})
    assert caught.value.kind == "symlink"
    assert (host / "real.json").read_text() == FOREIGN


def test_a_second_writer_is_told_to_wait(host: Path) -> None:
    run(host, {})
    with _lock.held(host / "state" / "lock", timeout=0), pytest.raises(DrydockError) as caught:
        run(host, {"debug": True})
    assert caught.value.kind == "busy"


def test_passwords_in_urls_are_handed_out_to_be_masked(host: Path) -> None:
    tools = Engine(installed=False).tools
    declared = wanted(host, {"proxies": {"http-proxy": "http://user:sesame@proxy:3128"}})
    _result, secrets = _daemon_config.converge(declared, check=True, tools=tools)
    assert secrets == ("sesame",)


@pytest.mark.parametrize("at", range(1, 5))
def test_a_run_that_dies_before_any_write_leaves_keys_the_next_run_still_knows(
    host: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    run(host, {"debug": True, "mtu": 1400})
    calls = 0
    real = _atomic.write_atomic

    def die(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(_atomic, "write_atomic", die)
        with pytest.raises(KeyboardInterrupt):
            run(host, {"debug": True, "ipv6": True})

    assert content(host) in (
        {**json.loads(FOREIGN), "debug": True, "mtu": 1400},
        {**json.loads(FOREIGN), "debug": True, "ipv6": True},
    )
    run(host, {})
    assert content(host) == json.loads(FOREIGN)


def test_a_half_written_file_of_a_killed_run_is_cleared_away(host: Path) -> None:
    (host / "docker" / ".drydock-daemon.json.abc").write_text("{")
    run(host, {"debug": True})
    assert sorted(path.name for path in (host / "docker").glob(".*")) == []


def test_a_damaged_list_of_owned_keys_is_refused(host: Path) -> None:
    run(host, {"debug": True})
    (host / "state" / "docker_engine.json").write_text('{"schema": 9}')
    with pytest.raises(DrydockError) as caught:
        run(host, {})
    assert caught.value.kind == "state_unreadable"


def test_the_failure_kinds_are_one_closed_list_in_code_and_documentation() -> None:
    listed = _daemon_config.FAILURE_KINDS
    folder = Path(_daemon_config.__file__).parent
    names = ("_daemon_config", "_daemon_config_keys", "_lock", "_file_state", "_reader")
    code = "".join((folder / f"{name}.py").read_text() for name in names)
    raised = set(re.findall(r'DrydockError\(\s*"(\w+)"', code)) | set(_file_state.HOST_FAILURE_KINDS)
    # The reader is asked only when it is there, and no directory is compared here.
    assert raised - {"validator_missing", "not_a_directory"} == set(listed)
    assert yaml.safe_load(daemon_config.RETURN)["failure"]["contains"]["kind"]["choices"] == sorted(listed)
