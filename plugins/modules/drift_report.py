#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: drift_report
short_description: Run a playbook in check mode and write down what would change
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Runs a playbook in check mode, with the inventory, limit, variables and credentials of the run that asks, and
    changes nothing.
  - Writes C(drift-<date>.json) with the places that would change on each host and their diffs. What C(no_log) covers
    and what looks like a secret is left out.
  - A host that would be changed has drifted. A host that did not answer or failed is unknown, never clean.
  - Fails when anything but clean is found, so that the playbook ends with exit status 2.
options:
  playbook:
    description: Path of the playbook.
    type: path
    required: true
  reports:
    description: Folder for the report on the controller. It is made when it is missing.
    type: path
    required: true
  timeout:
    description: Seconds the run may take.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Can run in check mode and returns what it would return without it.
    support: full
    details: [The run it starts is always in check mode.]
  diff_mode:
    description: Returns details on what has changed, or may change in check mode, as a diff.
    support: N/A
    details: [The diffs are in the report.]
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
    details: [Never reports a change.]
notes:
  - Runs on the controller. Use it with C(run_once=true).
  - Passwords that are typed in cannot be handed on; give files that hold them.
"""

EXAMPLES = r"""
- name: Look for drift
  hosts: all:localhost
  gather_facts: false
  tasks:
    - name: Run the site in check mode and write down what would change
      drydock.serving.drift_report:
        playbook: "{{ playbook_dir }}/site.yml"
        reports: reports
      run_once: true
"""

RETURN = r"""
verdict:
  description: V(clean), V(drift) or V(unknown).
  returned: always
  type: str
hosts:
  description: The verdict on each host by its name.
  returned: always
  type: dict
report:
  description: Path of the report.
  returned: always
  type: str
failure:
  description: Why it failed. RV(ignore:kind) is one of V(drift), V(unknown), V(needs_password_file), V(timeout),
    V(cannot_write).
  returned: failure
  type: dict
"""
