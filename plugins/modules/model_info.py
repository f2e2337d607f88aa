#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_info
short_description: Tell what a model store holds, and read its files again within a budget
version_added: 0.1.0
description:
  - Tells which versions of which models are there, which are current or mounted, how much room they take, and what in
    them is not as it should be. Only names and sizes are looked at, and nobody is waited for.
  - With O(scrub_budget), reads that many bytes of the store again and compares them with their digests, those first
    that were never read or longest ago, and remembers where it stopped. A call each night finds rot of the disk within
    days.
  - A rotten file is moved out of the store, so that the next M(drydock.serving.model_sync) fetches it again.
    Until then the sets that hold it go on serving it through their hard links.
options:
  root:
    description: Directory of the store. One that is not there holds nothing.
    type: path
    default: /var/lib/drydock/models
  scrub_budget:
    description:
      - Bytes that are read again at most, as V(50GB) or V(10GiB). Without it nothing is read.
      - A file that is bigger than the budget is never read, and told in RV(scrub.too_big).
      - Reading goes past the page cache where the file system can do that, and with the lowest priority the kernel has.
    type: str
  lock_timeout:
    description:
      - Seconds that reading again waits for a sync. After that it is left for the next call, and RV(scrub.skipped) says
        who held the store.
    type: float
    default: 60
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    details: Bytes are read and damage is told, but nothing is moved and nothing remembered.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Each call with O(scrub_budget) reads further files. Nothing changes unless one of them is damaged.
author:
  - drydock.serving contributors (@drydock)
seealso:
  - module: drydock.serving.model_sync
"""

EXAMPLES = r"""
- name: See which versions there are
  drydock.serving.model_info:
  register: models

- name: Read up to 50 GB again, every night
  drydock.serving.model_info:
    scrub_budget: 50GB
"""

RETURN = r"""
msg:
  description: What the store holds, and what is wrong with it.
  type: str
  returned: always
sets:
  description: The models by name.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the model.
      type: str
      returned: always
    current:
      description: The version in use. Null when there is none.
      type: str
      returned: always
    versions:
      description: C(version), C(files), C(bytes) and C(mounted) (by a running container) of each version.
      type: list
      elements: dict
      returned: always
blobs:
  description: C(count) and C(bytes) of the verified files.
  type: dict
  returned: always
partial:
  description: C(count) and C(bytes) of what has not arrived completely.
  type: dict
  returned: always
quarantine:
  description: C(count) and C(bytes) of damaged files that were moved away. They go after a month.
  type: dict
  returned: always
free_bytes:
  description: Bytes free on the file system.
  type: int
  returned: always
damaged:
  description: Files that are not what they should be.
  type: list
  elements: dict
  returned: always
  contains:
    checksum:
      description: The digest it should have. Null for a manifest.
      type: str
      returned: always
    found:
      description: What is there instead.
      type: str
      returned: always
    moved_to:
      description: Where a rotten file was moved. Null when it still is where it was.
      type: str
      returned: always
    sets:
      description: C(name), C(version) and C(path) of every place that holds it.
      type: list
      elements: dict
      returned: always
scrub:
  description: Reading again, in this call and before.
  type: dict
  returned: always
  contains:
    bytes:
      description: Bytes read by this call.
      type: int
      returned: always
    files:
      description: Files read by this call.
      type: int
      returned: always
    skipped:
      description: Why reading or moving was left for the next call. Null when it was not.
      type: str
      returned: always
    too_big:
      description: Digests of files that are bigger than the budget.
      type: list
      elements: str
      returned: always
    last:
      description: Second since the epoch at which a file was last read. Null for never.
      type: int
      returned: always
    oldest:
      description: The same of the file that was read longest ago, of those that were read.
      type: int
      returned: always
    never:
      description: Number of files that were not read since they were fetched.
      type: int
      returned: always
failure:
  description: The reason of a failure, for programs.
  type: dict
  returned: failure
  contains:
    kind:
      description:
        - One of V(invalid_input), V(store_damaged), V(io_error), V(no_space), V(read_only), V(permission_denied),
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
from ansible_collections.drydock.serving.plugins.module_utils._model_store import info
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import failed
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "root": {"type": "path", "default": "/var/lib/drydock/models"},
    "scrub_budget": {"type": "str"},
    "lock_timeout": {"type": "float", "default": 60},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result = info.empty_result()
    clock = Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
    try:
        given = module.params["root"] or ARGUMENT_SPEC["root"]["default"]
        budget, lock_timeout = info.parse(given, module.params["scrub_budget"], module.params["lock_timeout"])
        root = Path(os.path.realpath(given))
        info.tell(root, budget=budget, lock_timeout=lock_timeout, clock=clock, result=result, check=module.check_mode)
    except OSError as error:
        module.fail_json(**failed(result, os_failure(error)))
    except Exception as error:  # noqa: BLE001 - told as a failure, with its traceback where nobody foresaw it
        module.fail_json(**failed(result, error))
    for item in result["damaged"]:
        module.warn(info.warning(item))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
