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
options:
  root:
    description:
      - Directory of the store. It is made if missing.
      - Blobs, sets and partial files lie below it, on one file system.
    type: path
    default: /var/lib/drydock/models
  models:
    description:
      - The models that must be in place, each in one version, which becomes its current one.
      - Other models in the store are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the model, the directory below C(sets).
        type: str
        required: true
      version:
        description: Its version, the directory below the name.
        type: str
        required: true
      files:
        description: All files of this version.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Path of the file in the set, relative, with C(/).
            type: str
            required: true
          urls:
            description:
              - Where the file is, in order of preference. Schemes C(http), C(https) and C(file).
              - Credentials in an address are refused, use O(headers).
            type: list
            elements: str
            required: true
          checksum:
            description:
              - C(sha256:) and 64 hexadecimal digits.
              - A file without a digest is refused.
            type: str
          size:
            description:
              - Size in bytes, from the lock file.
              - A file without a size is refused, because room on disk is promised before the first byte is fetched.
            type: int
  owner:
    description:
      - Name or number of the user who owns blobs and sets.
      - An owner can change the files. What serves the models should run as somebody else.
    type: str
    default: root
  group:
    description: Name or number of the group of blobs and sets.
    type: str
    default: root
  mode:
    description:
      - Permission bits of the files, without any write bit. Directories get the matching search bits.
    type: str
    default: "0444"
  keep:
    description:
      - How many versions of each model stay, the current one included.
      - Older ones are removed after the new one is current.
      - A version that is mounted by a running container stays in any case.
    type: int
    default: 2
  reserve:
    description: Room that must be left on the file system after fetching, in bytes or as V(500MB) or V(1GiB).
    type: str
    default: 1GiB
  verify:
    description:
      - With V(receipts), a blob is hashed again only when its size, inode or one of its times differ from when it was
        last hashed.
      - With V(full), every wanted blob is hashed.
    type: str
    choices: [receipts, full]
    default: receipts
  timeout:
    description: Seconds to wait for a connection.
    type: float
    default: 30
  stall_timeout:
    description: Seconds to wait for the next byte of an answer.
    type: float
    default: 60
  retries:
    description:
      - Further tries of one source after a failure that may pass, which is no connection, a broken one, or the status
        408, 425, 429, 500, 502, 503 or 504.
      - The count starts again when a try brought half a megabyte or more. Other failures are never retried.
    type: int
    default: 3
  retry_delay:
    description:
      - Seconds before the first further try. Every next pause is twice as long.
      - C(Retry-After) of the server is honoured up to 300 seconds.
    type: float
    default: 2
  lock_timeout:
    description: Seconds to wait for another sync in the same store.
    type: float
    default: 300
  ca_path:
    description: PEM file on the host with the authorities to trust instead of the system's.
    type: path
  headers:
    description:
      - Headers to send with every request to the addresses in O(models), for example a token.
      - They are never sent to another scheme, host or port that a redirect leads to.
    type: dict
    default: {}
extends_documentation_fragment:
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
kept_in_use:
  description: Versions beyond O(keep) that stayed because a running container mounts them.
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
        - One of V(invalid_input), V(requests_missing), V(no_space), V(busy), V(store_damaged),
          V(io_error), V(unreachable), V(stalled), V(interrupted), V(refused), V(not_found), V(bad_response), V(tls),
          V(size_mismatch), V(checksum_mismatch).
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
import re
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import gid_of, resolve_owner, uid_of
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, WebTransport, check_headers
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import (
    fail_with,
    parse_models,
    parse_size,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock, Limits, Sync
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy

FILE_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "urls": {"type": "list", "elements": "str", "required": True},
    "checksum": {"type": "str"},
    "size": {"type": "int"},
}
MODEL_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_SPEC},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "root": {"type": "path", "default": "/var/lib/drydock/models"},
    "models": {"type": "list", "elements": "dict", "required": True, "options": MODEL_SPEC},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0444"},
    "keep": {"type": "int", "default": 2},
    "reserve": {"type": "str", "default": "1GiB"},
    "verify": {"type": "str", "choices": ["receipts", "full"], "default": "receipts"},
    "timeout": {"type": "float", "default": 30},
    "stall_timeout": {"type": "float", "default": 60},
    "retries": {"type": "int", "default": 3},
    "retry_delay": {"type": "float", "default": 2},
    "lock_timeout": {"type": "float", "default": 300},
    "ca_path": {"type": "path"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
}


