# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind ``host_check``: two questions over the connection, no module, no file on the host."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible_collections.drydock.serving.plugins.plugin_utils._host_check import judge, probe

OPTIONS: dict[str, Any] = {
    "distributions": {"type": "dict", "required": True},
    "architectures": {"type": "list", "elements": "str", "default": ["amd64", "arm64"]},
    "python": {"type": "str", "default": "3.9"},
    "clock_skew": {"type": "int", "default": 120},
    "disk": {"type": "dict", "default": {}},
    "models_root": {"type": "str", "default": "/var/lib/drydock/models"},
    "models": {"type": "list", "elements": "dict", "default": []},
    "needs": {"type": "dict", "default": {}},
    "capacity": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core carries no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask, judge, and report everything at once."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, options = self.validate_argument_spec(OPTIONS)
        wanted = _wanted(options)
        facts = self._ask(variables)
        problems = judge.controller_problems(ansible_version, sys.version_info[:3])
        problems += judge.exemption_problems(options["models"], today=datetime.now(timezone.utc).date())
        problems += judge.host_problems(facts, wanted, now=time.time())
        problems += self._as_root(facts, wanted)
        result.update(
            changed=False,
            problems=problems,
            host={
                "user": facts.user,
                "distribution": facts.distribution,
                "version": facts.version,
                "architecture": judge.ARCHITECTURES.get(facts.machine, facts.machine),
                "python": facts.python,
                "memory": facts.memory,
                "cpus": facts.cpus,
            },
        )
        if problems:
            name = variables.get("inventory_hostname", "The host")
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            result.update(
                failed=True,
                msg=f"{name} cannot be deployed to; nothing was changed. {count}:\n"
                + "\n".join(f"- {problem}" for problem in problems),
                failure={"kind": "unfit_host", "problems": len(problems)},
            )
        return result

    def _ask(self, variables: dict[str, Any]) -> probe.HostFacts:
        """Ask as the user that logged in.

        :raises AnsibleConnectionFailure: the host does not answer, in words that say what to look at.
        """
        interpreter = str(variables.get("ansible_python_interpreter") or "auto")
        python = "python3" if interpreter.startswith("auto") else interpreter
        command = probe.unprivileged_probe(python, self._become_method())
        try:
            answer = self._low_level_execute_command(command, sudoable=False)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(self._unreachable(variables, str(error))) from error
        return probe.parse_unprivileged(str(answer.get("stdout", "")))

    def _as_root(self, facts: probe.HostFacts, wanted: judge.Wanted) -> list[str]:
        """Ask as root, by the way the play becomes root; one problem when that does not work."""
        sets = [model.folder for model in wanted.models]
        command = probe.privileged_probe([*wanted.disk, wanted.models_root], sets)
        try:
            answer = self._low_level_execute_command(command, sudoable=True)
        except AnsibleError as error:  # the connection plugin saw sudo ask for a password
            return [judge.become_problem(facts, self._become_method(), str(error))]
        root = probe.parse_privileged(str(answer.get("stdout", "")))
        if root.uid == 0:
            return judge.disk_problems(root, wanted)
        detail = str(answer.get("stderr") or answer.get("stdout") or "")
        return [judge.become_problem(facts, self._become_method(), detail.strip()[:300])]

    def _become_method(self) -> str:
        plugin = self._connection.become
        return str(plugin.name).rsplit(".", 1)[-1] if plugin is not None else "sudo"

    def _unreachable(self, variables: dict[str, Any], detail: str) -> str:
        name = str(variables.get("inventory_hostname", "the host"))
        address = str(variables.get("ansible_host") or name)
        port = variables.get("ansible_port") or 22
        user = variables.get("ansible_user")
        login = f"{user}@{address}" if user else address
        return (
            f"{name} does not let this controller in ({login}, port {port}); nothing was changed there. "
            f"Is the address right, the host up, the port open to this controller, and your key in its "
            f"authorized_keys? "
            f"Try: ssh -p {port} {login}. The connection said: {detail.strip()}"
        )


def _wanted(options: dict[str, Any]) -> judge.Wanted:
    root = options["models_root"]
    return judge.Wanted(
        distributions={str(key).lower(): value for key, value in options["distributions"].items()},
        architectures=options["architectures"],
        python=options["python"],
        clock_skew=options["clock_skew"],
        disk={str(path): int(count) for path, count in options["disk"].items()},
        models_root=root,
        models=[
            judge.Model(
                folder=f"{root}/sets/{model['name']}/{model['version']}",
                size=sum(int(item["size"]) for item in model["files"]),
            )
            for model in options["models"]
        ],
        needs=options["needs"],
        capacity=options["capacity"],
    )
