#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Tell which release of a stack serves, and what of it is not as it should be
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Tells the release that serves, since when and by whom, its images, models and containers, the releases before it,
    failed and unfinished ones, who is at work on the stack, how full the disks are, and when the certificate of the
    edge ends.
  - Everything is only read, and nobody is waited for. Works without a release, without Docker, and with damaged
    records.
  - Never fails because of what it finds. RV(problems) says what is wrong, and RV(ok) that nothing is.
options:
  name:
    description: The name of the stack.
    type: str
    required: true
  root:
    description:
      - Where the stack lives on the host.
      - Default is V(/opt/) and the name.
    type: path
  certificate:
    description:
      - The certificate that the edge shows.
      - Default is what nginx is told by C(/etc/nginx/drydock/tls.conf). Where that is not there, none is told.
    type: path
  certificate_days:
    description: A certificate that ends in fewer days is a problem.
    type: int
    default: 14
  reserve:
    description: Fewer bytes free on a disk of the stack or of its images are a problem.
    type: int
    default: 536870912
  failures:
    description: How many of the newest failures are told.
    type: int
    default: 5
  attempts:
    description: How many of the newest attempts are told from the log of deployments.
    type: int
    default: 5
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: [The same as without it.]
  diff_mode:
    support: none
  idempotent:
    support: full
    details: [Never reports a change.]
  platform:
    platforms: posix
seealso:
  - module: drydock.serving.release
  - module: drydock.serving.status_report
"""

EXAMPLES = r"""
- name: See what serves
  drydock.serving.release_info:
    name: ocr
  register: ocr
  become: true

- name: Go on only where all is well
  ansible.builtin.assert:
    that: ocr.ok
    fail_msg: "{{ ocr.problems | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
msg:
  description: The state in one line.
  returned: always
  type: str
ok:
  description: Nothing is wrong.
  returned: always
  type: bool
stack:
  description: The name of the stack.
  returned: always
  type: str
root:
  description: Where it lives.
  returned: always
  type: str
release:
  description: The release that serves, or null.
  returned: always
  type: str
  sample: 20261121T041500Z-3f9c01ab
colours:
  description: The colours its services run in.
  returned: always
  type: list
  elements: str
since:
  description: When it began to serve, in UTC.
  returned: always
  type: str
actor:
  description: Who made it.
  returned: always
  type: str
reason:
  description: Why it was made.
  returned: always
  type: str
revision:
  description: The revision of the inventory it was made from.
  returned: always
  type: str
previous:
  description: The release that served before it.
  returned: always
  type: str
rolled_back_to:
  description: The earlier release that it is once more, where it was made by going back; else null.
  returned: always
  type: str
back_to:
  description: The release that a rollback without a name would go back to, or null.
  returned: always
  type: str
warm:
  description:
    - Containers that served before and run on, so that going back to them takes no start, or null. C(release) that they
      are of, C(until) when (UTC, or null for the next release), and C(containers) by their names.
  returned: always
  type: dict
images:
  description: C(name) of the service or component, C(reference), C(digest) in the registry and C(id) of each image.
  returned: always
  type: list
  elements: dict
models:
  description: C(name), C(version) and C(digest) over the files of each model.
  returned: always
  type: list
  elements: dict
containers:
  description:
    - C(name), C(service), C(part) (V(base) or a colour), C(state), C(health), C(restarts), C(exit_code), C(oom_killed)
      and C(started) of each container.
    - The health is what Docker says, and V(unhealthy) also where the service's health path does not answer 200.
    - C(error) is why the engine could not start it, as with data on a disk that is not mounted; else null.
    - C(recorded) says that the release is made of it. One that is missing has the state V(absent).
    - C(warm) says that it served before and is kept running.
  returned: always
  type: list
  elements: dict
releases:
  description:
    - C(id), C(created), C(actor), C(reason) and C(current) of each release on the host, newest first.
    - C(left) says that somebody went back from it.
  returned: always
  type: list
  elements: dict
unfinished:
  description: C(release), C(step) and C(previous) of a release that is under way or was interrupted.
  returned: always
  type: dict
