#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_plan
short_description: Tell what model_sync would do on a host
version_added: 0.1.0
description:
  - Compares a model store with the models that must be in place, and tells what M(drydock.serving.model_sync) would
    fetch, build, activate and remove, and whether there is room for it. Nothing is fetched, written or waited for.
  - Takes the arguments of M(drydock.serving.model_sync), all of them, so that both can be given the same.
  - M(drydock.serving.model_sync) asks it first, as it is a small part of that module. Where it finds everything in
    place, nothing else is sent to the host.
extends_documentation_fragment:
  - drydock.serving.model_store
  - drydock.serving.attributes
attributes:
  check_mode:
    details: Never changes anything.
  diff_mode:
    details: One entry for each model that is not as wanted, file by file with old and new digests.
  idempotent:
    details: Reports a change as long as M(drydock.serving.model_sync) has something to do.
author:
  - drydock.serving contributors (@drydock)
seealso:
  - module: drydock.serving.model_sync
"""

EXAMPLES = r"""
- name: See what tonight's change of models will take
  drydock.serving.model_plan:
    models: "{{ stack_model.models }}"
  register: models

- name: Show it
  ansible.builtin.debug:
    msg: "{{ models.msg }}" # would fetch 14.2 GB in 3 files, keep 2 versions, free 8.1 GB after
"""

RETURN = r"""
msg:
  description: What would be done, or why it could not be.
  type: str
  returned: always
settled:
  description: Whether everything is in place, so that M(drydock.serving.model_sync) would do nothing.
  type: bool
  returned: success
pending:
  description: Whether something must be fetched, and nothing else stands in the way of it.
  type: bool
  returned: always
sets:
  description: The models in the order given, as M(drydock.serving.model_sync) tells them.
  type: list
  elements: dict
  returned: always
planned_bytes:
  description: Bytes that must be fetched.
  type: int
  returned: always
bytes_freed:
  description: Bytes that removing old versions and leftovers would give back.
  type: int
  returned: always
free_bytes:
  description: Bytes free on the file system.
  type: int
  returned: always
free_bytes_after:
  description: Bytes free after fetching what is missing and removing what is no longer needed.
  type: int
  returned: always
quarantined:
  description: Damaged blobs that were found, with C(checksum), C(found) and C(moved_to).
  type: list
  elements: dict
  returned: always
collected:
  description: What would be removed, relative to O(root).
  type: list
  elements: str
  returned: always
kept:
  description: Versions beyond O(keep) that would stay, with C(name), C(version) and C(reason).
  type: list
  elements: dict
  returned: always
notices:
  description: What needs attention although nothing fails, for example an exemption that has ended.
  type: list
  elements: str
  returned: always
failure:
  description: The reason of a failure, for programs.
  type: dict
  returned: failure
  contains:
    kind:
      description:
        - One of V(invalid_input), V(format_refused), V(no_space), V(store_damaged), V(io_error), V(permission_denied),
          V(internal).
      type: str
      returned: always
"""

import os
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._file_state import os_failure
from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import (
    ARGUMENT_SPEC,
    defaults_for_null,
    secrets_of,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import plan_sync
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import load_receipts
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import (
    describe,
    diff_of,
    empty_result,
    failed,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import check_room
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_size
from ansible_collections.drydock.serving.plugins.module_utils._model_store.wishes import wishes_of


def _look(params: dict[str, Any], result: dict[str, Any], *, check: bool) -> None:
    wishes = wishes_of(params, check=check)
    layout = Layout(root=Path(os.path.realpath(params["root"])))
    try:
        plan = plan_sync(layout, wishes, receipts=load_receipts(layout.receipts), now=time.time())
        free = check_room(layout, plan, reserve=parse_size(params["reserve"]))
        result.update(describe(layout, plan, free=free, check=True), diff=diff_of(layout, plan, wishes.ownership))
    except OSError as error:
        raise os_failure(error, so_far="Nothing was touched.") from error
    # what was hashed now is worth remembering, which is not done here
    result["settled"] = plan.settled
    result["pending"] = bool(plan.fetch) and not plan.receipts_stale


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no types
    """Knows what must not be printed before ansible-core writes the arguments into the host's log."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets_of(self.params))
        super()._log_invocation()


def main() -> None:
    module = _Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result = empty_result()
    try:
        _look(defaults_for_null(module.params), result, check=module.check_mode)
    except Exception as error:  # noqa: BLE001 - told as a failure, with its traceback where nobody foresaw it
        module.fail_json(**failed(result, error))
    for warning in result["notices"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
