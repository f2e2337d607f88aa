#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_command
short_description: Install the command and the systemd unit of a stack
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Builds one file from this collection's own code and puts it, named after the stack, where people's shells find it.
    It tells the status, shows logs and restarts containers, without Ansible, and takes the same lease as a release.
  - It needs the host's Python and the packages that a release needs, nothing else.
  - Beside it a systemd unit of the same name, which runs the command after a boot and before a shutdown, so that the
    stack comes back in order of dependency as the release that serves is recorded, and ends in order. Another one
    watches a release that is on probation.
  - Never replaces a file that this collection did not write, and never hides another program or unit of that name.
options:
  name:
    description: The name of the stack, and so of the command.
    type: str
    required: true
  root:
    description:
      - Where the stack lives on the host.
      - Default is V(/opt/) and the name.
    type: path
  secrets:
    description:
      - Where its secrets lie on the host.
      - Default is V(/etc/), the name and V(/secrets).
    type: path
  directory:
    description: Where the command is put.
    type: path
    default: /usr/local/bin
  state:
    description: Whether it is there. V(absent) removes only what this collection wrote.
    type: str
    choices: [present, absent]
    default: present
  unit:
    description:
      - Whether the host has the systemd unit, too. V(false) removes it; the containers run on.
      - A host without systemd as its first process has none.
    type: bool
    default: true
  payload:
    description: The file, packed. Made on the controller; do not give it.
    type: str
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: [Tells the version and the digest of the command, not its content, and the units.]
  idempotent:
    support: full
  platform:
    platforms: posix
seealso:
  - module: drydock.serving.release
  - module: drydock.serving.release_info
"""

EXAMPLES = r"""
- name: Put the command in place
  drydock.serving.stack_command:
    name: ocr
  become: true
"""

RETURN = r"""
path:
  description: Where the command is.
  returned: always
  type: str
  sample: /usr/local/bin/ocr
unit:
  description: The name of the unit, or null where there is none.
  returned: always
  type: str
  sample: ocr.service
failure:
  description:
    - Why it failed. RV(ignore:kind) is one of V(command_foreign), V(invalid_input), V(io_error), V(no_space),
      V(not_a_file), V(permission_denied), V(program_shadowed), V(read_only), V(symlink), V(systemd_failed),
      V(timed_out), V(unit_foreign).
  returned: failure
  type: dict
"""

import base64
import zlib
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import os_failure
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import units
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.install import execute, make_plan
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.watcher_unit import (
    execute_watcher,
    plan_watcher,
    watcher_text,
)

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "root": {"type": "path"},
    "secrets": {"type": "path"},
    "directory": {"type": "path", "default": "/usr/local/bin"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "unit": {"type": "bool", "default": True},
    "payload": {"type": "str"},
}


def unit_content(params: dict[str, Any], command: Path) -> bytes | None:
    """The unit's file; None where there shall be none."""
    if params["state"] == "absent" or not params["unit"]:
        return None
    name = params["name"]
    root, secrets = Path(params["root"] or f"/opt/{name}"), Path(params["secrets"] or f"/etc/{name}/secrets")
    return units.unit_text(name, root=root, secrets=secrets, command=command)


def watcher_content(params: dict[str, Any], command: Path) -> bytes | None:
    """The watcher's unit; it is there where the command is."""
    root = Path(params["root"] or f"/opt/{params['name']}")
    return watcher_text(params["name"], root=root, command=command) if params["state"] == "present" else None


def install(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Look first, at the command and at the unit; then bring both to what is wanted."""
    params = module.params
    path, runner = Path(result["path"]), SubprocessRunner()
    content = zlib.decompress(base64.b64decode(params["payload"] or "")) if params["state"] == "present" else None
    command = make_plan(params["name"], content, directory=path.parent)
    unit = units.plan_unit(params["name"], unit_content(params, path), runner) if units.BOOTED.is_dir() else None
    watcher = plan_watcher(params["name"], watcher_content(params, path)) if units.BOOTED.is_dir() else None
    coming = [item for item in (unit, watcher) if item is not None and item.changed]
    result.update(changed=command.changed or bool(coming), diff=[item.diff() for item in (command, *coming)])
    result["unit"] = unit.name if unit is not None and unit.content is not None else None
    if module.check_mode:
        return
    if command.changed and content is not None:
        execute(command)
    if watcher is not None and watcher.changed:
        execute_watcher(watcher, runner)
    if unit is not None and unit.changed:
        said = units.execute_unit(unit, runner)
        if said is not None:
            module.warn(
                f"{unit.name} could not bring the stack up as it is recorded: {said}. Look at `journalctl -u "
                f"{unit.name}` on the host. A release that follows may put it right."
            )
    if command.changed and content is None:
        execute(command)  # last: the unit runs it


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["directory"], module.params["name"])
    result: dict[str, Any] = {"changed": False, "path": str(path), "unit": None, "diff": []}
    try:
        install(module, result)
    except DrydockError as error:
        module.fail_json(**{**result, "changed": False, **error.as_result()})
    except OSError as error:
        module.fail_json(**{**result, "changed": False, **os_failure(error).as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
