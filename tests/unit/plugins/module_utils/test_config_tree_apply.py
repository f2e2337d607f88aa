# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process is really killed at every step the code itself names; the next run finds old or new, never a mixture."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import resource
import signal
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_apply as transaction
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import TreeSpec
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._journal import Journal
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils import config_tree_helpers as helpers

Reached = Callable[[str], None]
Make = Callable[[str], Path]
COMMITTED = "committed"


def tools(reached: Reached) -> transaction.Tools:
    return transaction.Tools(ask=helpers.answers(0).ask, now=lambda: 1.0e9, token=lambda: "0badcafe", reached=reached)


def wanted(root: Path, version: str) -> TreeSpec:
    """Two versions of a tree: between them a file changes, one gets another mode, one appears, one goes."""
    etc = root / "etc"
    same = helpers.file(etc / "same.conf", "same\n")
    if version == "old":
        files = [
            same,
            helpers.file(etc / "changes.conf", "old\n", mode=0o640),
            helpers.file(etc / "mode.conf", mode=0o600),
            helpers.file(etc / "goes.conf", "goes\n"),
        ]
        return helpers.tree(root, *files, directories=(helpers.directory(etc, 0o755),))
    files = [
        same,
        helpers.file(etc / "changes.conf", "new\n", mode=0o600, backup=True, validate=("reader", "%s")),
        helpers.file(etc / "mode.conf", mode=0o644),
        helpers.file(etc / "sub" / "appears.conf", "appears\n", no_log=True),
    ]
    return helpers.tree(root, *files, directories=(helpers.directory(etc, 0o750),), checks=(("reader",),))


def prepare(root: Path) -> None:
    helpers.run(wanted(root, "old"))


def look(root: Path, *, identity: bool = False) -> dict[str, Any]:
    """What a reader of the configuration sees; the state directory is not part of it."""
    seen = helpers.snapshot(root / "etc", identity=identity)
    return {".": oct((root / "etc").stat().st_mode), **seen}


def die_updating(root: Path, at: int) -> None:
    """Bring a prepared tree to the new version, and be killed on the way."""
    run_and_die(lambda reached: helpers.run(wanted(root, "new"), tools=tools(reached)), at)


def run_and_die(action: Callable[[Reached], object], at: int) -> None:
    """Run in a child process that kills itself, as kill -9 does, right after step number ``at``."""
    child = os.fork()
    if child == 0:
        passed = 0

        def reached(_step: str) -> None:
            nonlocal passed
            passed += 1
            if passed == at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            action(reached)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"step {at} was never reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


def failing_at(at: int, number: int) -> Reached:
    """Let step number ``at`` fail by an error of the host."""
    steps = itertools.count(1)

    def reached(_step: str) -> None:
        if next(steps) == at:
            raise OSError(number, "injected")

    return reached


def steps_of(root: Path) -> list[str]:
    steps: list[str] = []
    prepare(root)
    helpers.run(wanted(root, "new"), tools=tools(steps.append))
    return steps


