#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Release a stack of containers as one transaction
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Brings a host from the release it serves to the wanted one, or leaves it as it was.
  - Stages the rendered files beside the current release, has Docker Compose check them, pulls images that are missing,
    writes secrets as files, starts the components and then, beside those that serve, the services that changed. When
    all are healthy, nginx is led to them and asked; then the release is current, and the old containers are drained and
    removed. See C(docs/releases.md).
  - A service with C(health.golden) is asked a request with a known answer before anybody is led to it. An answer that
    is wrong though its status is right fails the release.
  - When a step fails, what served goes on serving, and the evidence is kept on the host. The failure names its
    directory.
  - The release runs on its host as a job of its own and is followed from the controller, which shows how far it is. It
    goes on when the controller or the connection is lost.
  - A run that was killed is finished or undone by the next one. Of two runs at once that were started from the same
    controller and want the same, the second follows the first. Any other is refused, with who is at work, since when,
    doing what and when last seen alive.
  - Images that older releases of the stack brought to the host are removed when no release that is kept needs them.
  - With O(rollback) an earlier release serves again as a whole, from what lies on the host; images, files,
    configuration, values of secrets and versions of models. That is a release as well, with a name of its own.
  - An unchanged stack is left alone. A container that is stopped, missing, unhealthy or different is brought back.
