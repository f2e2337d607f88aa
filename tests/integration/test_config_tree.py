# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config_tree through ansible-playbook: rendering, handlers, readers that refuse, a module killed in the middle."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.tests.integration.conftest import Play, Target

SECRET = "tr0ub4dor-and-3"
RESULT_KEYS = {"changed", "name", "files", "directories", "wakes", "recovered", "diff", "failed"}


@pytest.fixture(name="tree")
def _tree(target: Target) -> Target:
    (target.root / "secret.txt").write_text(SECRET, encoding="utf-8")
    return target


def play(tree: Target, *options: str, extra_files: Sequence[dict[str, Any]] = (), **variables: Any) -> Play:
    own = {"owner": str(os.getuid()), "group": str(os.getgid())}
    extra = [{**own, **entry} for entry in extra_files]
    return tree.play(*options, readers=str(tree.folder / "readers"), **own, extra_files=extra, **variables)


def states(result: dict[str, Any]) -> dict[str, str]:
    return {Path(entry["dest"]).name: entry["state"] for entry in result["files"]}


def woken(tree: Target) -> set[str]:
    """The handlers that ran since last asked."""
    found = {path.name.removeprefix("woken-"): path for path in tree.root.glob("woken-*")}
    for path in found.values():
        path.unlink()
    return set(found)


def files(tree: Target) -> list[Path]:
    return [path for path in (tree.root / "etc").rglob("*") if path.is_file()]


def content(tree: Target) -> dict[str, bytes]:
    return {str(path.relative_to(tree.root)): path.read_bytes() for path in files(tree)}


def test_check_apply_apply_again_and_check_again(tree: Target) -> None:
    foretold = play(tree, "--check", "--diff")
    assert foretold.rc == 0, foretold.output
    assert not (tree.root / "etc").exists()
    assert not (tree.root / "state").exists()
    assert woken(tree) == {"server", "client", "blob"}

    applied = play(tree, "--diff")
    assert applied.rc == 0, applied.output
    assert {**applied.result, "invocation": None} == {**foretold.result, "invocation": None}
    assert set(applied.result) - {"invocation"} == RESULT_KEYS
    assert woken(tree) == {"server", "client", "blob"}
    written = content(tree)
    assert written["etc/server.conf"] == b"# Ansible managed\nstrict on;\nworker 0\nworker 1\nlisten 80\n"
    assert written["etc/conf.d/secret"] == SECRET.encode()
    assert written["etc/blob"] == bytes(range(256))
    assert (tree.root / "etc").stat().st_mode & 0o7777 == 0o750
    assert (tree.root / "etc/conf.d/secret").stat().st_mode & 0o7777 == 0o600

    for options in ((), ("--check",)):
        again = play(tree, *options)
        assert again.rc == 0, again.output
        assert "changed=0" in again.output.split("PLAY RECAP")[1]
        assert set(states(again.result).values()) == {"unchanged"}
        assert set(again.result) - {"invocation"} == RESULT_KEYS
        assert woken(tree) == set()


def test_only_the_handlers_of_the_file_that_changed_run(tree: Target) -> None:
    play(tree)
    woken(tree)
    changed = play(tree, "--diff", listen=8080)
    assert states(changed.result) == {"server.conf": "changed", "secret": "unchanged", "blob": "unchanged"}
    assert woken(tree) == {"server"}
    assert "-listen 80\n+listen 8080" in changed.output


def test_a_handler_that_does_not_exist_is_an_error_as_with_notify(tree: Target) -> None:
    extra = [{"dest": f"{tree.root}/etc/x", "content": "x", "wakes": ["Reload nobody"]}]
    failed = play(tree, extra_files=extra)
    assert failed.rc != 0
    assert "The requested handler 'Reload nobody' was not found" in failed.output


def test_a_file_no_longer_declared_goes_and_wakes_its_handler(tree: Target) -> None:
    extra = {"dest": f"{tree.root}/etc/x", "content": {"a": [1]}, "wakes": ["Reload server"]}
    play(tree, extra_files=[extra])
    assert (tree.root / "etc/x").read_text(encoding="utf-8") == '{\n  "a": [\n    1\n  ]\n}\n'
    woken(tree)
    for less in ([], [{**extra, "enabled": False}]):
        foretold = play(tree, "--check", extra_files=less)
        assert states(foretold.result)["x"] == "removed"
        assert (tree.root / "etc/x").exists()
        woken(tree)
    play(tree)
    assert not (tree.root / "etc/x").exists()
    assert woken(tree) == {"server"}


