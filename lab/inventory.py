# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as Ansible sees it: one host, and the addresses of what the lab offers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab import ssh
from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.hosts import Host, find_host
from lab.services import ORIGIN, REGISTRY

SITE_HOST = "lab-1"
GROUP = "drydock"
DEMO_DOMAIN = "ocr.drydock.test"
DOWN = "The lab is down: start it with 'make lab-up' (or 'python -m lab up')."


def connection(checkout: Checkout, host: Host) -> dict[str, Any]:
    """How to reach a host, in Ansible's words."""
    return {
        "ansible_host": host.address,
        "ansible_port": 22,
        "ansible_user": ssh.USER,
        "ansible_ssh_private_key_file": str(ssh.ensure_user_key(checkout)),
        "ansible_ssh_common_args": " ".join(ssh.options(checkout)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def write_facts(checkout: Checkout, images: dict[str, str]) -> None:
    """Record what the lab offers, for the inventory and for Molecule."""
    certificate = ensure_certificate(checkout, "demo", (DEMO_DOMAIN,))
    value = {
        "lab_ca_path": str(ensure_ca(checkout).certificate),
        "lab_certificate_path": str(certificate.certificate),
        "lab_key_path": str(certificate.key),
        "lab_registry": f"{REGISTRY.fqdn}:{REGISTRY.port}",
        "lab_origin_url": f"https://{ORIGIN.fqdn}",
        "lab_images": images,
    }
    path = checkout.path("facts.json")
    staged = path.with_suffix(".new")
    staged.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    staged.replace(path)


def read_facts(checkout: Checkout) -> dict[str, Any]:
    """What the lab offers."""
    try:
        found: dict[str, Any] = json.loads(checkout.path("facts.json").read_text())
    except (OSError, ValueError) as exc:
        raise LabError(DOWN) from exc
    return found


def sample(checkout: Checkout) -> Path:
    """A picture whose text is known."""
    return checkout.root / "examples" / "ocr" / "sample.png"


def inventory(checkout: Checkout) -> dict[str, Any]:
    """The whole inventory, in the form of Ansible's inventory scripts."""
    docker = Docker.find()
    host = find_host(checkout, docker, SITE_HOST) if docker is not None else None
    if host is None or not host.running:
        raise LabError(DOWN)
    return {
        "_meta": {"hostvars": {SITE_HOST: connection(checkout, host)}},
        GROUP: {"hosts": [SITE_HOST]},
        "all": {"children": [GROUP], "vars": {**read_facts(checkout), "lab_sample_path": str(sample(checkout))}},
    }
