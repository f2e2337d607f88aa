# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of a tree does and says: apply, apply again, check, refuse."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree, _file_state
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_plan as planning
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_apply import Tools
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._reader import Verdict
from ansible_collections.drydock.serving.plugins.modules import config_tree
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils import config_tree_helpers as helpers
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils.config_tree_helpers import file, run, tree

PLUGINS = Path(_config_tree.__file__).parents[1]
SHARED = [PLUGINS / "module_utils" / f"{name}.py" for name in ("_file_state", "_journal", "_lock", "_reader")] + [
    PLUGINS / "plugin_utils" / "_render.py"
]
SECRET = "correct-horse-battery"


def test_a_first_run_creates_a_second_does_nothing_and_says_so(tmp_path: Path) -> None:
    wanted = tree(
        tmp_path,
        file(tmp_path / "etc" / "deep" / "a.conf", wakes=("Reload a",), mode=0o600),
        directories=(helpers.directory(tmp_path / "etc", 0o750),),
    )
    first = run(wanted)
    assert first["changed"]
    assert first["wakes"] == ["Reload a"]
    assert [Path(entry["path"]).name for entry in first["directories"]] == ["etc", "deep"]
    assert (tmp_path / "etc").stat().st_mode & 0o7777 == 0o750
    assert (tmp_path / "etc" / "deep" / "a.conf").stat().st_mode & 0o7777 == 0o600
    before = helpers.snapshot(tmp_path, identity=True)

    second = run(wanted)

    assert not second["changed"]
    assert second["wakes"] == []
    assert second["diff"] == []
    assert helpers.states(second) == {"a.conf": "unchanged"}
    after = helpers.snapshot(tmp_path, identity=True)
    assert {path: entry for path, entry in after.items() if path != "state/lock"} == {
        path: entry for path, entry in before.items() if path != "state/lock"
    }


