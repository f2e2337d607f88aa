# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller reaches lab hosts: its key, the hosts' keys, and the connection's options."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from lab.checkout import Checkout

USER = "ops"


@dataclass(frozen=True)
class SshKey:
    """An SSH key pair in OpenSSH's text forms."""

    private: str
    public: str


def new_key(comment: str) -> SshKey:
    """Make a new key pair."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SshKey(private=private.decode(), public=f"{public.decode()} {comment}\n")


def ensure_user_key(checkout: Checkout) -> Path:
    """Make sure the operator's key exists; its public half lies beside it."""
    path = checkout.path("ssh", "id_ed25519")
    with checkout.lock("ssh"):
        if not path.exists():
            path.parent.chmod(0o700)
            key = new_key(f"drydock-lab-{checkout.id}")
            path.with_suffix(".pub").write_text(key.public)
            staged = path.with_suffix(".new")
            staged.unlink(missing_ok=True)
            with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
                handle.write(key.private)
            staged.replace(path)
    return path


def known_hosts(checkout: Checkout) -> Path:
    """The file with the lab hosts' public keys."""
    return checkout.path("ssh", "known_hosts")


def with_host(lines: Iterable[str], address: str, public: str | None) -> list[str]:
    """The lines of a known_hosts file with this host's key replaced, or taken out when there is none."""
    kept = [line for line in lines if line.split(" ", 1)[0] != address]
    if public is not None:
        kept.append(f"{address} {' '.join(public.split()[:2])}")
    return kept


def remember_host(checkout: Checkout, address: str, public: str | None) -> None:
    """Record a host's public key, or forget the host."""
    path = known_hosts(checkout)
    with checkout.lock("ssh"):
        before = path.read_text().splitlines() if path.exists() else []
        staged = path.with_suffix(".new")
        staged.write_text("".join(line + "\n" for line in with_host(before, address, public)))
        staged.replace(path)


def options(checkout: Checkout) -> list[str]:
    """Options of ``ssh``: only the lab's key, only the recorded host key."""
    chosen = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(known_hosts(checkout)),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": "ssh-ed25519",
    }
    return [word for key, value in chosen.items() for word in ("-o", f"{key}={value}")]
