#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: health_poll
short_description: Wait until services, databases, ports and containers are healthy
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Polls many targets at once until each one was healthy often enough.
  - >-
    Targets belong to phases, in which a service comes up; one of a later phase is looked at once those of the earlier
    phases are healthy.
  - Fails when one deadline over all of them passes, or the budget of a phase.
  - The failure names every target that was not healthy with what was last seen of it.
  - >-
    Stops early when a container has exited, keeps restarting, or lost a process for want of memory, as waiting longer
    cannot help.
  - Runs on a host, or on the controller with C(delegate_to=localhost) to see a service from outside.
options:
  targets:
    description: What to poll.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the target in results and messages. Each needs its own.
        type: str
        required: true
      type:
        description: The kind of target.
        type: str
        choices: [http, tcp, grpc, postgres, redis, container, command]
        default: http
      phase:
        description:
          - >-
            When it is to be looked at. V(process) is for containers, V(port) for connections, V(loading) for a
            service that reads its
            model, V(ready) for one that takes requests, V(infers) for a request whose right answer is known.
        type: str
        choices: [process, port, loading, ready, infers]
        default: ready
      group:
        description: >-
          Targets of one group go through the phases by themselves; the others do not wait for them. Default is one
          for all.
        type: str
      interval:
        description: Seconds between two attempts. Default is O(interval).
        type: float
      timeout:
        description: Seconds one attempt may take, from the connection to the last byte.
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
        description: For V(http), a file on the machine the module runs on, sent as the body. It may have 64 MiB.
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
      json_tests:
        description: For V(http), further conditions on the JSON answer.
        type: list
        elements: dict
        suboptions:
          path:
            description: A dotted path, as in O(targets[].json).
            type: str
            required: true
          test:
            description:
              - What the value has to be, compared with O(targets[].json_tests[].value).
              - >-
                V(above), V(at_least), V(below) and V(at_most) compare numbers; V(length_at_least) counts characters
                or entries.
              - V(matches) finds a regular expression in a text.
            type: str
            required: true
            choices:
              - equals
              - differs
              - above
              - at_least
              - below
              - at_most
              - one_of
              - contains
              - matches
              - length_at_least
              - exists
              - absent
          value:
            description: What to compare with; nothing for V(exists) and V(absent).
            type: raw
      contains:
        description: For V(http) and V(command), texts that the body or the output has to contain.
        type: list
        elements: str
      matches:
        description: For V(http) and V(command), regular expressions that have to be found in the body or the output.
        type: list
        elements: str
      max_latency:
        description: For V(http), seconds after which even a right answer came too late.
        type: float
      ca_path:
        description:
          - >-
            For V(http) with https, and for V(grpc), V(postgres) and V(redis) with O(targets[].tls), a file with the
            certificates to trust.
          - >-
            Default is what the Python library C(requests) trusts for V(http), and what the system trusts for the
            others.
          - A certificate is always verified.
        type: path
      certificate_days:
        description: As O(targets[].ca_path), the certificate has to be good for at least so many more days.
        type: int
      address:
        description:
          - For V(http), an IP address or a host name to connect to instead of the URL's host.
          - The certificate is still verified for the URL's host, and the request still names it.
        type: str
      host:
        description: For V(tcp), V(grpc), V(postgres) and V(redis), the host or address to connect to.
        type: str
        default: 127.0.0.1
      port:
        description: For the same, the port to connect to. Default is 5432 for V(postgres) and 6379 for V(redis).
        type: int
      tls:
        description: For V(grpc), V(postgres) and V(redis), whether the connection is encrypted.
        type: bool
        default: false
      server_name:
        description: With O(targets[].tls), the name that the certificate has to be for. Default is O(targets[].host).
        type: str
      service:
        description: >-
          For V(grpc), the service that C(grpc.health.v1.Health) is asked for. Default is the server as a whole.
        type: str
      user:
        description:
          - For V(postgres), who the server is told wants to log in; nobody does, and no password is sent.
          - A server that asks for a password is healthy, and so is one that does not let this user in.
        type: str
        default: postgres
      database:
        description: For V(postgres), the database that is wanted. Default is the one named like the user.
        type: str
      container:
        description: For V(container) and V(command), the name or identifier of the container.
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
        description: >-
          For V(container), the container is a job that has to end with this code. For V(command), how it has to end,
          by default 0.
        type: int
      max_restarts:
        description: For V(container), this many restarts while it is watched are a crash loop.
        type: int
        default: 3
      command:
        description:
          - For V(command), a program in the container and its arguments. There is no shell.
          - The engine cannot end it; one that goes on after its time is not started again beside itself.
        type: list
        elements: str
  phases:
    description: >-
      Seconds that a phase may last, from the moment when the earlier ones were passed. Default is no limit but
      O(timeout).
    type: dict
    suboptions:
      process:
        description: Until containers run.
        type: float
      port:
        description: Until connections are accepted.
        type: float
      loading:
        description: Until models are read.
        type: float
      ready:
        description: Until requests are taken.
        type: float
      infers:
        description: Until a request is answered rightly.
        type: float
  timeout:
    description: Seconds for everything, O(delay) and all phases included.
    type: float
    default: 60.0
  interval:
    description: Seconds between two attempts at a target.
    type: float
    default: 2.0
  backoff:
    description: Every failure in a row makes the next pause so many times longer, up to O(max_interval).
    type: float
    default: 1.2
  max_interval:
    description: Seconds of the longest pause, unless O(interval) is longer.
    type: float
    default: 10.0
  jitter:
    description: Every pause is longer or shorter by up to this part of it, so that many hosts do not ask in step.
    type: float
    default: 0.1
  successes:
    description: How many attempts in a row have to succeed.
    type: int
    default: 1
  delay:
    description: Seconds before the first attempt.
    type: float
    default: 0.0
  progress:
    description:
      - How the controller shows whom a poll that takes longer than ten seconds waits for. V(auto) shows it in place on
        a terminal and as lines elsewhere, V(lines) always as lines, V(off) not at all. The environment variable
        E(DRYDOCK_PROGRESS) has the last word.
    type: str
    choices: [auto, lines, "off"]
    default: auto
  status_file:
    description: For the action plugin, which sets it. Where the module tells how far it is.
    type: path