def test_check_mode_says_exactly_what_a_run_does_and_changes_nothing(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    run(tree(tmp_path, file(etc / "a", "1\n"), file(etc / "b", mode=0o600), file(etc / "gone")))
    wanted = tree(
        tmp_path, file(etc / "a", "2\n", wakes=("A",)), file(etc / "b", wakes=("B",)), file(etc / "new" / "c")
    )
    before = helpers.snapshot(tmp_path, identity=True)

    foretold = run(wanted, check=True)

    assert helpers.snapshot(tmp_path, identity=True) == before
    assert helpers.states(foretold) == {"a": "changed", "b": "attributes", "c": "created", "gone": "removed"}
    assert foretold == run(wanted)


def test_check_mode_on_a_bare_host_creates_not_even_the_state_directory(tmp_path: Path) -> None:
    result = run(tree(tmp_path, file(tmp_path / "etc" / "a")), check=True)
    assert result["changed"]
    assert list(tmp_path.iterdir()) == []


def test_only_the_handlers_of_changed_files_are_woken_each_once(tmp_path: Path) -> None:
    files = [file(tmp_path / name, wakes=("Reload x", f"Reload {name}")) for name in ("a", "b", "c")]
    run(tree(tmp_path, *files))
    (tmp_path / "a").write_text("edited\n")
    (tmp_path / "c").write_text("edited\n")
    assert run(tree(tmp_path, *files))["wakes"] == ["Reload x", "Reload a", "Reload c"]


def test_a_file_no_longer_declared_is_removed_and_wakes_the_handlers_it_had(tmp_path: Path) -> None:
    run(tree(tmp_path, file(tmp_path / "a"), file(tmp_path / "b", wakes=("Reload b",))))
    result = run(tree(tmp_path, file(tmp_path / "a")))
    assert helpers.states(result) == {"a": "unchanged", "b": "removed"}
    assert result["wakes"] == ["Reload b"]
    assert not (tmp_path / "b").exists()
    assert not run(tree(tmp_path, file(tmp_path / "a")))["changed"]


def test_a_removed_file_that_someone_edited_is_kept_under_another_name(tmp_path: Path) -> None:
    run(tree(tmp_path, file(tmp_path / "b.conf")))
    (tmp_path / "b.conf").write_text("work of an hour\n")
    run(tree(tmp_path))
    assert not (tmp_path / "b.conf").exists()
    (kept,) = tmp_path.glob("b.conf.*~")
    assert kept.read_text() == "work of an hour\n"


def test_what_lies_at_a_dropped_path_and_is_no_file_stays_with_a_warning(tmp_path: Path) -> None:
    run(tree(tmp_path, file(tmp_path / "a")))
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/hostname")
    outcome = _config_tree.converge(tree(tmp_path), check=False, diff=False)
    assert not outcome.result["changed"]
    assert "no longer declared; it stays" in outcome.warnings[0]
    assert (tmp_path / "a").is_symlink()


def test_a_backup_keeps_the_old_content_mode_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("theirs\n")
    (tmp_path / "a").chmod(0o640)
    run(tree(tmp_path, file(tmp_path / "a", backup=True)))
    (kept,) = tmp_path.glob("a.*~")
    assert kept.read_text() == "theirs\n"
    assert kept.stat().st_mode & 0o7777 == 0o640


def test_an_identical_file_is_taken_over_without_a_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text\n")
    (tmp_path / "a").chmod(0o644)
    assert not run(tree(tmp_path, file(tmp_path / "a")))["changed"]
    assert helpers.states(run(tree(tmp_path)))["a"] == "removed"


def test_a_refused_file_moves_nothing_and_the_failure_holds_the_readers_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old\n")
    before = helpers.snapshot(tmp_path, identity=True)
    wanted = tree(tmp_path, file(tmp_path / "a", validate=("nginx", "-t", "-c", "%s")), file(tmp_path / "b"))
    with pytest.raises(DrydockError) as caught:
        run(wanted, tools=helpers.answers(1, "unknown directive on line 3"))
    assert caught.value.kind == "validation_failed"
    assert "unknown directive on line 3" in caught.value.message
    assert caught.value.details["rc"] == 1
    after = helpers.snapshot(tmp_path, identity=True)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {"state", "state/lock"}


def test_the_reader_sees_the_staged_content_with_its_final_mode_beside_its_place(tmp_path: Path) -> None:
    asked: list[tuple[str, bytes, int]] = []

    def ask(argv: Sequence[str], timeout: float) -> Verdict:
        staged = Path(argv[-1].removeprefix("--config="))
        asked.append((staged.name, staged.read_bytes(), staged.stat().st_mode & 0o7777))
        assert staged.parent == tmp_path
        return Verdict(rc=0, output="")

    wanted = tree(tmp_path, file(tmp_path / "x.service", mode=0o600, validate=("verify", "--config=%s")))
    run(wanted, tools=Tools(ask=ask))
    ((name, content, mode),) = asked
    assert name.startswith(".")
    assert name.endswith("x.service")
    assert (content, mode) == (b"text\n", 0o600)


def test_a_failing_check_of_the_whole_puts_the_very_same_files_back(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    run(tree(tmp_path, file(etc / "a", "old\n", mode=0o640), file(etc / "gone", "old\n")))
    before = helpers.snapshot(etc, identity=True)
    wanted = tree(tmp_path, file(etc / "a", "new\n"), file(etc / "sub" / "b"), checks=(("sshd", "-t"),))
    with pytest.raises(DrydockError) as caught:
        run(wanted, tools=helpers.answers(255, "bad option"))
    assert caught.value.kind == "check_failed"
    assert "bad option" in caught.value.message
    assert helpers.snapshot(etc, identity=True) == before
    assert not list(tmp_path.rglob("*.journal"))


def test_a_check_of_the_whole_that_quotes_a_secret_file_is_not_repeated(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "a", SECRET, no_log=True), checks=(("nginx", "-t"),))
    with pytest.raises(DrydockError) as caught:
        run(wanted, tools=helpers.answers(1, f'unknown directive "{SECRET}"'))
    assert caught.value.kind == "check_failed"
    assert SECRET not in json.dumps(caught.value.as_result())
    assert "no_log" in caught.value.message


def test_checks_see_the_new_files_and_are_not_run_when_nothing_changed(tmp_path: Path) -> None:
    seen: list[str] = []

    def ask(argv: Sequence[str], timeout: float) -> Verdict:
        seen.append((tmp_path / "a").read_text())
        return Verdict(rc=0, output="")

    wanted = tree(tmp_path, file(tmp_path / "a", "new\n"), checks=(("sshd", "-t"),))
    run(wanted, tools=Tools(ask=ask))
    run(wanted, tools=Tools(ask=ask))
    assert seen == ["new\n"]


def test_a_missing_reader_is_a_failure_and_in_check_mode_a_warning(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "a", validate=("no-such-reader", "%s")))
    outcome = _config_tree.converge(wanted, check=True, diff=False)
    assert outcome.result["changed"]
    assert "no-such-reader is not installed" in outcome.warnings[0]
    with pytest.raises(DrydockError) as caught:
        run(wanted)
    assert caught.value.kind == "validator_missing"
    assert not (tmp_path / "a").exists()


