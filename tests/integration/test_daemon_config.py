# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon_config through ansible-playbook: merge, check, refuse, and the two handlers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.tests.integration.conftest import Target

FOREIGN = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}}}
RESULT_KEYS = {
    "backup",
    "changed",
    "diff",
    "failed",
    "file",
    "impact",
    "keys",
    "reload_enough",
    "restart_required",
    "validated",
}
# It refuses what the real one refuses first: a key it does not know.
ENGINE = """#!/usr/bin/env python3
import json, sys
if "--help" in sys.argv:
    sys.exit(print("      --validate   Validate daemon configuration and exit"))
unknown = set(json.load(open(sys.argv[sys.argv.index("--config-file") + 1]))) - {"runtimes", "debug", "log-opts"}
if unknown:
    sys.exit(f"unable to configure the Docker daemon: the following directives are unknown: {sorted(unknown)}")
"""


@pytest.fixture(name="host")
def _host(target: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A host with an engine that can validate, and a daemon.json in which someone else has a key."""
    programs = target.root / "bin"
    programs.mkdir()
    (programs / "dockerd").write_text(ENGINE, encoding="utf-8")
    (programs / "dockerd").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    (target.root / "docker").mkdir()
    path(target).write_text(json.dumps(FOREIGN), encoding="utf-8")
    return target


def path(target: Target) -> Path:
    return target.root / "docker" / "daemon.json"


def content(target: Target) -> Any:
    return json.loads(path(target).read_bytes())


def handlers(target: Target) -> set[str]:
    """The handlers that ran since last asked."""
    found = {name for name in ("restarted", "reloaded") if (target.root / name).exists()}
    for name in found:
        (target.root / name).unlink()
    return found


def test_check_apply_apply_again_and_give_back(host: Target) -> None:
    config = {"log-opts.max-size": "10m", "debug": True}
    foretold = host.play("--check", "--diff", config=config)
    assert foretold.rc == 0, foretold.output
    assert content(host) == FOREIGN
    assert not (host.root / "state").exists()
    assert '+    "max-size": "10m"' in foretold.output
    assert handlers(host) == {"restarted"}

    applied = host.play(config=config)
    assert applied.rc == 0, applied.output
    assert {**applied.result, "backup": "", "invocation": None} == {**foretold.result, "invocation": None}
    assert set(applied.result) - {"invocation"} == RESULT_KEYS
    assert content(host) == {**FOREIGN, "log-opts": {"max-size": "10m"}, "debug": True}
    assert json.loads(Path(applied.result["backup"]).read_bytes()) == FOREIGN
    assert handlers(host) == {"restarted"}

    again = host.play(config=config)
    assert "changed=0" in again.output.split("PLAY RECAP")[1]
    assert set(again.result) - {"invocation"} == RESULT_KEYS
    assert handlers(host) == set()

    host.play(config={"log-opts": {"max-size": "10m"}})
    assert handlers(host) == {"reloaded"}
    host.play(config={})
    assert content(host) == FOREIGN


def test_what_the_engine_does_not_know_is_refused_in_its_words(host: Target) -> None:
    for options in (("--check",), ()):
        failed = host.play(*options, config={"debgu": True})
        assert failed.rc != 0
        assert failed.result["failure"]["kind"] == "refused_by_engine"
        assert "directives are unknown: ['debgu']" in failed.result["msg"]
        assert set(failed.result) >= RESULT_KEYS | {"msg", "failure"}
    assert content(host) == FOREIGN
    assert handlers(host) == set()


def test_broken_json_is_never_overwritten(host: Target) -> None:
    path(host).write_text('{"debug": true,}', encoding="utf-8")
    failed = host.play(config={"debug": True})
    assert failed.rc != 0
    assert "line 1, column" in failed.result["msg"]
    assert path(host).read_text(encoding="utf-8") == '{"debug": true,}'


def test_a_password_in_a_url_shows_nowhere(host: Target) -> None:
    path(host).write_text('{"runtimes": {"x": "http://user:sesame-street@proxy"}}', encoding="utf-8")
    shown = host.play("--diff", "-vvv", config={"debug": True})
    assert shown.rc == 0, shown.output
    assert "sesame-street" not in shown.output
    assert "sesame-street" in path(host).read_text(encoding="utf-8")


def test_a_password_shows_neither_in_the_arguments_of_a_failure(host: Target) -> None:
    failed = host.play("-vvv", config={"proxies": {"http-proxy": "http://user:sesame-street@proxy"}})
    assert failed.result["failure"]["kind"] == "refused_by_engine"
    assert '"invocation"' in failed.output
    assert "sesame-street" not in failed.output
