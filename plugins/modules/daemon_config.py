#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge keys into the Docker engine's daemon.json; foreign keys stay."""

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon_config
short_description: Merge keys into the Docker engine's daemon.json and say what the engine needs to take them over
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Sets the declared keys and leaves every other key, and the order of all, alone. So the keys that C(nvidia-ctk) or an
    operator wrote survive.
  - Remembers which keys it wrote for each O(name). A key that is no longer declared goes away.
  - Has the engine check the new file with C(dockerd --validate) where the engine is installed and has that (23.0 and
    newer) and then replaces it in one step.
  - Refuses to touch a file that is not valid JSON.
  - Neither reloads nor restarts the engine. RV(restart_required) and RV(reload_enough) tell a role which handler it is.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: Works on a host without an engine.
  diff_mode:
    support: full
    details: Both sides are pretty-printed alike, so that only changed keys show. Passwords in URLs are masked.
  idempotent:
    support: full
options:
  config:
    description:
      - The wanted keys, nested as in the file. A dot in a top-level key goes one level down, so that
        V(log-opts.max-size) is C(max-size) in C(log-opts). Keys further down are taken as they are, dots included.
      - Lists are taken whole. An empty mapping gives all keys of this O(name) back.
    type: dict
    required: true
  name:
    description: Who owns these keys, usually the role. Two owners may not declare the same key.
    type: str
    default: docker_engine
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  backup:
    description: Keep the old file beside the new one, with a date and C(~) at the end of its name. Five are kept.
    type: bool
    default: true
  state_directory:
    description: Where the lists of owned keys and the lock live.
    type: path
    default: /var/lib/drydock/daemon_config
  timeout:
    description: How long C(dockerd --validate) may take, in seconds.
    type: float
    default: 60
  lock_timeout:
    description: How long to wait for another run on the same host, in seconds.
    type: float
    default: 60
notes:
  - The host needs nothing but Python.
"""

EXAMPLES = r"""
- name: configure | Write daemon.json
  drydock.serving.daemon_config:
    config:
      live-restore: true
      log-driver: local
      log-opts.max-size: 20m
  register: __docker_engine_daemon
  # The handlers say when: __docker_engine_daemon.restart_required and when: __docker_engine_daemon.reload_enough.
  notify:
    - Restart docker
    - Reload docker
"""

RETURN = r"""
file:
  description: The file.
  type: str
  returned: always
impact:
  description: What the engine needs to take the changes over.
  type: str
  choices: [none, reload, restart]
  returned: always
restart_required:
  description: Whether it is V(restart).
  type: bool
  returned: always
reload_enough:
  description: Whether it is V(reload).
  type: bool
  returned: always
keys:
  description: The keys that change.
  type: list
  elements: dict
  returned: always
  contains:
    key:
      description: The key, its parts joined by dots.
      type: str
    change:
      description: What happens to it.
      type: str
      choices: [added, changed, removed]
    impact:
      description: What the engine needs to take this one over.
      type: str
      choices: [reload, restart]
    reason:
      description: Why.
      type: str
backup:
  description: The old file's new name, or empty.
  type: str
  returned: always
validated:
  description: Whether the engine checked the new file, or why not.
  type: str
  choices: ["yes", no_engine, not_supported, unchanged]
  returned: always
failure:
  description: Why it failed, for programs.
  type: dict
  returned: failure
  contains:
    kind:
      description: The kind of failure.
      type: str
      choices:
        - bad_input
        - busy
        - conflict
        - invalid_json
        - io_error
        - no_space
        - not_a_file
        - owned_elsewhere
        - permission_denied
        - read_only
        - refused_by_engine
        - state_unreadable
        - symlink
        - validator_timeout
"""

import json
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._daemon_config import (
    Wanted,
    converge,
    secrets_in,
    unchanged_result,
)
from ansible_collections.drydock.serving.plugins.module_utils._daemon_config_keys import parse_declared
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SPEC: dict[str, dict[str, Any]] = {
    "config": {"type": "dict", "required": True},
    "name": {"type": "str", "default": "docker_engine"},
    "path": {"type": "path", "default": "/etc/docker/daemon.json"},
    "backup": {"type": "bool", "default": True},
    "state_directory": {"type": "path", "default": "/var/lib/drydock/daemon_config"},
    "timeout": {"type": "float", "default": 60},
    "lock_timeout": {"type": "float", "default": 60},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    # Null is not given, as everywhere in Ansible; its own check would let it through.
    given: dict[str, Any] = {
        name: SPEC[name].get("default") if value is None else value for name, value in module.params.items()
    }
    module.no_log_values.update(secrets_in(json.dumps(given["config"], ensure_ascii=False, default=str)))
    result = unchanged_result(given["path"])
    try:
        if given["config"] is None:
            raise DrydockError("bad_input", "config: must be a mapping, found nothing; {} gives all keys back.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", given["name"]):
            raise DrydockError("bad_input", f"name: {given['name']!r} may only have letters, digits, '-' and '_'.")
        wanted = Wanted(
            name=given["name"],
            path=Path(given["path"]),
            declared=parse_declared(given["config"]),
            backup=given["backup"],
            state_directory=Path(given["state_directory"]),
            timeout=given["timeout"],
            lock_timeout=given["lock_timeout"],
        )
        result, secrets = converge(wanted, check=module.check_mode)
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.no_log_values.update(secrets)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