requirements:
  - The Python library C(requests) for V(http) targets.
  - The Python library C(docker) for V(container) and V(command) targets.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details:
      - It only looks, in check mode too.
      - What a request or a command does to the service it asks is up to that service.
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

- name: Wait for a model server, phase by phase, and stop at the first one that takes too long
  drydock.serving.health_poll:
    timeout: 900
    phases: {process: 30, port: 30, loading: 600, ready: 60, infers: 60}
    targets:
      - name: process
        type: container
        container: ocr-blue-llm-1
        phase: process
      - name: port
        type: tcp
        port: 18443
        phase: port
      - name: loaded
        type: grpc
        port: 18443
        service: llm
        phase: loading
      - name: answers
        url: http://127.0.0.1:18001/v1/ocr
        method: POST
        headers: {Authorization: "Bearer {{ ocr_token }}"}
        body_file: /opt/ocr/golden/page.png
        json_tests:
          - {path: lines.0.text, test: equals, value: INVOICE}
          - {path: lines.0.confidence, test: at_least, value: 0.9}
        max_latency: 2
        successes: 3
        phase: infers

- name: See that the database and the queue have come up
  drydock.serving.health_poll:
    targets:
      - name: postgres
        type: postgres
      - name: redis
        type: redis
      - name: replication
        type: command
        container: ocr-base-postgres-1
        command: [pg_isready, --quiet]

- name: Look at the service from outside, at one host of several
  drydock.serving.health_poll:
    targets:
      - name: edge
        url: https://ocr.example.org/health
        address: 192.0.2.10
        ca_path: /etc/ssl/certs/ca-certificates.crt
        certificate_days: 14
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
    phase:
      description: Its phase.
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
        - For V(command) targets RV(ignore:exit_code) and the beginning of the RV(ignore:output).
        - For V(grpc) targets RV(ignore:grpc_status) and RV(ignore:serving).
        - For V(postgres) and V(redis) targets the RV(ignore:code) that the server answered with, where it gave one.
        - With TLS RV(ignore:certificate_days), for which the certificate is still good.
      type: dict
timeline:
  description:
    - What was seen of each target whenever it was something else than before, with the seconds since polling began.
    - Of each target the first and the last four changes, and at most 1000 in all.
  returned: always
  type: list
  elements: dict
  sample:
    - {"at": 4.02, "target": "api", "phase": "ready", "ok": false, "summary": "HTTP 503 instead of 200"}
timeline_left_out:
  description: How many changes are not in RV(timeline).
  returned: always
  type: int
elapsed:
  description: Seconds that polling took.
  returned: always
  type: float
failure:
  description: Why it failed. RV(ignore:kind) is one of V(unhealthy), V(invalid_target), V(missing_library),
      V(interrupted) when polling was killed on its host.
  returned: failure
  type: dict
