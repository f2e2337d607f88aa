# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be served, as the collection's inventory and as Compose's file: the same containers, the same limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.release.echo.server import GOLDEN

NAME = "trial"
DOMAIN = "echo.drydock.test"
PEER_PORT = 8443
PEER_UPSTREAM = 18999
MISSING = "sha256:" + "0" * 64
# The faults of failing releases, in turn; four of them in twenty changes. "missing" is an image that no registry has.
FAULTS = ("never_ready", "crash_at_start", "crash_later=1", "wrong_golden", "missing")
# Of five changes one fails.
ROUND = ("deploy", "deploy", "fails", "back", "deploy")


@dataclass(frozen=True)
class Wanted:
    """A release: the label its answers carry, how it is to misbehave, what the edge lets through, how many serve, and
    whether the one before it runs on.
    """

    label: str
    faults: str = ""
    client_max_body: str = "20m"
    keep_warm: bool = False
    replicas: int = 1

    def image(self, image: str) -> str:
        """The image it is made of."""
        return f"{image.partition('@')[0]}@{MISSING}" if self.faults == "missing" else image

    @property
    def environment(self) -> dict[str, str]:
        """What its containers are told."""
        told = "" if self.faults == "missing" else self.faults
        return {"ECHO_RELEASE": self.label, "ECHO_FAULTS": told, "ECHO_QUEUE_HOST": "redis"}


@dataclass(frozen=True)
class Change:
    """One of the changes under load; ``what`` is ``deploy``, ``back`` or ``fails``."""

    what: str
    wanted: Wanted


def changes(count: int) -> Sequence[Change]:
    """So many changes: every fifth is one that fails, and every fifth goes back to the release before."""
    served, found = [Wanted("first")], []
    for number in range(count):
        what = ROUND[number % len(ROUND)]
        if what == "fails":
            wanted = Wanted(f"bad-{number}", FAULTS[number // len(ROUND) % len(FAULTS)])
        elif what == "back":
            wanted = served[-2]
        else:
            wanted = Wanted(f"good-{number}")
        if what != "fails":
            served.append(wanted)
        found.append(Change(what, wanted))
    return found


def stack(wanted: Wanted, *, image: str, redis: str, certificate: Path, key: Path) -> dict[str, Any]:
    """What an operator writes. From release to release the environment differs; only the API misbehaves."""
    common = {"secrets": ["redis_password"], "depends_on": ["redis"], "resources": {"cpus": 0.5, "memory": "128m"}}
    patience = {"interval": 1, "timeout": 3, "retries": 10, "start_period": 10}
    working = Wanted(wanted.label)
    return {
        "name": NAME,
        "environment": "lab",
        "domain": DOMAIN,
        "services": {
            "api": {
                "image": wanted.image(image),
                "replicas": wanted.replicas,
                "command": ["api"],
                "port": 8000,
                "routes": ["/"],
                "environment": wanted.environment,
                "health": {"path": "/health/ready", "golden": {"path": "/health/golden", "json": GOLDEN}, **patience},
                **common,
            },
            "worker": {
                "image": image,
                "command": ["worker"],
                "environment": working.environment,
                "health": {"command": ["python3", "-m", "echo", "alive"], **patience},
                **common,
            },
        },
        "components": {"redis": {"image": redis}},
        "release": {"keep_warm": wanted.keep_warm},
        "edge": {
            "client_max_body": wanted.client_max_body,
            "tls": {"mode": "files", "certificate": str(certificate), "key": str(key)},
        },
    }


def compose(wanted: Wanted, *, image: str, redis: str) -> dict[str, Any]:
    """The same for Compose."""
    ready = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=3)"
    common = {
        "init": True,
        "restart": "unless-stopped",
        "cpus": 0.5,
        "mem_limit": "128m",
        "stop_grace_period": "30s",
        "volumes": ["/opt/peer/redis_password:/run/secrets/redis_password:ro"],
        "depends_on": ["redis"],
    }
    patience = {"interval": "1s", "timeout": "3s", "retries": 10, "start_period": "10s"}
    return {
        "name": "peer",
        "services": {
            "api": {
                "image": wanted.image(image),
                "command": ["api"],
                "environment": wanted.environment,
                "ports": [f"127.0.0.1:{PEER_UPSTREAM}:8000"],
                "healthcheck": {"test": ["CMD", "python3", "-c", ready], **patience},
                **common,
            },
            "worker": {
                "image": image,
                "command": ["worker"],
                "environment": Wanted(wanted.label).environment,
                "healthcheck": {"test": ["CMD", "python3", "-m", "echo", "alive"], **patience},
                **common,
            },
            "redis": {
                "image": redis,
                "command": ["redis-server", "--requirepass", "of-the-peer", "--save", "", "--protected-mode", "no"],
            },
        },
    }


# The settings of the collection's edge, as far as they touch a request.
PEER_NGINX = f"""# Made by benchmarks/release.
map $http_upgrade $peer_connection {{ default upgrade; "" ""; }}
upstream peer {{ server 127.0.0.1:{PEER_UPSTREAM} max_fails=0; keepalive 32; }}
server {{
    listen {PEER_PORT} ssl;
    server_name {DOMAIN};
    ssl_certificate /opt/peer/tls.crt;
    ssl_certificate_key /opt/peer/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_timeout 65s;
    access_log /var/log/nginx/peer.log;
    location / {{
        proxy_pass http://peer;
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $peer_connection;
        proxy_connect_timeout 5s;
        proxy_read_timeout 300s;
        proxy_next_upstream error timeout;
        proxy_next_upstream_tries 2;
    }}
}}
"""