prepared:
  description:
    - C(release), C(actor), C(controller), C(since) and C(expires) of a release that is prepared, not switched, as it
      waits for other hosts; see O(drydock.serving.release#module:state).
  returned: always
  type: dict
out_of_service:
  description: C(release), C(since) and C(actor) while the edge tells balancers that this host is out of service.
  returned: always
  type: dict
lease:
  description:
    - Who works on the stack, with C(actor), C(since) and C(doing) among others, and the C(state) of that run.
    - C(live) is false where that run has died and left its note.
  returned: always
  type: dict
probation:
  description:
    - The probation that the release is on, with C(since), C(until), C(previous), to which the host goes back by itself,
      C(thresholds), and C(before) with what each service answered before the switch.
    - Null where it is on none.
  returned: always
  type: dict
maintenance:
  description:
    - C(since), C(by), C(reason) and C(retry_after) (seconds) where the edge is closed for maintenance, by the command
      on the host. That is no problem; clients are answered 503.
    - Null otherwise.
  returned: always
  type: dict
stopped:
  description:
    - The same where the stack was stopped by its systemd unit, which is a problem.
    - Null otherwise.
  returned: always
  type: dict
engine:
  description: How the engine answered. V(ok), V(missing) or V(unreachable).
  returned: always
  type: str
disks:
  description: C(what) lies there, C(path), C(total) and C(free) in bytes.
  returned: always
  type: list
  elements: dict
certificate:
  description: C(path) of the edge's certificate, when it C(expires), and the whole C(days) until then.
  returned: always
  type: dict
failures:
  description:
    - C(id), C(at), C(kind), C(step), C(message), C(serving), the release that served then, C(actor), C(reason) and
      C(evidence) of failures, newest first.
  returned: always
  type: list
  elements: dict
attempts:
  description:
    - The newest lines of the log of deployments, newest first, with C(at), C(outcome) (V(released), V(rolled_back),
      V(repaired), V(failed), V(prepared), V(abandoned), V(recovered), V(restarted) or V(restart_failed)), C(release),
      C(previous), C(serving), C(actor), C(reason), C(duration) in seconds, C(services), C(images), C(models) and
      C(failure).
  returned: always
  type: list
  elements: dict
backups:
  description:
    - The newest copy of the data of each component. C(component), C(made) (UTC), C(size) in bytes, C(path), and the
      C(release) that served, C(actor) and C(reason).
  returned: always
  type: list
  elements: dict
backup_failure:
  description: C(at), C(actor) and C(kind) of the last backup where that failed, by hand or in a release; else null.
  returned: always
  type: dict
problems:
  description:
    - C(kind) and C(message) of everything that is wrong.
    - The kind is one of V(attempt_failed), V(backup_failed), V(certificate_ends), V(certificate_expired),
      V(certificate_unreadable), V(container), V(edge_unsettled), V(engine_missing), V(engine_unreachable),
      V(host_failed), V(no_space), V(not_permitted), V(not_released), V(out_of_service), V(prepared),
      V(state_unreadable), V(stopped), V(stuck), V(timed_out), V(unfinished).
  returned: always
  type: list
  elements: dict
failure:
  description: Why it failed. RV(ignore:kind) is V(invalid_input).
  returned: failure
  type: dict
"""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.info import Look, empty_result, layout_of, tell
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "root": {"type": "path"},
    "certificate": {"type": "path"},
    "certificate_days": {"type": "int", "default": 14},
    "reserve": {"type": "int", "default": 512 * 1024 * 1024},
    "failures": {"type": "int", "default": 5},
    "attempts": {"type": "int", "default": 5},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    result = empty_result()
    runner = SubprocessRunner()
    try:
        look = Look(
            stack=params["name"],
            layout=layout_of(params["name"], params["root"]),
            runner=runner,
            engine=Engine(runner),
            now=datetime.now(timezone.utc),
            certificate=Path(params["certificate"]) if params["certificate"] else None,
            failures=params["failures"],
            attempts=params["attempts"],
        )
        tell(look, result, reserve=params["reserve"], certificate_days=params["certificate_days"])
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
