# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is told about the group it exchanges model files with, checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

# Longer than the longest pause a source may ask for, and than all tries of one that says nothing, with the defaults.
PATIENCE = 400.0
PEER_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int"},
}
# The role gives all but the secrets, which the action plugin adds. Only those are hidden: Ansible would else hide every
# number and name in here wherever it shows.
SEED_SPEC: dict[str, dict[str, Any]] = {
    "listen": {"type": "int", "required": True},
    "token": {"type": "str", "no_log": True},
    "certificate": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "peers": {"type": "list", "elements": "dict", "required": True, "options": PEER_SPEC},
    "name": {"type": "str", "required": True},
    "idle": {"type": "float", "default": 60},
    "wait": {"type": "float", "default": 3600},
    "patience": {"type": "float", "default": PATIENCE},
}
_TOKEN = re.compile(r"[A-Za-z0-9]{32,256}")
_KEY = re.compile(r"[A-Za-z0-9+/=]{32,10000}")


@dataclass(frozen=True)
class Peer:
    """A host of the group, and where the others reach it."""

    name: str
    address: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """As ``Source.origin`` gives it."""
        return ("https", self.address.lower(), self.port)

    @property
    def base(self) -> str:
        """The beginning of its addresses, without a slash at the end."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}"


@dataclass(frozen=True)
class SeedConfig:
    """How this host serves the group and asks it.

    :param listen: port to serve on.
    :param token: what every request of the group carries; made for this run.
    :param certificate: PEM; the only one that is accepted of a peer.
    :param key: its private key, PKCS #8 in base64.
    :param peers: all hosts of the group in the order of the inventory; earlier ones fetch first.
    :param name: which of them this host is.
    :param idle: seconds without a request of the group after which serving ends.
    :param wait: seconds that this host waits at most for others, in all; serving ends so long after its own sync, too.
    :param patience: seconds after which a host that gets no further is not waited for any longer.
    """

    listen: int
    token: str
    certificate: str
    key: str
    peers: tuple[Peer, ...]
    name: str
    idle: float = 60.0
    wait: float = 3600.0
    patience: float = PATIENCE

    @property
    def own(self) -> Peer | None:
        """This host's own entry."""
        return next((peer for peer in self.peers if peer.name == self.name), None)


def parse_seed(raw: Mapping[str, Any]) -> SeedConfig:
    """Check the option ``seed``.

    :raises DrydockError: kind ``invalid_input`` with every violation; no secret is repeated.
    """
    problems = list(_problems(raw))
    if problems:
        raise DrydockError(
            "invalid_input",
            "The option 'seed' cannot be used: "
            + "; ".join(problems)
            + ". Nothing was touched. Next step: leave it to "
            "the action plugin, which makes it of the variables model_store_seed_* of the role.",
            problems=problems,
        )
    return SeedConfig(
        listen=raw["listen"],
        token=raw["token"],
        certificate=raw["certificate"],
        key=raw["key"],
        peers=tuple(
            Peer(name=peer["name"], address=peer["address"], port=peer.get("port") or raw["listen"])
            for peer in raw["peers"]
        ),
        name=raw["name"],
        idle=60.0 if raw.get("idle") is None else float(raw["idle"]),
        wait=3600.0 if raw.get("wait") is None else float(raw["wait"]),
        patience=PATIENCE if raw.get("patience") is None else float(raw["patience"]),
    )


def _problems(raw: Mapping[str, Any]) -> Iterator[str]:
    for name in ("token", "certificate", "key", "name"):
        if not isinstance(raw.get(name), str) or not raw[name]:
            yield f"seed.{name}: is missing"
    if not _TOKEN.fullmatch(raw.get("token") or ""):
        yield "seed.token: expected 32 letters and digits or more"
    if not _KEY.fullmatch(raw.get("key") or ""):
        yield "seed.key: expected a private key in base64, in one line"
    if not _is_port(raw.get("listen")):
        yield f"seed.listen: expected a port (1 to 65535), found {raw.get('listen')!r}"
    for name in ("idle", "wait", "patience"):
        if isinstance(raw.get(name), (int, float)) and raw[name] <= 0:
            yield f"seed.{name}: expected more than 0 seconds, found {raw[name]}"
    yield from _wrong_peers(raw.get("peers") or ())


def _wrong_peers(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for index, peer in enumerate(peers):
        where = f"seed.peers[{index}]"
        address = peer.get("address")
        if not peer.get("name"):
            yield f"{where}.name: is missing"
        if not isinstance(address, str) or not address or any(c.isspace() or c in "/@?#[]\\" for c in address):
            yield f"{where}.address: expected an address or name of a host, found {address!r}"
        if peer.get("port") is not None and not _is_port(peer["port"]):
            yield f"{where}.port: expected a port (1 to 65535), found {peer['port']!r}"
    names = [str(peer.get("name")) for peer in peers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"seed.peers: {name} is listed more than once"


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and 0 < value < 65536