def _bounds(params: dict[str, Any]) -> list[str]:
    problems = [] if params["models"] is not None else ["models: must be a list of models, found nothing"]
    if not Path(params["root"]).is_absolute():
        problems.append(f"root: {params['root']!r} is not an absolute path")
    if params["keep"] < 1:
        problems.append(f"keep: expected 1 or more (the current version counts), found {params['keep']}")
    if (
        not re.fullmatch(r"0?[0-7]{3}", params["mode"])
        or int(params["mode"], 8) & 0o333
        or not int(params["mode"], 8) & 0o400
    ):
        problems.append(f"mode: expected read bits only, such as '0444' or '0440', found {params['mode']!r}")
    problems += [
        f"{name}: expected more than 0 seconds, found {params[name]}"
        for name in ("timeout", "stall_timeout")
        if params[name] <= 0
    ]
    problems += [
        f"{name}: expected 0 or more, found {params[name]}"
        for name in ("retries", "retry_delay", "lock_timeout")
        if params[name] < 0
    ]
    try:
        parse_size(params["reserve"])
    except ValueError as error:
        problems.append(f"reserve: {error}")
    return problems + check_headers(_headers(params))


def _headers(params: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in params["headers"].items()}


def _id(kind: str, name: str, *, check: bool) -> int:
    """The number of a user or group; -1 in check mode where an earlier task would only make it."""
    number = resolve_owner(name, lookup=uid_of if kind == "owner" else gid_of)
    if number is not None or check:
        return -1 if number is None else number
    what = "user" if kind == "owner" else "group"
    raise DrydockError(
        "invalid_input",
        f"{kind}: there is no {what} {name!r} on this host. Nothing was touched. "
        "Next step: create it before this task, or give a number.",
    )


def _secrets(params: dict[str, Any]) -> set[str]:
    """What addresses may carry that must not be printed, wherever Ansible repeats the arguments."""
    found = set()
    for model in params["models"] or ():
        for url in (str(url) for file in model["files"] or () for url in file["urls"] or ()):
            address, _mark, query = url.partition("?")
            user, at, _rest = address.partition("://")[2].partition("/")[0].rpartition("@")
            found |= {query, user, user.partition(":")[2]} if at else {query}
    # shorter ones are no secrets, and hiding them would riddle every message
    return {text for text in found if len(text) > 5}


def _defaults_for_null(params: dict[str, Any]) -> dict[str, Any]:
    """Null is not given, as everywhere in Ansible; its own check would let it through, whatever the type."""
    return {
        name: ARGUMENT_SPEC.get(name, {}).get("default") if value is None else value for name, value in params.items()
    }


def _sync(params: dict[str, Any], result: dict[str, Any], *, check: bool) -> None:
    fail_with(_bounds(params))
    models = parse_models(params["models"] or ())
    ownership = Ownership(
        uid=_id("owner", params["owner"], check=check),
        gid=_id("group", params["group"], check=check),
        file_mode=int(params["mode"], 8),
    )
    settings = HttpSettings(
        timeout=params["timeout"],
        stall_timeout=params["stall_timeout"],
        ca_path=params["ca_path"],
        headers=_headers(params),
    )
    clock = Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
    downloader = Downloader(
        WebTransport(settings, now=time.time),
        RetryPolicy(retries=params["retries"], delay=params["retry_delay"]),
        clock=clock,
    )
    Sync(
        Layout(root=Path(os.path.realpath(params["root"]))),
        Wishes(models=models, ownership=ownership, keep=params["keep"], full=params["verify"] == "full"),
        Limits(reserve=parse_size(params["reserve"]), lock_timeout=params["lock_timeout"]),
        downloader,
        clock,
        result=result,
    ).run(check=check)


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core has no types
    """Knows what must not be printed before ansible-core writes the arguments into the host's log."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(_secrets(self.params))
        super()._log_invocation()


def main() -> None:
    module = _Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result = empty_result()
    try:
        _sync(_defaults_for_null(module.params), result, check=module.check_mode)
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    for item in result["quarantined"]:
        module.warn(
            f"A model file was damaged on this host: expected {item['checksum']}, found {item['found']}. "
            "Next step: look at the kernel log and the health of the disk, and at who may write below the store."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
