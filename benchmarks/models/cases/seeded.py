# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight hosts that seed each other: how much of a set the origin sends."""

from __future__ import annotations

import contenders
from data import ModelFile, make_files
from plays import Hosts, changed, lab_hosts
from servers import Server, counting_origin
from workbench import MIB, Bar, Bench, CannotRunError, Row, in_turn

CASE = "8 hosts seeded"
ROOT = "/var/lib/drydock/models"
NAMES = [f"bench-{number}" for number in range(1, 9)]


def measure(bench: Bench) -> list[Row]:
    """Through the role model_store, over SSH, each round into empty stores. Counted at the origin."""
    files = bench.folder / "files"
    wanted = make_files(files, 1, 256 * MIB) + make_files(files, 32, 8 * MIB)
    with lab_hosts(NAMES, bench.folder) as hosts, counting_origin(files, bind=hosts.our_address) as server:
        hosts.play({"ansible.builtin.apt": {"name": "python3-requests", "update_cache": True}})
        found = in_turn(bench.rounds, {"sent by the origin": lambda: _sent(server, hosts, wanted)})
    return [Row(CASE, "x the set", found["sent by the origin"], bar=Bar("most", 1.05))]


def _sent(server: Server, hosts: Hosts, files: list[ModelFile]) -> float:
    """Bytes of the origin, in sizes of the set."""
    hosts.play({"ansible.builtin.file": {"path": ROOT, "state": "absent"}})
    before = server.count_at_rest()
    hosts.know(
        model_store_root=ROOT,
        model_store_models=contenders.models(server, {"bench": files}),
        model_store_seed=True,
        model_store_seed_peers=[{"name": name, "address": address} for name, address in hosts.addresses.items()],
    )
    ended = hosts.play({"ansible.builtin.include_role": {"name": "drydock.serving.model_store"}})
    if changed(ended) < len(NAMES):
        raise CannotRunError(f"not every host fetched: {ended.output[-1500:]}")
    return (server.count_at_rest() - before) / sum(file.size for file in files)