"""

import random
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.command import DockerCommands
from ansible_collections.drydock.serving.plugins.module_utils._health.container import DockerInspector
from ansible_collections.drydock.serving.plugins.module_utils._health.docker_client import DockerClient
from ansible_collections.drydock.serving.plugins.module_utils._health.http import url_secrets
from ansible_collections.drydock.serving.plugins.module_utils._health.parse import parse_targets
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import (
    ThreadPool,
    nobody_looks,
    poll,
    workers_for,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.probe import Prober
from ansible_collections.drydock.serving.plugins.module_utils._health.report import Report
from ansible_collections.drydock.serving.plugins.module_utils._health.telling import Telling

TARGET_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {
        "type": "str",
        "choices": ["http", "tcp", "grpc", "postgres", "redis", "container", "command"],
        "default": "http",
    },
    "phase": {"type": "str", "choices": ["process", "port", "loading", "ready", "infers"], "default": "ready"},
    "group": {"type": "str"},
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
    "json_tests": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "test": {
                "type": "str",
                "required": True,
                "choices": [
                    *("equals", "differs", "above", "at_least", "below", "at_most"),
                    *("one_of", "contains", "matches", "length_at_least", "exists", "absent"),
                ],
            },
            "value": {"type": "raw"},
        },
    },
    "contains": {"type": "list", "elements": "str"},
    "matches": {"type": "list", "elements": "str"},
    "max_latency": {"type": "float"},
    "ca_path": {"type": "path"},
    "certificate_days": {"type": "int"},
    "address": {"type": "str"},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "tls": {"type": "bool", "default": False},
    "server_name": {"type": "str"},
    "service": {"type": "str"},
    "user": {"type": "str", "default": "postgres"},
    "database": {"type": "str"},
    "container": {"type": "str"},
    "state": {"type": "str", "default": "running"},
    "health": {"type": "str", "choices": ["healthy", "unhealthy", "starting"]},
    "exit_code": {"type": "int"},
    "max_restarts": {"type": "int", "default": 3},
    "command": {"type": "list", "elements": "str"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "targets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": TARGET_SPEC,
        "required_if": [
            ("type", "http", ("url",)),
            ("type", "tcp", ("port",)),
            ("type", "grpc", ("port",)),
            ("type", "container", ("container",)),
            ("type", "command", ("container", "command")),
        ],
        "mutually_exclusive": [("body", "body_file")],
    },
    "phases": {
        "type": "dict",
        "options": {
            "process": {"type": "float"},
            "port": {"type": "float"},
            "loading": {"type": "float"},
            "ready": {"type": "float"},
            "infers": {"type": "float"},
        },
    },
    "timeout": {"type": "float", "default": 60.0},
    "interval": {"type": "float", "default": 2.0},
    "backoff": {"type": "float", "default": 1.2},
    "max_interval": {"type": "float", "default": 10.0},
    "jitter": {"type": "float", "default": 0.1},
    "successes": {"type": "int", "default": 1},
    "delay": {"type": "float", "default": 0.0},
    "progress": {"type": "str", "choices": ["auto", "lines", "off"], "default": "auto"},
    "status_file": {"type": "path"},
}


def look(params: dict[str, Any]) -> Report:
    """Poll what the task names."""
    targets = parse_targets(params)
    client = DockerClient()
    status = params["status_file"]
    return poll(
        targets,
        Prober(DockerInspector(client).probe, DockerCommands(client).probe),
        timeout=params["timeout"],
        delay=params["delay"],
        budgets={phase: seconds for phase, seconds in (params["phases"] or {}).items() if seconds is not None},
        jitter=params["jitter"],
        chance=random.random,
        clock=time.monotonic,
        pool=ThreadPool(workers_for(len(targets))),
        on_look=Telling(Path(status), limit=params["timeout"]) if status else nobody_looks,
    )


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no types
    """Knows what must not be printed before ansible-core logs the arguments on the host, or gives them back."""

    def _hide(self) -> None:
        targets = self.params.get("targets")
        for target in targets if isinstance(targets, list) else ():  # they may be among what is wrong
            if isinstance(target, dict):
                self.no_log_values.update(url_secrets(str(target.get("url") or "")))

    def _log_invocation(self) -> None:
        self._hide()
        super()._log_invocation()

    def fail_json(self, msg: str, **more: Any) -> None:
        self._hide()
        super().fail_json(msg, **more)


def main() -> None:
    module = _Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result: dict[str, Any] = {
        "changed": False,
        "targets": [],
        "timeline": [],
        "timeline_left_out": 0,
        "elapsed": 0.0,
    }
    try:
        report = look(module.params)
        timeline, left_out = report.timeline()
        result.update(
            targets=report.as_list(),
            timeline=timeline,
            timeline_left_out=left_out,
            elapsed=round(report.elapsed, 2),
        )
        if not report.ok:
            raise report.error()
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