def test_check_mode_asks_the_reader_too(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "a", validate=("false", "%s")))
    with pytest.raises(DrydockError) as caught:
        run(wanted, check=True)
    assert caught.value.kind == "validation_failed"
    assert list(tmp_path.iterdir()) == []


def test_check_mode_only_warns_of_a_refusal_where_the_directory_does_not_exist_yet(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "not-yet" / "a", validate=("false", "%s")))
    outcome = _config_tree.converge(wanted, check=True, diff=False)
    assert "lacks its directory" in outcome.warnings[0]


@pytest.mark.parametrize("which", ["owner", "group"])
def test_an_unknown_owner_is_a_failure_and_in_check_mode_a_warning(tmp_path: Path, which: str) -> None:
    wanted = tree(tmp_path, file(tmp_path / "a", **{which: "nobody-of-that-name"}))
    outcome = _config_tree.converge(wanted, check=True, diff=True)
    assert helpers.states(outcome.result) == {"a": "created"}
    assert "nobody-of-that-name" in outcome.warnings[0]
    with pytest.raises(DrydockError) as caught:
        run(wanted)
    assert caught.value.kind == "unknown_owner"
    assert not (tmp_path / "a").exists()


def test_a_link_at_the_destination_is_refused_and_followed_only_on_demand(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("old\n")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "link")))
    assert caught.value.kind == "symlink"
    assert "symbolic link to real" in caught.value.message
    assert real.read_text() == "old\n"

    run(tree(tmp_path, file(tmp_path / "link", follow=True)))

    assert real.read_text() == "text\n"
    assert (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "a", follow=True)))
    assert caught.value.kind == "symlink"


def test_a_path_something_is_mounted_on_is_explained() -> None:
    failure = _file_state.os_failure(OSError(errno.EBUSY, "busy", "/etc/hosts"))
    assert failure.kind == "io_error"
    assert "/etc/hosts" in failure.message
    assert "mounted" in failure.message


def test_a_declared_directory_is_made_once_also_when_its_path_leads_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")  # as /lib is to /usr/lib, and /var/run to /run
    place = tmp_path / "alias" / "x.d"
    wanted = tree(tmp_path, file(place / "a"), directories=(helpers.directory(place, 0o750),))
    foretold = run(wanted, check=True)
    assert [entry["path"] for entry in run(wanted)["directories"]] == [str(place)]
    assert [entry["path"] for entry in foretold["directories"]] == [str(place)]
    assert (tmp_path / "real" / "x.d").stat().st_mode & 0o7777 == 0o750


@pytest.mark.parametrize("fresh", [True, False])
def test_a_directory_swapped_for_a_link_while_the_run_is_under_way_gives_nothing_away(
    tmp_path: Path, fresh: bool
) -> None:
    precious, place = tmp_path / "precious", tmp_path / "place"
    precious.mkdir(mode=0o700)
    if not fresh:
        place.mkdir(mode=0o700)

    def swap(step: str) -> None:
        if step == (f"created {place}" if fresh else "journal begun"):
            place.rename(tmp_path / "aside")
            place.symlink_to(precious)

    wanted = tree(tmp_path, directories=(helpers.directory(place, 0o777),))
    with pytest.raises(DrydockError):
        run(wanted, tools=Tools(reached=swap))
    assert precious.stat().st_mode & 0o7777 == 0o700


def test_two_ways_to_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "real" / "a"), file(tmp_path / "alias" / "a")))
    assert caught.value.kind == "bad_input"
    assert "are one file" in caught.value.message


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "directory":
        (tmp_path / "a").mkdir()
    else:
        os.mkfifo(tmp_path / "a")
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "a")))
    assert caught.value.kind == "not_a_file"


def test_a_file_where_a_directory_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    for wanted in (
        tree(tmp_path, file(tmp_path / "etc" / "a")),
        tree(tmp_path, directories=(helpers.directory(tmp_path / "etc"),)),
    ):
        with pytest.raises(DrydockError) as caught:
            run(wanted)
        assert caught.value.kind == "not_a_directory"


def test_a_linked_directory_is_refused_as_a_declared_one_but_fine_as_a_parent(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    run(tree(tmp_path, file(tmp_path / "alias" / "a")))
    assert (tmp_path / "real" / "a").exists()
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, directories=(helpers.directory(tmp_path / "alias"),)))
    assert caught.value.kind == "symlink"