@pytest.fixture(name="fresh")
def _fresh(tmp_path: Path) -> Make:
    def make(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        return root

    return make


def recover(root: Path, reached: Reached = lambda _step: None) -> None:
    state = root / "state"
    transaction.recover(Journal(state / "demo.journal"), state / "demo.json", tools(reached))


def test_a_run_killed_after_any_step_leaves_the_old_or_the_new_tree_to_the_next_run(
    fresh: Make,
) -> None:
    reference = fresh("reference")
    steps = steps_of(reference)
    new = look(reference)
    assert len(steps) > 20
    commit = steps.index(COMMITTED)
    for index, step in enumerate(steps):
        root = fresh(f"at-{index}")
        prepare(root)
        old = look(root, identity=True)
        die_updating(root, index + 1)

        recover(root)

        if index < commit:
            assert look(root, identity=True) == old, f"killed after: {step}"
        else:
            assert look(root) == new, f"killed after: {step}"
        assert not list(root.rglob("*.journal")), f"killed after: {step}"


def test_the_next_full_run_reaches_the_new_tree_and_wakes_the_handlers_that_the_dead_run_could_not(
    fresh: Make,
) -> None:
    reference = fresh("reference")
    steps = steps_of(reference)
    new = look(reference)
    for index, step in enumerate(steps[:-1]):  # after the last step nothing is left to be told
        root = fresh(f"at-{index}")
        prepare(root)
        die_updating(root, index + 1)
        before = helpers.snapshot(root)

        foretold = helpers.run(wanted(root, "new"), check=True, tools=tools(lambda _step: None))
        assert helpers.snapshot(root) == before, f"check mode changed something; killed after: {step}"
        result = helpers.run(wanted(root, "new"), tools=tools(lambda _step: None))

        assert look(root) == new, f"killed after: {step}"
        assert result["changed"], f"killed after: {step}"
        assert helpers.states(result)["changes.conf"] == "changed", f"killed after: {step}"
        assert result == foretold, f"killed after: {step}"
        assert result["recovered"] == ("undone" if index < steps.index(COMMITTED) else "finished")
        assert not helpers.run(wanted(root, "new"))["changed"]


def test_an_undo_killed_after_any_of_its_steps_is_undone_by_the_next_one(fresh: Make) -> None:
    commit = steps_of(fresh("reference")).index(COMMITTED)
    probe = fresh("probe")
    prepare(probe)
    die_updating(probe, commit)
    undo_steps: list[str] = []
    recover(probe, undo_steps.append)
    assert len(undo_steps) > 4
    for index, step in enumerate(undo_steps):
        root = fresh(f"undo-{index}")
        prepare(root)
        old = look(root, identity=True)
        die_updating(root, commit)
        run_and_die(functools.partial(recover, root), index + 1)

        recover(root)

        assert look(root, identity=True) == old, f"undo killed after: {step}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_host_at_any_step_before_the_commit_leaves_the_very_same_old_files(
    fresh: Make, number: int
) -> None:
    steps = steps_of(fresh("reference"))
    for index, step in enumerate(steps[: steps.index(COMMITTED)]):
        root = fresh(f"at-{index}")
        prepare(root)
        old = look(root, identity=True)
        manifest = (root / "state" / "demo.json").read_bytes()

        with pytest.raises(DrydockError) as caught:
            helpers.run(wanted(root, "new"), tools=tools(failing_at(index + 1, number)))
        assert caught.value.kind == ("no_space" if number == errno.ENOSPC else "io_error")
        assert look(root, identity=True) == old, f"failed after: {step}"
        assert (root / "state" / "demo.json").read_bytes() == manifest
        assert not list((root / "state").glob("*.journal"))


def test_a_write_that_breaks_off_in_the_middle_of_a_file_leaves_nothing_of_it(fresh: Make) -> None:
    root = fresh("root")
    prepare(root)
    before = look(root, identity=True)
    large = helpers.tree(root, helpers.file(root / "etc" / "changes.conf", "x" * 1_000_000))
    child = os.fork()
    if child == 0:  # the limit is for this process alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            helpers.run(large)
        except DrydockError as error:
            os._exit(0 if error.kind == "io_error" else 2)
        os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert look(root, identity=True) == before
    assert list(root.rglob(".drydock-*")) == []


def test_what_another_put_in_the_place_of_a_new_file_survives_the_undo(fresh: Make) -> None:
    root = fresh("root")
    prepare(root)
    die_updating(root, 1)
    theirs = root / "etc" / "sub" / "appears.conf"
    theirs.parent.mkdir()
    theirs.write_text("theirs\n")

    recover(root)

    assert theirs.read_text() == "theirs\n"


def test_a_journal_of_another_kind_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "demo.journal")
    journal.begin("release", {}, now=1.0)
    with pytest.raises(DrydockError) as caught:
        transaction.load(journal)
    assert caught.value.kind == "journal_unreadable"
