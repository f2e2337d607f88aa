#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: port_probe
short_description: Look from outside which TCP ports of a host answer
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Tries a TCP connection to each listed port once, sends nothing, and compares with what is expected.
  - Looks from the machine it runs on, so run it with C(delegate_to=localhost), or on another host, to see what
    outsiders see.
options:
  host:
    description: Address or name of the host to look at.
    type: str
    required: true
  open:
    description: Ports that have to accept connections.
    type: list
    elements: int
    default: []
  closed:
    description:
      - Ports that must not accept connections. Refused and unanswered are both fine.
      - A port that O(open) names, too, has to be open.
    type: list
    elements: int
    default: []
  timeout:
    description: Seconds to wait for each port.
    type: float
    default: 2.0
attributes:
  check_mode:
    description: Can run in check mode and returns what it would return without it.
    support: full
    details: [It only looks.]
  diff_mode:
    description: Returns details on what has changed, or may change in check mode, as a diff.
    support: N/A
    details: [Changes nothing.]
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
    details: [Never reports a change.]
"""

EXAMPLES = r"""
- name: The web answers, the database and the engine do not
  drydock.serving.port_probe:
    host: 192.0.2.10
    open: [80, 443]
    closed: [2375, 5432, 6379]
  delegate_to: localhost
"""

RETURN = r"""
ports:
  description: Every port that was looked at.
  returned: always
  type: list
  elements: dict
  contains:
    port:
      description: Its number.
      type: int
    state:
      description: V(open), V(closed) when the connection is refused, V(filtered) when nothing answers.
      type: str
    expected:
      description: V(open) or V(closed).
      type: str
    ok:
      description: Whether it is as expected.
      type: bool
failure:
  description:
    - Why it failed. RV(ignore:kind) is one of V(invalid_arguments), V(unexpected_ports), V(unknown_host).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._port_probe import probe_ports, sentences


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "open": {"type": "list", "elements": "int", "default": []},
            "closed": {"type": "list", "elements": "int", "default": []},
            "timeout": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        answers = probe_ports(
            params["host"], expect_open=params["open"], expect_closed=params["closed"], timeout=params["timeout"]
        )
    except DrydockError as error:
        module.fail_json(changed=False, ports=[], **error.as_result())
    wrong = sentences(params["host"], answers)
    result = {"changed": False, "ports": [answer.as_dict() for answer in answers]}
    if wrong:
        module.fail_json(
            msg="\n".join(wrong),
            failure={"kind": "unexpected_ports", "ports": [a.port for a in answers if not a.ok]},
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
