#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_command
short_description: Install the command by which people on a host look after its stack
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Builds one file from this collection's own code and puts it, named after the stack, where people's shells find it.
    It tells the status, shows logs and restarts containers, without Ansible, and takes the same lease as a release.
  - It needs the host's Python and the packages that a release needs, nothing else.
  - With it come the units of systemd that run it, such as the one that watches a release on probation.
  - Never replaces a file that this collection did not write, and never hides another program of that name.
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
failure:
  description:
    - Why it failed. RV(ignore:kind) is one of V(command_foreign), V(invalid_input), V(io_error), V(no_space),
      V(not_a_file), V(permission_denied), V(program_shadowed), V(read_only), V(symlink), V(timed_out), V(unit_foreign).
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
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.install import execute, make_plan
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.watcher_unit import (
    execute_watcher,
    plan_watcher,
    watcher_text,
)

BOOTED = Path("/run/systemd/system")  # is there where systemd is process 1
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "root": {"type": "path"},
    "secrets": {"type": "path"},
    "directory": {"type": "path", "default": "/usr/local/bin"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "payload": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    path = Path(params["directory"], params["name"])
    result: dict[str, Any] = {"changed": False, "path": str(path), "diff": []}
    content = None
    if params["state"] == "present":
        content = zlib.decompress(base64.b64decode(params["payload"] or ""))
    try:
        plan = make_plan(params["name"], content, directory=path.parent)
        result.update(changed=plan.changed, diff=[plan.diff()])
        watcher = None
        if BOOTED.is_dir():
            root = Path(params["root"] or f"/opt/{params['name']}")
            text = watcher_text(params["name"], root=root, command=path) if content is not None else None
            watcher = plan_watcher(params["name"], text)
        if watcher is not None and watcher.changed:
            result["diff"].append(watcher.diff())
            result["changed"] = True
        if not module.check_mode:
            if plan.changed:
                execute(plan)
            if watcher is not None and watcher.changed:
                execute_watcher(watcher, SubprocessRunner())
    except DrydockError as error:
        module.fail_json(**{**result, "changed": False, **error.as_result()})
    except OSError as error:
        module.fail_json(**{**result, "changed": False, **os_failure(error).as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