def test_a_refused_file_stops_everything_and_says_what_its_reader_said(tree: Target) -> None:
    play(tree)
    before = content(tree)
    woken(tree)
    (tree.root / "secret.txt").write_text("another", encoding="utf-8")
    for options in (("--check",), ()):
        failed = play(tree, *options, listen="http")
        assert failed.rc != 0
        assert failed.result["failure"]["kind"] == "validation_failed"
        assert set(failed.result) >= RESULT_KEYS | {"msg", "failure"}
        assert "http is no port" in failed.output
        assert content(tree) == before
        assert woken(tree) == set()


def test_a_failing_check_of_the_whole_brings_every_old_file_back(tree: Target) -> None:
    play(tree)
    before = {
        path: (path.read_bytes(), path.stat().st_ino) for path in (tree.root / "etc").rglob("*") if path.is_file()
    }
    woken(tree)
    failed = play(tree, listen=8080, checks=[["false"]])
    assert failed.rc != 0
    assert failed.result["failure"]["kind"] == "check_failed"
    after = {path: (path.read_bytes(), path.stat().st_ino) for path in files(tree)}
    assert after == before
    assert woken(tree) == set()


def test_a_module_killed_in_the_middle_is_undone_and_done_by_the_next_run(tree: Target) -> None:
    play(tree)
    woken(tree)
    assassin = [sys.executable, str(tree.folder / "readers" / "assassin.py")]
    killed = play(tree, listen=8080, checks=[assassin])
    assert killed.rc != 0
    assert (tree.root / "state/integration.journal").exists()
    assert b"listen 8080" in (tree.root / "etc/server.conf").read_bytes()
    assert woken(tree) == set()

    foretold = play(tree, "--check")
    assert foretold.result["recovered"] == "undone"
    assert (tree.root / "state/integration.journal").exists()
    assert woken(tree) == {"server"}

    back = play(tree)
    assert back.rc == 0, back.output
    assert back.result["recovered"] == "undone"
    assert b"listen 80\n" in (tree.root / "etc/server.conf").read_bytes()
    assert woken(tree) == {"server"}
    assert list(tree.root.rglob(".drydock-*")) == []
    assert "changed=0" in play(tree).output.split("PLAY RECAP")[1]


def test_a_secret_shows_nowhere_however_much_is_printed(tree: Target) -> None:
    outputs = [play(tree, "--check", "--diff", "-vvvv").output, play(tree, "--diff", "-vvvv").output]
    (tree.root / "etc/conf.d/secret").write_text(f"{SECRET}-edited", encoding="utf-8")
    outputs.append(play(tree, "--diff", "-vvvv").output)
    for output in outputs:
        assert "invocation" in output
        assert SECRET not in output
    for path in (tree.root / "state").iterdir():
        assert SECRET not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            [{"dest": "etc/x", "content": ""}, {"dest": "/a/../x", "content": ""}, {"dest": "/x", "mode": 420}],
            [
                "files[3].dest: 'etc/x' is not absolute",
                "files[4].dest: '/a/../x' has '..'",
                "files[5].mode: 420 is not",
            ],
        ),
        (
            [{"dest": "/x", "content": "", "src": "y"}, {"dest": "/x", "colour": "red"}],
            ["mutually exclusive", "colour"],
        ),
        ([{"dest": "/x", "template": "gone.j2"}], ["/x: gone.j2 was not found"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_touched(
    tree: Target, entries: list[dict[str, Any]], words: list[str]
) -> None:
    failed = play(tree, extra_files=entries)
    assert failed.rc != 0
    assert failed.result["failure"]["kind"] in {"bad_input", "source_missing"}
    assert set(failed.result) >= RESULT_KEYS | {"msg", "failure"}
    for word in words:
        assert word in failed.result["msg"]
    assert not (tree.root / "etc").exists()
