# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks on the controller: which one is meant, what it is given, and that it ends."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job import hooks
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.hooks import Done, find, run

HOOK = {"name": "smoke", "when": "before", "phase": "switch", "where": "controller", "command": ["true"]}
ASKED = Question(identity="0" * 32, name="smoke", when="before", phase="switch")


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ([HOOK], True),
        ([{**HOOK, "name": "other"}, HOOK], True),
        ([{**HOOK, "where": "host"}], False),
        ([{**HOOK, "phase": "commit"}], False),
        ([{**HOOK, "when": "after"}], False),
        ([], False),
    ],
)
def test_only_a_hook_that_the_operator_declared_for_the_controller_is_found(declared: list[Any], found: bool) -> None:
    assert find({"release": {"hooks": declared}}, ASKED) == (HOOK if found else None)


def test_a_stack_without_hooks_has_none() -> None:
    assert find({}, ASKED) is None
    assert find({"release": None}, ASKED) is None
    assert find({"release": {"hooks": None}}, ASKED) is None


def python(code: str, folder: Path, **hook: Any) -> Done:
    command = [sys.executable, "-c", code]
    return run({"command": command, **hook}, {"id": "r001"}, environment={"DRYDOCK_HOOK": "smoke"}, folder=str(folder))


def test_it_gets_the_record_its_name_and_its_folder(tmp_path: Path) -> None:
    code = "import json, os, sys; print(json.load(sys.stdin), os.environ['DRYDOCK_HOOK'], os.getcwd())"
    done = python(code, tmp_path)
    assert (done.code, done.output.strip()) == (0, f"{{'id': 'r001'}} smoke {tmp_path.resolve()}")


def test_no_shell_reads_its_command(tmp_path: Path) -> None:
    done = run({"command": ["echo", "$HOME; id"]}, {}, environment={}, folder=str(tmp_path))
    assert done == Done(0, "$HOME; id\n")


def test_what_it_says_on_either_stream_and_its_exit_status_are_kept(tmp_path: Path) -> None:
    done = python("import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)", tmp_path)
    assert done == Done(3, "one\ntwo\n")


def test_one_that_prints_megabytes_is_kept_to_its_last_words(tmp_path: Path) -> None:
    done = python("import sys; sys.stdout.write('x' * 5_000_000 + 'the end')", tmp_path)
    assert done.code == 0
    assert done.output.endswith("the end")
    assert len(done.output) <= hooks.LONGEST_OUTPUT


def test_one_that_writes_each_line_by_itself_is_kept_as_far_as_any_other(tmp_path: Path) -> None:
    code = "import os, time\nfor number in range(40): os.write(1, b'line %d\\n' % number); time.sleep(0.01)"
    assert python(code, tmp_path).output == "".join(f"line {number}\n" for number in range(40))


def test_one_that_reads_nothing_of_a_long_record_does_not_hang(tmp_path: Path) -> None:
    done = run({"command": ["true"]}, {"long": "x" * 1_000_000}, environment={}, folder=str(tmp_path))
    assert done == Done(0, "")


CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""


def gone(process: int) -> bool:
    """Whether it ended, waiting for the kernel to be done with it."""
    for _attempt in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("hangs", [True, False])
def test_its_children_end_with_it_whether_it_hangs_or_not(tmp_path: Path, hangs: bool) -> None:
    done = python(CHILD + ("child.wait()" if hangs else ""), tmp_path, timeout=1.5)
    assert done.code == (None if hangs else 0)
    assert gone(int(done.output))


def test_a_child_that_has_left_its_group_ends_with_it(tmp_path: Path) -> None:
    done = python(CHILD.replace('600)"]', '600)"], start_new_session=True'), tmp_path)
    assert done.code == 0
    assert gone(int(done.output))


@pytest.mark.parametrize(("command", "code"), [(["/no/such"], 127), ([], 126), (["/"], 126)])
def test_one_that_cannot_be_run_says_so(tmp_path: Path, command: list[str], code: int) -> None:
    done = run({"command": command}, {}, environment={}, folder=str(tmp_path))
    assert done.code == code
    assert "could not be run" in done.output


def test_it_ends_when_nobody_wants_its_answer_any_more(tmp_path: Path) -> None:
    hook = {"command": [sys.executable, "-c", "import time; time.sleep(600)"], "timeout": 600}
    assert run(hook, {}, environment={}, folder=str(tmp_path), gone=lambda: True) == Done(None, "")


def test_the_environment_of_the_operator_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_OPERATOR", "yes")
    done = python("import os, json; print(json.dumps(os.environ['OF_THE_OPERATOR']))", tmp_path)
    assert json.loads(done.output) == os.environ["OF_THE_OPERATOR"]
