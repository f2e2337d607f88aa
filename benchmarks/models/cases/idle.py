# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing to do, with 2 GiB in 64 sets: a whole play over SSH, beside a play with ``ping`` and what get_url pays."""

from __future__ import annotations

from typing import Any

import contenders
from data import ModelFile, make_files
from plays import changed, lab_hosts
from servers import Server, counting_origin
from workbench import GIB, MIB, Bar, Bench, CannotRunError, Ended, Row, in_turn, say

CASE = "nothing to do, 2 GiB in 64 sets"
PING: dict[str, Any] = {"ansible.builtin.ping": {}}


def measure(bench: Bench) -> list[Row]:
    """Each play is one task on one host, with the same inventory, which holds the models; all become root."""
    files = bench.folder / "files"
    many = make_files(files, 256, 8 * MIB)
    [large] = make_files(files, 1, 2 * GIB)
    with lab_hosts(["bench-1"], bench.folder) as hosts, counting_origin(files, bind=hosts.our_address) as server:
        sets = {f"set-{number:02}": many[4 * number : 4 * number + 4] for number in range(64)}
        hosts.know(models=contenders.models(server, sets))
        sync: dict[str, Any] = {"drydock.serving.model_sync": {"models": "{{ models }}", "reserve": "0"}}
        get_url = {"ansible.builtin.get_url": _get_url(server, large)}
        say("filling the host's store")
        hosts.play({"ansible.builtin.apt": {"name": "python3-requests", "update_cache": True}}, sync, get_url)
        found = in_turn(
            bench.rounds,
            {
                "ping": lambda: hosts.play(PING).seconds,
                "model_sync": lambda: unchanged(hosts.play(sync)).seconds,
                "get_url with checksum": lambda: unchanged(hosts.play(get_url)).seconds,
            },
        )
    ours = found["model_sync"]
    return [
        Row(CASE, "s", ours, against="ping", peer=found["ping"], bar=Bar("within", 1.3)),
        Row(CASE, "s", ours, against="get_url, one file of 2 GiB", peer=found["get_url with checksum"]),
    ]


def unchanged(ended: Ended) -> Ended:
    """A play that changed nothing; another one is not what is measured here."""
    if changed(ended):
        raise CannotRunError(f"the play changed something: {ended.output[-1500:]}")
    return ended


def _get_url(server: Server, file: ModelFile) -> dict[str, str]:
    return {"url": server.url(file), "dest": f"/srv/{file.name}", "checksum": f"sha256:{file.sha256}"}
