# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _nftables as nftables
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

TABLE = nftables.Table(family="inet", name="drydock", body="  chain input {\n    tcp dport 22 accept\n  }")
LISTING = "table inet drydock {\n\tchain input {\n\t\ttcp dport 22 accept\n\t}\n}\n"
TABLES = f"table inet drydock\ntable inet {nftables.SENTINEL}\n"


class Kernel:
    """An nft that answers from a script and remembers what it was told to load."""

    def __init__(self, *, live: str = "", wanted: str = LISTING, tables: str = TABLES) -> None:
        self.live = live
        self.wanted = wanted
        self.tables = tables
        self.loaded: list[str] = []
        self.failure = nftables.CommandResult(0, "", "")

    def __call__(self, argv: Sequence[str], text: str) -> nftables.CommandResult:
        if self.failure.code and argv[0] == self.failure.out:
            return self.failure
        if argv[0] == "unshare":
            return nftables.CommandResult(0, f"{self.tables}{nftables.MARK}\n{self.wanted}", "")
        if "list" in argv:
            missing = nftables.CommandResult(1, "", "Error: No such file or directory\nlist table inet drydock\n")
            return nftables.CommandResult(0, self.live, "") if self.live else missing
        self.loaded.append(text)
        return nftables.CommandResult(0, "", "")


def test_a_missing_table_is_loaded_in_one_transaction_that_names_no_other(tmp_path: Path) -> None:
    kernel = Kernel()
    path = tmp_path / "etc" / "firewall.nft"
    plan = nftables.plan_present(kernel, TABLE, path)
    assert plan.reload
    assert plan.persist
    nftables.execute_present(kernel, TABLE, path, plan)
    assert kernel.loaded == [TABLE.transaction]
    assert TABLE.transaction.splitlines()[:3] == [
        "table inet drydock",
        "delete table inet drydock",
        "table inet drydock {",
    ]
    assert "flush" not in TABLE.persisted
    assert path.read_text().endswith(TABLE.transaction)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_table_that_lists_alike_and_is_persisted_needs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(TABLE.persisted)
    path.chmod(0o600)
    plan = nftables.plan_present(Kernel(live=LISTING), TABLE, path)
    assert not plan.changed
    assert plan.reasons == ()


def test_an_edited_live_table_is_reloaded_and_the_file_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(TABLE.persisted)
    path.chmod(0o600)
    kernel = Kernel(live=LISTING.replace("22", "23"))
    plan = nftables.plan_present(kernel, TABLE, path)
    assert (plan.reload, plan.persist) == (True, False)
    assert (plan.before, plan.after) == (kernel.live, LISTING)


def test_an_edited_boot_file_is_replaced_and_the_live_table_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(TABLE.persisted + "# note\n")
    kernel = Kernel(live=LISTING)
    plan = nftables.plan_present(kernel, TABLE, path)
    nftables.execute_present(kernel, TABLE, path, plan)
    assert kernel.loaded == []
    assert path.read_text() == TABLE.persisted


def test_planning_changes_nothing(tmp_path: Path) -> None:
    kernel = Kernel()
    nftables.plan_present(kernel, TABLE, tmp_path / "firewall.nft")
    assert kernel.loaded == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tables",
    [
        "table inet drydock\n",  # the sentinel is gone: something flushed the ruleset
        TABLES + "table inet other\n",  # a second table came along
    ],
)
def test_content_that_reaches_into_other_tables_is_refused(tables: str) -> None:
    with pytest.raises(DrydockError) as failure:
        nftables.plan_present(Kernel(tables=tables), TABLE, None)
    assert failure.value.kind == "foreign_table"


def test_a_ruleset_that_does_not_load_is_refused_in_nft_s_own_words() -> None:
    kernel = Kernel()
    kernel.failure = nftables.CommandResult(1, "unshare", "/dev/stdin:2:3-7: Error: syntax error, unexpected string")
    with pytest.raises(DrydockError, match="unexpected string") as failure:
        nftables.plan_present(kernel, TABLE, None)
    assert failure.value.kind == "invalid_ruleset"


def test_a_host_without_network_namespaces_is_told_apart_from_a_bad_ruleset() -> None:
    kernel = Kernel()
    kernel.failure = nftables.CommandResult(1, "unshare", "unshare: unshare failed: Operation not permitted")
    with pytest.raises(DrydockError) as failure:
        nftables.plan_present(kernel, TABLE, None)
    assert failure.value.kind == "scratch_refused"


def test_a_refused_commit_writes_no_boot_file(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    kernel = Kernel()
    plan = nftables.plan_present(kernel, TABLE, path)
    kernel.failure = nftables.CommandResult(1, "nft", "Error: Could not process rule: Device or resource busy")
    with pytest.raises(DrydockError, match="kept the rules it had"):
        nftables.execute_present(kernel, TABLE, path, plan)
    assert not path.exists()


def test_nft_without_rights_is_a_failure_and_not_an_absent_table() -> None:
    kernel = Kernel()
    kernel.failure = nftables.CommandResult(1, "nft", "Operation not permitted (you must be root)")
    with pytest.raises(DrydockError, match="run with become"):
        nftables.list_live(kernel, "inet", "drydock")


def test_absent_takes_table_and_file_away_and_then_rests(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(TABLE.persisted)
    kernel = Kernel(live=LISTING)
    plan = nftables.plan_absent(kernel, "inet", "drydock", path)
    nftables.execute_absent(kernel, "inet", "drydock", path, plan)
    assert kernel.loaded == ["delete table inet drydock\n"]
    assert not path.exists()
    assert not nftables.plan_absent(Kernel(), "inet", "drydock", path).changed


@pytest.mark.parametrize("name", ["", "1st", "a b", "x;flush ruleset", "x" * 64])
def test_a_name_that_could_be_read_as_more_is_refused(name: str) -> None:
    with pytest.raises(DrydockError):
        nftables.validate_name(name)


@pytest.mark.parametrize(
    "body",
    [
        "}\ntable ip nat { }\ndelete table ip nat\ntable inet drydock {",
        'chain a { iifname "{" accept } } destroy table ip nat',
        "chain a { # {\n} }\nflush ruleset\ntable inet drydock {",
    ],
)
def test_content_that_closes_its_own_table_is_refused_before_anything_runs(body: str) -> None:
    def run(argv: Sequence[str], text: str) -> nftables.CommandResult:
        raise AssertionError(f"ran {argv} with {text}")

    with pytest.raises(DrydockError, match="closes the table") as failure:
        nftables.list_wanted(run, nftables.Table(family="inet", name="drydock", body=body))
    assert failure.value.kind == "foreign_table"


def test_braces_in_comments_and_names_are_no_braces() -> None:
    nftables.refuse_escape(nftables.Table("inet", "drydock", 'chain a { # }\n iifname "}" accept comment "}}" }'))


def test_a_file_that_others_may_write_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "firewall.nft"
    path.write_text(TABLE.persisted)
    path.chmod(0o622)
    kernel = Kernel(live=LISTING)
    plan = nftables.plan_present(kernel, TABLE, path)
    assert (plan.reload, plan.persist) == (False, True)
    nftables.execute_present(kernel, TABLE, path, plan)
    assert path.stat().st_mode & 0o777 == nftables.PERSISTED_MODE
