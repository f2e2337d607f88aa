#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Show and write down what release_info told of each host
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Prints a line for each host and the details of those where something is wrong, and writes C(status-<host>.json).
  - A host that did not answer, or could not be asked, has its line and its file like any other.
  - Fails when something is wrong on any host, so that the playbook ends with exit status 2.
options:
  hosts:
    description: The names of the hosts.
    type: list
    elements: str
    required: true
  gathered:
    description: What the task with M(drydock.serving.release_info) registered on each of them, in the same order.
    type: list
    elements: raw
    required: true
  reports:
    description: Folder for the files on the controller. It is made when it is missing.
    type: path
    required: true
  format:
    description: What is printed. V(json) is one document with all hosts.
    type: str
    choices: [table, json]
    default: table
attributes:
  check_mode:
    description: Can run in check mode and returns what it would return without it.
    support: full
    details: [The files are written all the same. They are the controller's own notes.]
  diff_mode:
    description: Returns details on what has changed, or may change in check mode, as a diff.
    support: N/A
    details: [It changes nothing that it would compare.]
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
    details: [Never reports a change.]
notes:
  - Runs on the controller. Use it with C(run_once=true).
seealso:
  - module: drydock.serving.release_info
"""

EXAMPLES = r"""
- name: Show every host
  drydock.serving.status_report:
    hosts: "{{ ansible_play_hosts_all }}"
    gathered: "{{ ansible_play_hosts_all | map('extract', hostvars) | map(attribute='told', default={}) | list }}"
    reports: reports
  run_once: true
"""

RETURN = r"""
ok:
  description: Nothing is wrong on any host.
  returned: always
  type: bool
hosts:
  description: V(ok), V(problem), V(unreachable) or V(unknown) for each host by its name.
  returned: always
  type: dict
failure:
  description: Why it failed. RV(ignore:kind) is one of V(problem), V(invalid_input), V(cannot_write).
  returned: failure
  type: dict
"""
