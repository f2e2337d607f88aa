#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Tell everything that keeps a host from being deployed to
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Asks a host two short questions over the connection, one as the user that logs in and one as root, and judges the
    answers.
  - Works before anything is installed, on a host without Python, without sudo or of another distribution, and says so.
  - Reports every problem of the host at once. A host that does not answer is reported as unreachable, with what to
    look at.
options:
  distributions:
    description: Supported versions by the C(ID) of C(/etc/os-release).
    type: dict
    required: true
  architectures:
    description: Supported architectures, as Debian calls them.
    type: list
    elements: str
    default: [amd64, arm64]
  python:
    description: The oldest Python on the host that will do.
    type: str
    default: "3.9"
  clock_skew:
    description: Seconds the clock of the host may differ from that of the controller.
    type: int
    default: 120
  disk:
    description: Bytes that have to be free, by path. The path need not exist yet.
    type: dict
    default: {}
  models_root:
    description: Where model files are kept.
    type: str
    default: /var/lib/drydock/models
  models:
    description:
      - The RV(ignore:models) of a stack model. Those that are not on the host yet have to fit.
      - A file that the format policy lets through until a day that is over is a problem.
    type: list
    elements: dict
    default: []
  needs:
    description: The RV(ignore:totals) of a stack model. Without it memory and processors are not judged.
    type: dict
    default: {}
  capacity:
    description: The RV(ignore:capacity) of a stack model.
    type: dict
    default: {}
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
notes:
  - Runs with C(become=true), so that the way to root is tried, too. The first question is asked without it all the
    same.
"""

EXAMPLES = r"""
- name: Refuse hosts that cannot be deployed to
  drydock.serving.host_check:
    distributions:
      debian: ["12", "13"]
    disk:
      /var/lib/docker: 1073741824
  become: true
"""

RETURN = r"""
problems:
  description: Everything that is wrong, each a sentence or two that also say what to do.
  returned: always
  type: list
  elements: str
host:
  description: What the host is, as RV(ignore:user), RV(ignore:distribution), RV(ignore:version),
    RV(ignore:architecture), RV(ignore:python), RV(ignore:memory) in bytes and RV(ignore:cpus).
  returned: always
  type: dict
failure:
  description: Why it failed. RV(ignore:kind) is V(unfit_host).
  returned: failure
  type: dict
"""
