# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would the controller still get in? Holds the ports that a ruleset opens against the session this run came in by."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._ssh_session import Session

ANY = "any"

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Opening:
    """A port that the ruleset opens; no networks means every source."""

    port: int
    protocol: str
    networks: tuple[Network, ...]

    def lets_in(self, session: Session) -> bool:
        if self.protocol != "tcp" or self.port != session.port:
            return False
        client = _address(session.client)
        return not self.networks or any(client.version == net.version and client in net for net in self.networks)


def _address(text: str) -> Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def parse_network(text: str, path: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        hint = ""
        with contextlib.suppress(ValueError):
            hint = f" Did you mean {ipaddress.ip_network(text, strict=False)}?"
        raise DrydockError(
            "invalid_source",
            f"{path}: '{text}' is not a source: {error}. Expected 'any', an address or a network like 192.0.2.0/24 or "
            f"2001:db8::/32.{hint}",
            path=path,
            value=text,
        ) from None


def parse_openings(raw: Iterable[Mapping[str, Any]]) -> tuple[Opening, ...]:
    """Turn the module's ``accepts`` into values; refuses a bad port or source with its path."""
    openings = []
    for index, item in enumerate(raw):
        label = f" ({item['name']})" if item.get("name") else ""
        at = f"accepts[{index}]{label}"
        port = int(item["port"])
        if not 1 <= port <= 65535:
            raise DrydockError(
                "invalid_port",
                f"{at}.port: expected 1 to 65535, found {port}.",
                path=f"{at}.port",
            )
        if item.get("sources") == []:  # the ruleset would open nothing: neither is it "any" here
            raise DrydockError(
                "invalid_source",
                f"{at}.sources: is empty, which would let nobody in. Name addresses or networks, 'any' for everybody, "
                "or take the port out.",
                path=f"{at}.sources",
            )
        sources = [str(source) for source in item.get("sources") or [ANY]]
        networks = [parse_network(text, f"{at}.sources[{n}]") for n, text in enumerate(sources) if text != ANY]
        if ANY in sources:
            networks = []
        openings.append(Opening(port=port, protocol=str(item.get("protocol") or "tcp"), networks=tuple(networks)))
    return tuple(openings)


def refuse_lockout(session: Session | None, openings: tuple[Opening, ...]) -> None:
    """Raise when the rules would not accept the connection that this run itself came in by."""
    if session is None or any(opening.lets_in(session) for opening in openings):
        return
    raise DrydockError(
        "controller_locked_out",
        f"Refused: this run is connected from {session.client} to port {session.port}, and the rules accept no such "
        "new connection, so the next run could not log in. The live rules are unchanged. Add that port and address to "
        "the SSH port and sources (firewall_ssh_port, firewall_ssh_sources), or connect by the way you want to keep.",
        client=session.client,
        port=session.port,
    )
