#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_sync
short_description: Bring verified model files onto a host
version_added: 0.1.0
description:
  - Fetches the files of models over http, https or from local files, and verifies their sha256 while receiving.
  - Keeps them in a content-addressed store as read-only blobs, and gives each version of each model a directory of hard
    links with a C(manifest.json), and each model a symbolic link C(current) that changes in one step.
  - A file that is not verified never gets a final name. When anything fails, what serves now stays as it is.
  - Safe to be killed at any moment. What was received is used by the next call.
extends_documentation_fragment:
  - drydock.serving.model_store
  - drydock.serving.attributes
attributes:
  check_mode:
    details:
      - Says what would be fetched, built, activated and removed, and whether there is room for it.
      - Nothing is fetched or written.
      - Blobs whose receipt does not match are hashed, so that a damaged file is found.
  diff_mode:
    details: One entry for each model, file by file with old and new digests.
  idempotent:
    support: full
requirements:
  - requests (Debian and Ubuntu package python3-requests), when something must be fetched over http or https
author:
  - drydock.serving contributors (@drydock)
seealso:
  - module: ansible.builtin.get_url
"""

EXAMPLES = r"""
- name: Bring the OCR models onto the host
  drydock.serving.model_sync:
    models:
      - name: ocr
        version: "4.0"
        files:
          - path: det.onnx
            urls:
              - https://models.example.org/ocr/4.0/det.onnx
              - https://mirror.example.org/ocr/4.0/det.onnx
            checksum: sha256:d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9
            size: 4745517

- name: Fetch with a token, at most 50 MB a second
  drydock.serving.model_sync:
    models: "{{ stack_model.models }}"
    bandwidth: 50MB
    headers:
      https://models.example.org:
        Authorization: "Bearer {{ vault_model_token }}"

- name: Read every byte again, as a nightly check
  drydock.serving.model_sync:
    models: "{{ stack_model.models }}"
    verify: full
  check_mode: true
"""

RETURN = r"""
msg:
  description: What was or would be done; after a failure what happened, what was expected and what to do next.
  type: str
  returned: always
sets:
  description: The models in the order given. Empty after a failure.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the model.
      type: str
      returned: always
    version:
      description: The version that is current now.
      type: str
      returned: always
    previous:
      description: The version that was current before.
      type: str
      returned: always
    state:
      description: One of V(created), V(replaced), V(repaired), V(activated), V(unchanged).
      type: str
      returned: always
    files:
      description:
        - C(path), C(checksum), C(size) and C(state) of each file.
        - The state is V(fetched), V(linked), V(repaired) or V(unchanged).
      type: list
      elements: dict
      returned: always
planned_bytes:
  description: Bytes that had to be fetched when the module started.
  type: int
  returned: always
bytes_fetched:
  description: Bytes received, repeated and wrong ones included. 0 in check mode.
  type: int
  returned: always
bytes_freed:
  description: Bytes that removing old versions and leftovers gave back.
  type: int
  returned: always
free_bytes:
  description: Bytes free on the file system before anything was fetched.
  type: int
  returned: always
free_bytes_after:
  description: Bytes free after fetching what is missing and removing what is no longer needed, as planned.
  type: int
  returned: always
quarantined:
  description: Damaged blobs that were found, with C(checksum), C(found) and C(moved_to).
  type: list
  elements: dict
  returned: always
collected:
  description: What was removed, relative to O(root).
  type: list
  elements: str
  returned: always
kept:
  description: Versions beyond O(keep) that stayed, with C(name), C(version) and C(reason).
  type: list
  elements: dict
  returned: always
pending:
  description: With O(fetch=false), whether something must be fetched, so that nothing was changed.
  type: bool
  returned: always
waited_for:
  description: Who held the store when this call wanted it. Null when nobody did.
  type: str
  returned: always
sources:
  description: Who sent something, with C(source) (scheme and host), C(bytes) and C(failures).
  type: list
  elements: dict
  returned: always
notices:
  description: What needs attention although nothing failed, for example an exemption that has ended.
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
        - One of V(invalid_input), V(requests_missing), V(format_refused), V(no_space), V(busy), V(store_damaged),
          V(io_error), V(read_only), V(permission_denied), V(unreachable), V(stalled), V(interrupted), V(refused),
          V(not_found), V(bad_response), V(tls), V(size_mismatch), V(checksum_mismatch), V(internal).
      type: str
      returned: always
    file:
      description: The file that could not be fetched.
      type: str
      returned: when a file could not be fetched
    expected:
      description: Its digest.
      type: str
      returned: when a file could not be fetched
    sources:
      description: What each source answered.
      type: list
      elements: str
      returned: when a file could not be fetched
"""

import os
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import (
    ARGUMENT_SPEC,
    defaults_for_null,
    secrets_of,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result, failed
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_size
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import (
    Clock,
    Fetching,
    Limits,
    Sync,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.wishes import wishes_of


def _fetching(params: dict[str, Any], ownership: Ownership, clock: Clock) -> Fetching:
    from ansible_collections.drydock.serving.plugins.module_utils._model_store.fetching import (  # noqa: PLC0415 - an idle run loads nothing of it
        WebFetching,
    )

    return WebFetching(params, ownership, clock)


def _sync(params: dict[str, Any], result: dict[str, Any], *, check: bool) -> None:
    wishes = wishes_of(params, check=check)
    clock = Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
    Sync(
        Layout(root=Path(os.path.realpath(params["root"]))),
        wishes,
        Limits(reserve=parse_size(params["reserve"]), lock_timeout=params["lock_timeout"]),
        lambda: _fetching(params, wishes.ownership, clock),
        clock,
        result=result,
    ).run(check=check)


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no types
    """Knows what must not be printed before ansible-core writes the arguments into the host's log."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets_of(self.params))
        super()._log_invocation()


def main() -> None:
    module = _Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result = empty_result()
    try:
        _sync(defaults_for_null(module.params), result, check=module.check_mode)
    except Exception as error:  # noqa: BLE001 - told as a failure, with its traceback where nobody foresaw it
        module.fail_json(**failed(result, error))
    for item in result["quarantined"]:
        module.warn(
            f"A model file was damaged on this host: expected {item['checksum']}, found {item['found']}. "
            "Next step: look at the kernel log and the health of the disk, and at who may write below the store."
        )
    for warning in result["notices"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
