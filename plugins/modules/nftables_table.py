#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one nftables table as declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_table
short_description: Keep one nftables table as declared
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Replaces one table in one kernel transaction and keeps the file that loads it at boot. Established connections stay.
  - The wanted table is first loaded in a scratch network namespace. That shows errors before anything live changes,
    makes the comparison with the live table exact, and refuses content that reaches into other tables. Foreign tables
    are never flushed.
  - Finds the SSH connection this run itself came in by and refuses rules that would not accept it again.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: Without C(nft) on the host (a bare one) it reports a change and cannot check the content.
  diff_mode:
    support: full
    details: Both sides are listings by C(nft), without counters.
  idempotent:
    support: full
requirements:
  - C(nft) and C(unshare) (util-linux) on the host, and root.
options:
  name:
    description: Name of the table.
    type: str
    required: true
  family:
    description: Address family of the table.
    type: str
    choices: [inet, ip, ip6]
    default: inet
  content:
    description: What stands between the braces of the table. Needed when O(state=present).
    type: str
  path:
    description: File that holds the table for the next boot. Its directory is made. Without it nothing is persisted.
    type: path
  accepts:
    description:
      - The ports that O(content) opens. When given, the connection this run came in by must be among them.
    type: list
    elements: dict
    suboptions:
      port:
        description: Port number.
        type: int
        required: true
      protocol:
        description: Protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      sources:
        description: V(any), addresses or networks. A network with host bits is refused.
        type: list
        elements: str
        default: [any]
      name:
        description: Name of the opening, for the reader.
        type: str
  state:
    description: Whether the table and its file are there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - name: nft(8)
    description: The ruleset language.
    link: https://www.netfilter.org/projects/nftables/manpage.html
"""

EXAMPLES = r"""
- name: firewall | Let in SSH from the office and HTTPS from everywhere
  drydock.serving.nftables_table:
    name: drydock
    path: /etc/drydock/firewall.nft
    content: |
      chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "lo" accept
        ip saddr 192.0.2.0/24 tcp dport 22 accept
        tcp dport 443 accept
      }
    accepts:
      - {port: 22, sources: [192.0.2.0/24]}
      - {port: 443}
"""

RETURN = r"""
table:
  description: Family and name.
  returned: always
  type: str
  sample: inet drydock
reasons:
  description: Why something had or has to be done. Empty when nothing had.
  returned: always
  type: list
  elements: str
  sample: [the live table differs from the declared one]
session:
  description: The SSH connection this run came in by, empty when there is none.
  returned: always
  type: dict
  sample: {client: 192.0.2.10, port: 22}
failure:
  description: On failure, C(kind) and its facts.
  returned: failure
  type: dict
  sample: {kind: controller_locked_out, client: 192.0.2.10, port: 22}
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils import _nftables as nftables
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._nftables_session import (
    parse_openings,
    refuse_lockout,
)
from ansible_collections.drydock.serving.plugins.module_utils._ssh_session import find_session

ACCEPTS = {
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "sources": {"type": "list", "elements": "str", "default": ["any"]},
    "name": {"type": "str"},
}
SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "content": {"type": "str"},
    "path": {"type": "path"},
    "accepts": {"type": "list", "elements": "dict", "options": ACCEPTS},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def converge(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Plan, show the plan as a diff, and carry it out unless this is check mode."""
    params = module.params

    def run(argv: Sequence[str], text: str) -> nftables.CommandResult:
        return nftables.CommandResult(*module.run_command(list(argv), data=text))

    name = nftables.validate_name(params["name"])
    path = Path(params["path"]) if params["path"] else None
    table = nftables.Table(family=params["family"], name=name, body=params["content"] or "")
    present = params["state"] == "present"
    session = find_session(os.getppid(), os.environ)
    result["session"] = {"client": session.client, "port": session.port} if session else {}
    if present and params["accepts"] is not None:
        refuse_lockout(session, parse_openings(params["accepts"]))

    if module.get_bin_path("nft") is None:
        if present and not module.check_mode:
            raise DrydockError("nft_missing", "nft is not installed on the host. Install the package nftables first.")
        plan = nftables.plan_unseen(table, path) if present else nftables.Plan("", "", False, False, ())
    elif present:
        plan = nftables.plan_present(run, table, path)
    else:
        plan = nftables.plan_absent(run, table.family, name, path)

    result["changed"] = plan.changed
    result["reasons"] = list(plan.reasons)
    header = f"table {table.family} {name}"
    result["diff"] = {
        "before": plan.before,
        "after": plan.after,
        "before_header": f"{header} (live)",
        "after_header": f"{header} (declared)",
    }
    if plan.changed and not module.check_mode:
        if present:
            nftables.execute_present(run, table, path, plan)
        else:
            nftables.execute_absent(run, table.family, name, path, plan)


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC, required_if=[("state", "present", ["content"])], supports_check_mode=True
    )
    result: dict[str, Any] = {
        "changed": False,
        "table": f"{module.params['family']} {module.params['name']}",
        "reasons": [],
        "session": {},
        "diff": {},
    }
    try:
        converge(module, result)
    except DrydockError as error:
        module.fail_json(**{**result, "changed": False, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
