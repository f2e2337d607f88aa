# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run in check mode: its command line and environment, from those of the run that asks for it. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

CALLBACK = "drydock.serving.drift"
RECORD_VARIABLE = "DRYDOCK_DRIFT_RECORD"

# option of ansible-playbook -> its key among the parsed arguments
_VALUES = {
    "--limit": "subset",
    "--forks": "forks",
    "--user": "remote_user",
    "--private-key": "private_key_file",
    "--connection": "connection",
    "--timeout": "timeout",
    "--ssh-common-args": "ssh_common_args",
    "--ssh-extra-args": "ssh_extra_args",
    "--become-method": "become_method",
    "--become-user": "become_user",
    "--become-password-file": "become_password_file",
    "--connection-password-file": "connection_password_file",
}
_LISTS = {
    "--inventory": "inventory",
    "--extra-vars": "extra_vars",
    "--vault-id": "vault_ids",
    "--vault-password-file": "vault_password_files",
    "--tags": "tags",
    "--skip-tags": "skip_tags",
}
_ASKING = {
    "ask_pass": "--connection-password-file",
    "become_ask_pass": "--become-password-file",
    "ask_vault_pass": "--vault-password-file",
}


def command(playbook: str, arguments: Mapping[str, Any]) -> list[str]:
    """The command line of the run in check mode.

    :param arguments: the parsed arguments of the run that asks (``context.CLIARGS``).
    :raises DrydockError: ``needs_password_file`` when a password was typed in: it cannot be handed on.
    """
    for key, option in _ASKING.items():
        if arguments.get(key):
            raise DrydockError(
                "needs_password_file",
                f"A password that is typed in cannot be handed to the run in check mode. Use {option}, as the nightly "
                f"run "
                "has to anyway.",
            )
    words = [sys.executable, "-m", "ansible", "playbook", "--check", "--diff"]
    for option, key in _VALUES.items():
        if arguments.get(key) is not None:
            words += [option, str(arguments[key])]
    for option, key in _LISTS.items():
        for value in arguments.get(key) or ():
            words += [option, str(value)]
    if arguments.get("become"):
        words.append("--become")
    return [*words, playbook]


def environment(base: Mapping[str, str], callbacks: Iterable[str], record: str) -> dict[str, str]:
    """The environment of the run: the same, with the callback that takes notes, and plain output."""
    enabled = [name for name in callbacks if name != CALLBACK]
    return {
        **{key: value for key, value in base.items() if key not in {"ANSIBLE_FORCE_COLOR", "ANSIBLE_STDOUT_CALLBACK"}},
        "ANSIBLE_CALLBACKS_ENABLED": ",".join([*enabled, CALLBACK]),
        "ANSIBLE_NOCOLOR": "1",
        RECORD_VARIABLE: record,
    }
