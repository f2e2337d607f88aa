#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep live kernel parameters as declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_values
short_description: Keep live kernel parameters as declared
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Compares live kernel parameters with the declared values and sets those that differ, all in one call.
  - Writes no file. What the next boot sets is a file beneath C(/etc/sysctl.d), which
    M(drydock.serving.config_tree) keeps.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  values:
    description:
      - Names and values, set in this order.
      - A parameter that this kernel does not have is listed in RV(missing). One that it refuses is a failure, except
        inside a container, where the kernel belongs to the machine outside; there it is a warning.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: kernel | Set the live values
  drydock.serving.sysctl_values:
    values:
      net.ipv4.ip_forward: 1
      kernel.dmesg_restrict: 1
"""

RETURN = r"""
missing:
  description: Parameters that this kernel does not have.
  returned: always
  type: list
  elements: str
refused:
  description: Parameters that a shared kernel kept, with its reason.
  returned: always
  type: dict
  sample: {kernel.dmesg_restrict: Read-only file system}
failure:
  description: On failure, C(kind) and its facts.
  returned: failure
  type: dict
  sample: {kind: refused}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils import _sysctl as sysctl
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SPEC: dict[str, Any] = {"values": {"type": "dict", "required": True}}


def refuse(refused: dict[str, str]) -> DrydockError:
    listed = "; ".join(f"{key}: {reason}" for key, reason in refused.items())
    return DrydockError(
        "refused",
        f"The kernel refused {len(refused)} parameter(s): {listed}. The others are set. A locked-down kernel may "
        "forbid them; take them out of the settings or allow them in the kernel's configuration.",
        refused=refused,
    )


def converge(module: AnsibleModule, result: dict[str, Any]) -> None:
    plan = sysctl.plan(module.params["values"])
    shared = sysctl.in_container()
    result["missing"] = list(plan.missing)
    doable = []
    for difference in plan.differences:
        if sysctl.writable(difference):
            doable.append(difference)
        else:
            result["refused"][difference.key] = "not writable"
    if not module.check_mode:
        for difference in list(doable):
            objection = sysctl.apply(difference)
            if objection:
                result["refused"][difference.key] = objection
                doable.remove(difference)
    result["changed"] = bool(doable)
    result["diff"] = {
        "before": "".join(f"{each.key} = {each.before}\n" for each in doable),
        "after": "".join(f"{each.key} = {each.after}\n" for each in doable),
        "before_header": "kernel (live)",
        "after_header": "kernel (declared)",
    }
    if result["refused"] and not shared:
        raise refuse(result["refused"])
    if result["refused"]:
        module.warn(
            "The kernel is shared (this host is a container) and keeps its own value of "
            f"{', '.join(sorted(result['refused']))}. Set them on the machine outside."
        )


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    result: dict[str, Any] = {"changed": False, "missing": [], "refused": {}, "diff": {}}
    try:
        converge(module, result)
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
