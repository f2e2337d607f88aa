#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: health_poll
short_description: Wait until HTTP, TCP and container targets are healthy
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Polls many targets at once until each one was healthy often enough.
  - Fails when one deadline over all of them passes.
  - The failure names every target that was not healthy with what was last seen of it.
  - Stops early when a container has exited or keeps restarting, as waiting longer cannot help.
  - Runs on a host, or on the controller with C(delegate_to=localhost) to see a service from outside.
options:
  targets:
    description: What to poll.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the target in results and messages.
        type: str
        required: true
      type:
        description: The kind of target.
        type: str
        choices: [http, tcp, container]
        default: http
      interval:
        description: Seconds between two attempts. Default is O(interval).
        type: float
      timeout:
        description: Seconds one attempt may take.
        type: float
        default: 5.0
      successes:
        description: How many attempts in a row have to succeed. Default is O(successes).
        type: int
      url:
        description: For V(http), the URL to ask. Redirects are not followed and proxy settings are not used.
        type: str
      method:
        description: For V(http), the request method.
        type: str
        default: GET
      headers:
        description: For V(http), headers of the request. Their values are kept out of results and logs.
        type: dict
      body:
        description:
          - For V(http), the body of the request.
          - A dictionary or list is sent as JSON.
        type: raw
      body_file:
        description: For V(http), a file on the machine the module runs on, sent as the body.
        type: path
      status:
        description: For V(http), the status codes that mean healthy.
        type: list
        elements: int
        default: [200]
      json:
        description:
          - For V(http), what the JSON answer has to hold.
          - Keys are dotted paths such as V(lines.0.text), where a number is an index into a list.
          - Values are compared with their types.
        type: dict
      contains:
        description: For V(http), texts that the body has to contain.
        type: list
        elements: str
      ca_path:
        description:
          - For V(http), a file with the certificates to trust.
          - Default is what the Python library C(requests) trusts.
        type: path
      address:
        description:
          - For V(http), an IP address to connect to instead of the URL's host.
          - The certificate is still verified for the URL's host, and the request still names it.
        type: str
      host:
        description: For V(tcp), the host or address to connect to.
        type: str
        default: 127.0.0.1
      port:
        description: For V(tcp), the port to connect to.
        type: int
      container:
        description: For V(container), the name or identifier of the container.
        type: str
      state:
        description: For V(container), the state that means healthy.
        type: str
        default: running
      health:
        description:
          - For V(container), the health status that is wanted.
          - Default is V(healthy) where the container has a health check; without one its state decides alone.
        type: str
        choices: [healthy, unhealthy, starting]
      exit_code:
        description: For V(container), the container is a job that has to end with this code.
        type: int
      max_restarts:
        description: For V(container), this many restarts while it is watched are a crash loop.
        type: int
        default: 3
  timeout:
    description: Seconds for everything, O(delay) included.
    type: float
    default: 60.0
  interval:
    description: Seconds between two attempts at a target.
    type: float
    default: 2.0
  successes:
    description: How many attempts in a row have to succeed.
    type: int
    default: 1
  delay:
    description: Seconds before the first attempt.
    type: float
    default: 0.0
requirements:
  - The Python library C(requests) for V(http) targets.
  - The Python library C(docker) for V(container) targets.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: [It only looks, in check mode too. What a request does to the service it asks is up to that service.]
  diff_mode:
    support: N/A
    details: [Changes nothing.]
  idempotent:
    support: full
    details: [Never reports a change.]
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Wait until the service answers and its database accepts connections
  drydock.serving.health_poll:
    timeout: 120
    successes: 2
    targets:
      - name: api
        url: http://127.0.0.1:18000/health/ready
        json: {status: ready}
      - name: postgres
        type: container
        container: ocr-base-postgres-1
      - name: ssh
        type: tcp
        port: 22

- name: Look at the service from outside, at one host of several
  drydock.serving.health_poll:
    targets:
      - name: edge
        url: https://ocr.example.org/health
        address: 192.0.2.10
        ca_path: /etc/ssl/certs/ca-certificates.crt
  delegate_to: localhost
"""

RETURN = r"""
targets:
  description: Every target with its last observation.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the target.
      type: str
    ok:
      description: Whether it became healthy.
      type: bool
    attempts:
      description: How often it was looked at.
      type: int
    elapsed:
      description: Seconds until it was healthy, or null.
      type: float
    last:
      description:
        - What was last seen, with RV(ignore:summary) in words.
        - For V(http) targets RV(ignore:status), RV(ignore:elapsed) and RV(ignore:body).
        - For V(container) targets RV(ignore:state), RV(ignore:health), RV(ignore:restarts), RV(ignore:exit_code)
          and RV(ignore:oom_killed).
      type: dict
elapsed:
  description: Seconds that polling took.
  returned: always
  type: float
failure:
  description: Why it failed. RV(ignore:kind) is one of V(unhealthy), V(invalid_target), V(missing_library).
  returned: failure
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.container import DockerInspector
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import ThreadPool, poll, workers_for
from ansible_collections.drydock.serving.plugins.module_utils._health.probe import Prober
from ansible_collections.drydock.serving.plugins.module_utils._health.target import parse_target

TARGET_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["http", "tcp", "container"], "default": "http"},
    "interval": {"type": "float"},
    "timeout": {"type": "float", "default": 5.0},
    "successes": {"type": "int"},
    "url": {"type": "str"},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "no_log": True},
    "body": {"type": "raw"},
    "body_file": {"type": "path"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "json": {"type": "dict"},
    "contains": {"type": "list", "elements": "str"},
    "ca_path": {"type": "path"},
    "address": {"type": "str"},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "container": {"type": "str"},
    "state": {"type": "str", "default": "running"},
    "health": {"type": "str", "choices": ["healthy", "unhealthy", "starting"]},
    "exit_code": {"type": "int"},
    "max_restarts": {"type": "int", "default": 3},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "targets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": TARGET_SPEC,
                "required_if": [
                    ("type", "http", ("url",)),
                    ("type", "tcp", ("port",)),
                    ("type", "container", ("container",)),
                ],
                "mutually_exclusive": [("body", "body_file")],
            },
            "timeout": {"type": "float", "default": 60.0},
            "interval": {"type": "float", "default": 2.0},
            "successes": {"type": "int", "default": 1},
            "delay": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    result: dict[str, Any] = {"changed": False, "targets": [], "elapsed": 0.0}
    try:
        targets = [
            parse_target(raw, interval=params["interval"], successes=params["successes"]) for raw in params["targets"]
        ]
        report = poll(
            targets,
            Prober(DockerInspector().probe),
            timeout=params["timeout"],
            delay=params["delay"],
            clock=time.monotonic,
            pool=ThreadPool(workers_for(len(targets))),
        )
        result.update(targets=report.as_list(), elapsed=round(report.elapsed, 2))
        if not report.ok:
            raise report.error()
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