def test_two_trees_cannot_own_one_file(tmp_path: Path) -> None:
    run(tree(tmp_path, file(tmp_path / "a"), name="first"))
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "a", "other\n"), name="second"))
    assert caught.value.kind == "owned_elsewhere"
    assert "'first'" in caught.value.message
    assert (tmp_path / "a").read_text() == "text\n"


def test_a_second_run_at_the_same_time_is_told_to_wait(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "a"), checks=(("reader",),))
    kinds: list[str] = []

    def ask(argv: Sequence[str], timeout: float) -> Verdict:
        with pytest.raises(DrydockError) as caught:
            run(wanted)
        kinds.append(caught.value.kind)
        return Verdict(rc=0, output="")

    run(wanted, tools=Tools(ask=ask))
    assert kinds == ["busy"]


def test_nothing_of_a_secret_file_shows_in_result_or_state(tmp_path: Path) -> None:
    target = tmp_path / "etc" / "secret"
    wanted = tree(tmp_path, file(target, SECRET, no_log=True, validate=("cat", "%s")))
    results = [run(wanted, check=True), run(wanted)]
    target.write_text(f"{SECRET}-edited")
    results += [run(wanted, check=True), run(wanted)]
    results.append(run(tree(tmp_path, file(target, "plain\n")), check=True))  # the old content is still a secret
    results.append(run(tree(tmp_path)))  # removed
    assert [result["changed"] for result in results] == [True] * 6
    assert SECRET not in json.dumps(results)
    state = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert SECRET.encode() not in state
    assert planning.digest(SECRET.encode()).encode() not in state


def test_what_the_reader_of_a_secret_file_says_is_not_shown(tmp_path: Path) -> None:
    wanted = tree(tmp_path, file(tmp_path / "secret", SECRET, no_log=True, validate=("reader", "%s")))
    with pytest.raises(DrydockError) as caught:
        run(wanted, tools=helpers.answers(1, f"bad word {SECRET}"))
    assert SECRET not in json.dumps(caught.value.as_result())


def test_the_diff_has_the_text_before_and_after_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old\n")
    (tmp_path / "a").chmod(0o600)
    result = run(tree(tmp_path, file(tmp_path / "a", "new\n")), check=True)
    attributes, content = result["diff"]
    assert (attributes["before"]["mode"], attributes["after"]["mode"]) == ("0600", "0644")
    assert (content["before"], content["after"]) == ("old\n", "new\n")
    assert content["before_header"] == content["after_header"] == str(tmp_path / "a")
    assert run(tree(tmp_path, file(tmp_path / "a", "new\n")), check=True, diff=False)["diff"] == []


@pytest.mark.parametrize(("content", "word"), [(b"\xff\xfe", "binary"), (b"x" * 200_000, "too large")])
def test_a_diff_that_cannot_be_shown_says_why(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "a").write_bytes(content)
    (entry,) = [entry for entry in run(tree(tmp_path, file(tmp_path / "a")), check=True)["diff"] if "prepared" in entry]
    assert word in entry["prepared"]


def test_a_damaged_list_of_owned_files_is_refused(tmp_path: Path) -> None:
    run(tree(tmp_path, file(tmp_path / "a")))
    (tmp_path / "state" / "demo.json").write_text("{")
    with pytest.raises(DrydockError) as caught:
        run(tree(tmp_path, file(tmp_path / "a")))
    assert caught.value.kind == "manifest_unreadable"


def test_the_failure_kinds_are_one_closed_list_in_code_and_documentation() -> None:
    listed = _config_tree.FAILURE_KINDS
    code = "".join(path.read_text() for path in (*PLUGINS.glob("module_utils/_config_tree*.py"), *SHARED))
    raised = set(re.findall(r'DrydockError\(\s*"(\w+)"', code))
    assert raised | set(_file_state.HOST_FAILURE_KINDS) == set(listed)
    documented = yaml.safe_load(config_tree.RETURN)["failure"]["contains"]["kind"]["choices"]
    assert documented == sorted(documented) == list(listed)


def test_a_long_name_still_fits_when_staged(tmp_path: Path) -> None:
    name = "n" * 250
    run(tree(tmp_path, file(tmp_path / name)))
    run(tree(tmp_path, file(tmp_path / name, "other\n", backup=True)))
    assert (tmp_path / name).read_text() == "other\n"
