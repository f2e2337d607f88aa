# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished around a release: migrations of services, hooks, backups. Their shape, and what is refused of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import coerce, fields
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.fields import Field, Reader, scalar
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.policy import holds_secret
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

WHOLE = "release"
FAILURE = "failure"
PHASES = (*RELEASE_STEPS, WHOLE, FAILURE)
DAY = 86400

_seconds = scalar(coerce.within(coerce.to_int, 1, DAY))


def to_reason(value: Any) -> str:
    """Why something cannot be undone; ``false`` is no reason and means that it can."""
    if value is False:
        return ""
    if value is True:
        raise ValueError("expected false, or in words why it cannot be undone: they are what a refused rollback says")
    text = coerce.to_str(value).strip()
    if not text:
        raise ValueError("is empty; expected false, or in words why it cannot be undone")
    return text


def migrate(environment: Reader) -> Reader:
    """A service's job before its new containers come up.

    :param environment: the reader of variables.
    """
    return fields.record(
        {
            "command": Field(fields.command, required=True),
            "timeout": Field(_seconds, 600),
            "irreversible": Field(scalar(to_reason), ""),
            "environment": Field(environment, {}),
        }
    )


hook = fields.record(
    {
        "name": Field(scalar(coerce.matching(r"[a-z][a-z0-9-]{0,30}", "small letters, digits and '-'")), required=True),
        "when": Field(scalar(coerce.choice("before", "after")), required=True),
        "phase": Field(scalar(coerce.choice(*PHASES)), required=True),
        "where": Field(scalar(coerce.choice("host", "controller")), "host"),
        "command": Field(fields.command, required=True),
        "timeout": Field(scalar(coerce.within(coerce.to_int, 1, 3600)), 60),
        "required": Field(scalar(coerce.to_bool), True),
    }
)

backup = fields.record(
    {
        "before": Field(scalar(coerce.choice("migrate", "always", "never")), "migrate"),
        "keep": Field(scalar(coerce.within(coerce.to_int, 1, 1000)), 3),
        "timeout": Field(_seconds, 3600),
    }
)


def check_around(stack: Mapping[str, Any], problems: Problems) -> None:
    """Hooks that can be told apart and can run; no secret in what becomes an argument."""
    hooks = stack["release"]["hooks"]
    for name in coerce.repeated([item["name"] for item in hooks if item["name"]]):
        problems.add(
            "stack.release.hooks", f"'{name}' is the name of more than one; logs and messages tell them by it."
        )
    for number, item in enumerate(hooks):
        where = f"stack.release.hooks[{number}]"
        if item["phase"] == FAILURE and item["when"] == "before":
            problems.add(f"{where}.when", "a failure is known when it is there: expected after.")
        _check_command(item["command"], f"{where}.command", problems)
    for name, service in stack["services"].items():
        if service["migrate"]:
            _check_command(service["migrate"]["command"], f"stack.services.{name}.migrate.command", problems)


def _check_command(words: Any, path: str, problems: Problems) -> None:
    if any(holds_secret(str(word)) for word in words or ()):
        problems.add(
            path,
            "holds a password or private key, and arguments show in the host's list of processes. Have the program "
            "read it from a file.",
        )