options:
  stack:
    description:
      - The stack model that the filter P(drydock.serving.stack_model#filter) returns.
      - With O(rollback) only C(name) is read, and C(paths) where the stack does not live in V(/opt/) and V(/etc/).
    type: dict
    required: true
  files:
    description:
      - The files of the release. V(base/compose.yaml) runs the components and V(services/compose.yaml) the services,
        in either colour; it has a block for every replica that there may be, such as C(api), C(api-2) and C(api-3).
      - Files below V(base/config/NAME/) and V(services/config/NAME/) are a container's configuration. They are put into
        a directory named by their content, which the compose file takes from the variable E(CONFIG_NAME). Others are
        E(SECRETS_DIR_NAME), E(SECRETS_NAME), E(MODELS_NAME) and, for services, E(PORT_NAME), E(COLOUR) and E(NETWORK).
        Replicas share all of them but their ports, E(PORT_NAME_2) and so on.
      - Required without O(rollback), and not given with it.
    type: list
    elements: dict
    suboptions:
      dest:
        description: Path inside the release directory.
        type: str
        required: true
      template:
        description:
          - The template on the controller.
          - Default is O(files[].dest) with V(.j2) added.
        type: str
      content:
        description: The content itself, instead of a template.
        type: str
      src:
        description: A file on the controller to copy as it is, instead of a template.
        type: path
      encoding:
        description:
          - How O(files[].content) reaches the host. The controller sets it to V(base64) for a file that is no text.
        type: str
        choices: [utf-8, base64]
        default: utf-8
      vars:
        description: Further variables for this template.
        type: dict
  components:
    description:
      - A directory on the controller with one folder per component, for the files in their V(config) folders.
      - Each file of a component that the stack uses is added to O(files) as V(base/config/NAME/FILE).
    type: path
  rollback:
    description:
      - Go back to an earlier release instead of making one from O(stack) and O(files).
      - Secrets come from the host, so O(secrets) is not read.
    type: bool
    default: false
  to:
    description:
      - The release to go back to.
      - Default is the last good one before the one that serves. Not good are those that somebody went back from.
    type: str
  force:
    description: Go back also across a migration that cannot be undone.
    type: bool
    default: false
  secrets:
    description:
      - Values of secrets by their name.
      - Secrets of the stack without a value here keep the one on the host, or get one generated there.
    type: dict
    default: {}
  registries:
    description:
      - Logins for image registries by their name as image references have it, such as V(registry.example.com:5000) or
        V(docker.io). Each is a dictionary with V(username) and V(password).
      - They are lent to the docker command for the length of a pull and are never in the host's own docker
        configuration. Images of other registries are pulled with that configuration.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds that containers may take to become healthy.
    type: float
    default: 300.0
  pull_timeout:
    description: Seconds that pulling one image may take.
    type: float
    default: 1800.0
  keep:
    description: How many releases stay on the host, besides the current one and the one before it.
    type: int
    default: 5
  reserve:
    description:
      - Bytes that have to be free on the host's disks before a release begins.
      - Where the registry tells how large the images to pull are, four times their new layers have to be free besides.
    type: int
    default: 536870912
  state:
    description:
      - How far to go. V(switched) makes the release and leads nginx to it.
      - V(ready) does what comes before that, and leaves the release waiting beside what serves, for hosts that are to
        switch together. RV(prepared) is its name for the second call, which has the same arguments, O(prepared) and
        O(state=switched). A repair is done at once, as it leads to no other release.
      - V(abandoned) gives up what is ready, as if it had not been begun, and keeps no evidence. It needs of O(stack)
        only C(name) and C(paths), and O(files) may be empty.
    type: str
    choices: [ready, switched, abandoned]
    default: switched
  prepared:
    description:
      - The release that was made ready, to go on with or to give up, and nothing else.
      - When it is not there any more, or anything has moved since, it is not switched and the module fails. When it
        serves already, nothing is done.
    type: str
    default: ""
  ready_timeout:
    description:
      - Seconds for which a release that is ready is kept for whoever made it. Until then others are refused; after
        that, or after the host was started anew, any run undoes it. Who made it may undo it at any time by another run.
    type: float
    default: 3600.0
  out_of_service:
    description:
      - Seconds between telling balancers, through the edge's C(/-/ready), not to send requests to this host, and the
        first container that is touched. The host is put back when the release serves, or when what served before does.
      - V(0) leaves the host in service. Nothing is waited for when nothing was released before.
    type: float
    default: 0.0
  reason:
    description: Why this release is made, for its record.
    type: str
    default: ""
  revision:
    description: The revision of the inventory, for the record.
    type: str
    default: ""
  actor:
    description:
      - Who makes this release, for its record.
      - Default is the user and the host that run Ansible.
    type: str
  controller:
    description:
      - The machine this release is made from, told to whoever finds the stack taken.
      - Default is the name of the host that runs Ansible.
    type: str
  stamp:
    description:
      - The time in the name of the release, such as V(20261121T041500Z).
      - Default is when Ansible came to its first release, so that hosts which get the same have it under the same name.
    type: str
  progress:
    description:
      - How the controller shows how far a release is. V(auto) shows it in place on a terminal and as lines elsewhere,
        V(lines) always as lines, V(off) not at all. The environment variable E(DRYDOCK_PROGRESS) has the last word.
    type: str
    choices: [auto, lines, "off"]
    default: auto
  reconnect_timeout:
    description:
      - Seconds that a host may stay silent before the controller gives up watching. The release goes on there by
        itself, and the next run finds its outcome, or follows it to its end.
    type: float
    default: 300.0
  job:
    description:
      - For the action plugin, which sets it. V(look) only says whether there is something to do, V(watched) does it
        and knows that somebody follows and answers hooks that run on the controller.
    type: str
    choices: [none, look, watched]
    default: none
requirements:
  - Docker with the Compose v2 plugin.
  - The Python library C(requests), where a service has a health path.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: [Compares everything, also on a host without Docker, and returns what would be done.]
  diff_mode:
    support: full
    details: [Shows rendered files, images, models and containers. Of secrets it only says that they would be written.]
  idempotent:
    support: full
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Release the stack
  drydock.serving.release:
    stack: "{{ stack_model }}"
    secrets: "{{ stack_secrets }}"
    registries:
      registry.example.com:
        username: robot
        password: "{{ vault_registry_password }}"
    files:
      - dest: base/compose.yaml
      - dest: services/compose.yaml
    reason: new recognition model

- name: Give up a release that is ready on this host, because another host's is not
  drydock.serving.release:
    stack: "{{ stack_model }}"
    files: []
    state: abandoned

- name: Go back to the last good release
  drydock.serving.release:
    rollback: true
    stack:
      name: ocr
    reason: wrong answers since noon
"""

RETURN = r"""
release:
  description: The release that serves now.
  returned: always
  type: str
  sample: 20261121T041500Z-3f9c01ab
previous:
  description: The release that served before this run, or null.
  returned: always
  type: str
directory:
  description: The directory of the release on the host.
  returned: always
  type: str
kind:
  description: What was to be done. V(none), V(repair) of the current release, or a new V(release).
  returned: always
  type: str
actions:
  description: What was done, or would be done in check mode, in words.
  returned: always
  type: list
  elements: str
engine:
  description: How the engine answered. V(ok), V(missing) or V(unreachable).
  returned: always
  type: str
health:
  description: What was last seen of each container and path.
  returned: always
  type: list
  elements: dict
durations:
  description: Seconds by step.
  returned: always
  type: dict
moved:
  description: Services that came up in another colour, or for the first time, with their colour.
  returned: always
  type: dict
  sample: {api: green}
cut:
  description: Old containers that still had requests when their time to drain was over.
  returned: always
  type: list
  elements: str
pruned:
  description: Old releases that were removed.
  returned: always
  type: list
  elements: str
pruned_images:
  description: Images that earlier releases had pulled and that were removed, as nothing needs them any more.
  returned: always
  type: list
  elements: str
probation:
  description:
    - How the probation of the release ended, with RV(ignore:verdict), one of V(kept), V(failed) and V(ended) by another
      run, RV(ignore:said), RV(ignore:figures) by service, RV(ignore:breaches) and RV(ignore:end).
    - Null where it had none. A release that failed its probation fails the module, when the host has gone back.
  returned: always
  type: dict
prepared:
  description: The release that this run has made ready and that waits to be switched, or null.
  returned: always
  type: str
rolled_back_to:
  description: The release that was gone back to, or null.
  returned: always
  type: str
rolled_back_from:
  description: The release that was left by going back, or null.
  returned: always
  type: str
kept:
  description: Containers that served before and run on, warm, until the next release.
  returned: always
  type: list
  elements: str
switched:
  description: Seconds from the begin until the edge led to the release; null where it was not led anew.
  returned: always
  type: float
backup:
  description: The directory of the backup that was made before something was migrated, or null.
  returned: always
  type: str
migrated:
  description: Services whose migration was run.
  returned: always
  type: list
  elements: str
hooks:
  description:
    - The hooks that were run, in that order, each with RV(ignore:name), RV(ignore:when), RV(ignore:phase),
      RV(ignore:where), RV(ignore:ok), RV(ignore:code) and RV(ignore:seconds). RV(ignore:code) is null where the hook's
      time was over.
    - Hooks that failed and could undo nothing are told as warnings.
  returned: always
  type: list
  elements: dict
lease_taken_over:
  description:
    - Whose lease this run took over, because that run had died, with RV(ignore:actor), RV(ignore:host),
      RV(ignore:since), RV(ignore:doing) and RV(ignore:heartbeat), its last sign of life.
    - Null otherwise.
  returned: always
  type: dict
maintenance:
  description:
    - C(since), C(by), C(reason) and C(retry_after) (seconds) where the edge is closed for maintenance, by the command
      on the host. A release leaves it closed and warns of it.
    - Null otherwise.
  returned: always
  type: dict
failure:
  description:
    - Why it failed. RV(ignore:kind) is one of V(backup_failed), V(bug), V(compose_invalid), V(compose_missing),
      V(controller_missing), V(controller_silent), V(data_missing), V(edge_failed), V(edge_invalid),
      V(edge_unconfirmed),
      V(engine_missing), V(engine_unreachable), V(golden_wrong), V(hook_failed), V(host_failed),
      V(image_architecture), V(image_missing), V(interrupted), V(invalid_input), V(invalid_stack), V(irreversible),
      V(locked), V(migration_failed), V(missing_library), V(models_missing), V(network_foreign), V(no_space),
      V(no_way_back), V(not_released), V(port_taken), V(prepared), V(prepared_lost), V(project_foreign),
      V(pull_failed), V(registries_invalid), V(registry_denied), V(registry_unreachable), V(release_altered),
      V(release_incomplete), V(release_unknown), V(secret_invalid), V(secret_lost), V(state_unreadable), V(timed_out),
      V(unhealthy), V(up_failed).
    - With V(prepared), another run's release is ready here and waits; with V(prepared_lost), this one's waits no more.
    - With V(locked), RV(ignore:owner) is the note of who holds the stack, and RV(ignore:state) is V(alive), V(stuck)
      without a sign of life, V(orphaned) when the run has died and a program that it started still works, or
      V(unknown).
    - V(probation_failed) is that of a release that was made and did not pass its probation, with
      RV(ignore:breaches) and RV(ignore:figures).
    - With RV(ignore:step), and where containers had been touched with RV(ignore:evidence) and RV(ignore:causes). These
      are the containers that ended, each with C(service), C(container), C(exit_code), C(oom_killed), C(restarts) and
      C(memory), its limit in bytes.
  returned: failure
  type: dict
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import parse_desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.look import look_at
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import hidden, parse_registries
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import cores, settle
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner

ARGUMENTS: dict[str, Any] = {
    "stack": {"type": "dict", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "options": {
            "dest": {"type": "str", "required": True},
            "template": {"type": "str"},
            "content": {"type": "str"},
            "src": {"type": "path"},
            "encoding": {"type": "str", "choices": ["utf-8", "base64"], "default": "utf-8"},
            "vars": {"type": "dict"},
        },
    },
    "components": {"type": "path"},
    "rollback": {"type": "bool", "default": False},
    "to": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "registries": {"type": "dict", "default": {}, "no_log": True},
    "wait_timeout": {"type": "float", "default": 300.0},
    "pull_timeout": {"type": "float", "default": 1800.0},
    "keep": {"type": "int", "default": 5},
    "reserve": {"type": "int", "default": 512 * 1024 * 1024},
    "state": {"type": "str", "choices": ["ready", "switched", "abandoned"], "default": "switched"},
    "prepared": {"type": "str", "default": ""},
    "ready_timeout": {"type": "float", "default": 3600.0},
    "out_of_service": {"type": "float", "default": 0.0},
    "reason": {"type": "str", "default": ""},
    "revision": {"type": "str", "default": ""},
    "actor": {"type": "str"},
    "controller": {"type": "str"},
    "stamp": {"type": "str"},
    "progress": {"type": "str", "choices": ["auto", "lines", "off"], "default": "auto"},
    "reconnect_timeout": {"type": "float", "default": 300.0},
    "job": {"type": "str", "choices": ["none", "look", "watched"], "default": "none"},
}


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def contents_taken(files: Any) -> list[dict[str, Any]]:
    """The files, whose contents are then among no arguments that are told: templates may hold anything."""
    taken = [dict(item) for item in files or ()]
    for item in files or ():
        item["content"] = None
    return taken


def told(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """The result as it leaves the host: with the contents of files only where a diff was asked for."""
    for text in result.pop("warnings", []):
        module.warn(text)
    return result if module._diff else {**result, "diff": []}


def look(params: dict[str, Any], files: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Only say whether there is anything to do."""
    desired = parse_desired(settle(params["stack"], count=cores()), files)
    runner = SubprocessRunner()
    controller = params["controller"] or "unknown"
    look_at(desired, params["secrets"], Engine(runner), runner=runner, controller=controller, now=now(), result=result)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("rollback", False, ["files"])],
        mutually_exclusive=[("to", "files")],
    )
    params = module.params
    files = contents_taken(params["files"])
    result = empty_result()
    try:
        registries = parse_registries(params["registries"])
        # the names of accounts are no secrets, and hiding them would riddle every message and path
        module.no_log_values.difference_update(login.username for login in registries.values())
        module.no_log_values.update([*hidden(registries), *map(str, params["secrets"].values())])
        if params["job"] == "look":
            look(params, files, result)
        else:
            from ansible_collections.drydock.serving.plugins.module_utils._release.call import act  # noqa: PLC0415 - most runs have nothing to do

            act(params, files, registries, check_mode=module.check_mode, result=result)
    except DrydockError as error:
        module.fail_json(**{**told(module, result), **error.as_result()})
    module.exit_json(**told(module, result))


if __name__ == "__main__":
    main()
