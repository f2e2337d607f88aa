# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One nftables table: what it is now, what it should be, and the one transaction between the two.

Equality is never judged on text. The wanted table is loaded into a scratch network namespace and listed there by the
same ``nft`` that lists the live one, so spelling, order and defaults cannot look like a difference, and an error in
the ruleset shows before anything live is touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir, write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9_.-]{0,62}$")
SENTINEL = "drydock_scratch_sentinel"
MARK = "-- listing --"
_TOKEN = re.compile(r'"[^"]*"|#[^\n]*|[{}]')
PERSISTED_MODE = 0o600

# A shell, because several nft processes have to run inside one namespace. The text is constant; values are arguments.
SCRATCH_SCRIPT = (
    f'nft add table inet {SENTINEL} && nft -f - && nft list tables && echo "{MARK}" && nft -s list table "$1" "$2"'
)


class CommandResult(NamedTuple):
    """What a program answered."""

    code: int
    out: str
    err: str


Run = Callable[[Sequence[str], str], CommandResult]
"""Runs an argument list with a text on its standard input."""


@dataclass(frozen=True)
class Table:
    """The wanted table. ``body`` is what stands between the braces."""

    family: str
    name: str
    body: str

    @property
    def definition(self) -> str:
        return f"table {self.family} {self.name} {{\n{self.body.rstrip()}\n}}\n"

    @property
    def transaction(self) -> str:
        """Replaces the table in one commit: the kernel shows the old rules or the new ones, never none."""
        return f"table {self.family} {self.name}\ndelete table {self.family} {self.name}\n{self.definition}"

    @property
    def persisted(self) -> str:
        return (
            "#!/usr/sbin/nft -f\n"
            "# Written by drydock.serving.nftables_table; changes made here are replaced by the next run.\n"
            f"{self.transaction}"
        )


@dataclass(frozen=True)
class Plan:
    """What was found and what has to be done. ``before`` and ``after`` are listings in nft's own words."""

    before: str
    after: str
    reload: bool
    persist: bool
    reasons: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.reload or self.persist


def validate_name(name: str) -> str:
    if not NAME.match(name):
        raise DrydockError(
            "invalid_name",
            f"'{name}' is not a table name: expected a letter, then letters, digits, '_', '.' or '-' (at most 63).",
            name=name,
        )
    return name


def list_live(run: Run, family: str, name: str) -> str:
    """The live table without counters, or an empty text when there is none."""
    result = run(["nft", "-s", "list", "table", family, name], "")
    if result.code == 0:
        return result.out
    if "No such file or directory" in result.err:
        return ""
    raise DrydockError(
        "nft_failed",
        f"nft could not list table {family} {name}: {result.err.strip()}. Expected root's rights (CAP_NET_ADMIN) and a "
        "kernel with nf_tables; run with become, and look at 'nft list ruleset' on the host.",
        stderr=result.err.strip(),
    )


def refuse_escape(table: Table) -> None:
    """Refuse content that ends its own table: what follows could delete a foreign one, which leaves nothing to see."""
    depth = 0
    for token in _TOKEN.findall(table.body):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            raise DrydockError(
                "foreign_table",
                f"The content closes the table {table.family} {table.name} it is in, by a '}}' that nothing opened. "
                "What follows would reach outside; other tables belong to others (Docker among them). Take it out.",
            )


def list_wanted(run: Run, table: Table) -> str:
    """The wanted table as nft lists it once loaded; proves that it loads and that it touches nothing else."""
    refuse_escape(table)
    argv = ["unshare", "--net", "--", "sh", "-c", SCRATCH_SCRIPT, "sh", table.family, table.name]
    result = run(argv, table.definition)
    if result.code != 0:
        if "unshare" in result.err:
            raise DrydockError(
                "scratch_refused",
                f"The host refused a scratch network namespace: {result.err.strip()}. It is where a ruleset is checked "
                "before it goes live, and needs CAP_SYS_ADMIN; run with become on a host that allows 'unshare --net'.",
                stderr=result.err.strip(),
            )
        raise DrydockError(
            "invalid_ruleset",
            f"nft refuses the ruleset for table {table.family} {table.name}; the live rules are unchanged.\n"
            f"{result.err.strip()}\nLine numbers count from 'table {table.family} {table.name} {{' as line 1.",
            stderr=result.err.strip(),
        )
    tables, _mark, listing = result.out.partition(f"{MARK}\n")
    found = sorted(line.strip() for line in tables.splitlines() if line.strip())
    expected = sorted([f"table {table.family} {table.name}", f"table inet {SENTINEL}"])
    if found != expected:
        raise DrydockError(
            "foreign_table",
            f"The ruleset reaches outside table {table.family} {table.name}: after loading it alone, expected "
            f"{expected}, found {found}. Other tables belong to others (Docker among them); take out every 'flush', "
            "'delete' and further 'table' from the content.",
            found=found,
        )
    return listing


def read_persisted(path: Path) -> str | None:
    """The text of the persisted file, None when it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def plan_present(run: Run, table: Table, path: Path | None) -> Plan:
    """Compare the live table and the persisted file with what is wanted; changes nothing."""
    after = list_wanted(run, table)
    before = list_live(run, table.family, table.name)
    reasons = []
    if before != after:
        reasons.append("the live table differs from the declared one" if before else "the table is not loaded")
    persist = path is not None and read_persisted(path) != table.persisted
    if persist:
        reasons.append(f"{path} is not what the next boot should load")
    elif path is not None and path.stat().st_mode & ~PERSISTED_MODE & 0o777:
        persist = True
        reasons.append(f"others than root may change or read {path}, which the next boot loads")
    return Plan(before=before, after=after, reload=before != after, persist=persist, reasons=tuple(reasons))


def plan_absent(run: Run, family: str, name: str, path: Path | None) -> Plan:
    before = list_live(run, family, name)
    persist = path is not None and read_persisted(path) is not None
    reasons = (["the table is loaded"] if before else []) + ([f"{path} exists"] if persist else [])
    return Plan(before=before, after="", reload=bool(before), persist=persist, reasons=tuple(reasons))


def plan_unseen(table: Table, path: Path | None) -> Plan:
    """The plan for a host without nft: everything is still to be done, and nothing can be checked yet."""
    return Plan(
        before="",
        after=table.definition,
        reload=True,
        persist=path is not None and read_persisted(path) != table.persisted,
        reasons=("nft is not installed yet: the ruleset is neither loaded nor checked",),
    )


def _commit(run: Run, text: str, what: str) -> None:
    result = run(["nft", "-f", "-"], text)
    if result.code != 0:
        raise DrydockError(
            "nft_failed",
            f"nft could not {what}; the kernel kept the rules it had. {result.err.strip()}. The same rules loaded in a "
            "scratch namespace: look for a missing kernel module or a table of that name with another owner.",
            stderr=result.err.strip(),
        )


def execute_present(run: Run, table: Table, path: Path | None, plan: Plan) -> None:
    """Live first, file second: a ruleset that turns out wrong is gone after a power cycle, not made permanent."""
    if plan.reload:
        _commit(run, table.transaction, f"load table {table.family} {table.name}")
    if plan.persist and path is not None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(path, table.persisted.encode("utf-8"), mode=PERSISTED_MODE)


def execute_absent(run: Run, family: str, name: str, path: Path | None, plan: Plan) -> None:
    if plan.reload:
        _commit(run, f"delete table {family} {name}\n", f"delete table {family} {name}")
    if plan.persist and path is not None:
        path.unlink()
        fsync_dir(path.parent)
