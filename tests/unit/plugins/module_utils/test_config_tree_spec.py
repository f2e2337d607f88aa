# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree's input: what is accepted, what is refused and by which words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_spec as spec
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

FILE: dict[str, Any] = {
    "dest": "/etc/x.conf",
    "content": base64.b64encode(b"text\n").decode("ascii"),
    "mode": "0640",
    "owner": "root",
    "group": "root",
    "validate": None,
    "wakes": [],
    "no_log": False,
    "backup": False,
    "follow": False,
}
DIRECTORY: dict[str, Any] = {"path": "/etc/x", "mode": "0755", "owner": "root", "group": "root"}


def tree(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "demo",
        "files": [FILE],
        "directories": [],
        "checks": [],
        "state_directory": "/var/lib/x",
        "timeout": 1,
        "lock_timeout": 1,
    }
    return {**base, **changes}


def test_a_file_comes_out_normalised() -> None:
    parsed = spec.parse(tree(files=[{**FILE, "dest": "//etc/./x.conf", "validate": "grep -q 'a b' %s"}]))
    assert parsed.files[0].dest == "/etc/x.conf"
    assert parsed.files[0].content == b"text\n"
    assert parsed.files[0].mode == 0o640
    assert parsed.files[0].validate == ("grep", "-q", "a b", "%s")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "a/b"}, "name: 'a/b'"),
        ({"files": [{**FILE, "dest": "etc/x"}]}, "files[0].dest: 'etc/x' is not absolute"),
        ({"files": [{**FILE, "dest": "/etc/../x"}]}, "files[0].dest: '/etc/../x' has '..'"),
        ({"files": [{**FILE, "dest": "/etc/x/"}]}, "ends with a slash"),
        ({"files": [{**FILE, "dest": "/etc/a\nb"}]}, "character no file name"),
        ({"files": [FILE, FILE]}, "files: /etc/x.conf is declared more than once"),
        ({"files": [FILE, {**FILE, "dest": "/etc//x.conf"}]}, "declared more than once"),
        ({"files": [{**FILE, "mode": 420}]}, "files[0].mode: 420 is not a mode"),
        ({"files": [{**FILE, "mode": "u+x"}]}, "files[0].mode: 'u+x' is not a mode"),
        ({"files": [{**FILE, "mode": "0989"}]}, "is not a mode"),
        ({"files": [{**FILE, "validate": ["sshd", "-t"]}]}, "files[0].validate: %s is missing"),
        ({"files": [{**FILE, "validate": "grep 'x %s"}]}, "files[0].validate: expected a command"),
        ({"files": [{**FILE, "dest": "/etc/x"}], "directories": [DIRECTORY]}, "as a file and as a directory"),
        ({"directories": [DIRECTORY, DIRECTORY]}, "directories: /etc/x is declared more than once"),
        ({"checks": [[]]}, "checks[0]: expected a command"),
        ({"checks": [5]}, "checks[0]: expected a command"),
        ({"state_directory": "var"}, "state_directory: 'var' is not absolute"),
    ],
)
def test_bad_input_is_refused_with_its_path(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(DrydockError) as caught:
        spec.parse(tree(**changes))
    assert caught.value.kind == "bad_input"
    assert expected in caught.value.message


def test_all_violations_are_told_together() -> None:
    with pytest.raises(DrydockError) as caught:
        spec.parse(tree(name="!", files=[{**FILE, "dest": "x", "mode": 1}]))
    assert len(caught.value.details["problems"]) == 3


def test_what_is_packed_comes_out_unchanged_and_does_not_show() -> None:
    value = {"files": [{"content": "hunter2", "dest": "/ä"}]}
    packed = spec.pack(value)
    assert "hunter2" not in packed
    assert spec.unpack(packed) == value


def test_only_a_mapping_is_unpacked() -> None:
    with pytest.raises(TypeError):
        spec.unpack(spec.pack([]))  # type: ignore[arg-type]
