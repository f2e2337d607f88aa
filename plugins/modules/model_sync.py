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
              - Schemes C(hf), C(s3) and C(oci) are resolved on the controller when something must be fetched, so that
                the host gets no credentials that last.
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
          minimum_size:
            description: Bytes below which the file is taken for a placeholder and refused.
            type: int
            default: 1
      formats:
        description:
          - Names of the only formats that the files of this model may have, for example V(safetensors), V(gguf) or
            V(onnx).
          - Without it all formats that cannot run code when they are loaded. Pickles are refused whatever their name.
        type: list
        elements: str
      exempt:
        description: Files that are let through although their format is refused.
        type: list
        elements: dict
        default: []
        suboptions:
          checksum:
            description: Digest of the file.
            type: str
            required: true
          reason:
            description: Why it is let through.
            type: str
            required: true
          until:
            description:
              - Last day on which it may be fetched, such as V(2027-01-31).
              - A set that is in place stays after that day, with a warning.
            type: str
            required: true
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
      - A version that is mounted by a running container or named in O(releases) stays in any case.
    type: int
    default: 2
  releases:
    description:
      - Directory whose C(*/release.json) are the records of releases. Versions they name are never removed, so that
        going back finds its models.
      - While one of the records cannot be read, no version is removed.
    type: path
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
  fetch:
    description:
      - With V(false), everything is done that needs no source. When something must be fetched, nothing is changed and
        RV(pending) is true.
    type: bool
    default: true
  bundle:
    description: Archive on the host, made by the playbook C(bundle), that is tried before any source.
    type: path
  seed:
    description:
      - How hosts of one group give each other what one of them has fetched, so that the origin sends each byte once.
      - When something must be fetched, the host serves its blobs to the group on O(seed.listen) over TLS, from a
        process without rights that ends by itself, and asks the others for what it wants before it goes to the origin.
      - The digest judges what peers send as it does everything else. Any failure of a peer leads to another one, then
        to the origin.
    type: dict
    suboptions:
      listen:
        description: Port to serve the group on. Only the group should get through to it.
        type: int
        required: true
      name:
        description: Name of this host among O(seed.peers).
        type: str
        required: true
      peers:
        description: All hosts of the group, in one order for all. Of those that want a file, the first one fetches it.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the host.
            type: str
            required: true
          address:
            description: Where the others reach it.
            type: str
            required: true
          port:
            description: Its port, where it is not O(seed.listen).
            type: int
      token:
        description: What every request of the group carries. The controller makes it for each run.
        type: str
      certificate:
        description: The certificate of the group, in PEM. The controller makes it for each run; no other is accepted.
        type: str
      key:
        description: Its private key, in PEM. The controller makes it for each run.
        type: str
      idle:
        description: Seconds without a request of the group after which serving ends.
        type: float
        default: 60
      wait:
        description: Seconds that this host waits at most for others, in all. Serving ends so long after its sync, too.
        type: float
        default: 3600
  connections:
    description: Requests at once, over all files; several for one big file. From 1 to 64.
    type: int
    default: 8
  bandwidth:
    description: Most bytes per second over all connections, such as V(50MB). Empty for no limit.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for a connection.
    type: float
    default: 30
  stall_timeout:
    description: Seconds to wait for the next byte of an answer.
    type: float
    default: 60
  minimum_rate:
    description:
      - Bytes per second, averaged over O(stall_timeout), below which a connection counts as stalled. 0 switches it off.
    type: int
    default: 1024
  total_timeout:
    description: Seconds for all downloads together. What was received is kept for the next run. 0 for no limit.
    type: float
    default: 0
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
    description:
      - Seconds to wait for another sync in the same store.
      - While that one gets further, an hour of downloading for example, it is waited for without a limit.
    type: float
    default: 300
  reconnect_timeout:
    description:
      - Seconds in which the controller tries to reach the host again when the connection was lost during a download.
      - After that the host counts as unreachable. The download goes on there by itself, the next run waits for it or
        finds what it fetched.
    type: float
    default: 300
  progress:
    description:
      - How the controller shows what moves. With V(auto), all hosts on one line in place on a terminal, and lines in a
        log, which are the first reading, every tenth of the way, one in half a minute, and the last.
      - With V(auto), nothing is shown where the standard output is for programs, as with the callback
        C(ansible.posix.json). With V(lines), lines go to the standard error output there.
      - Nothing is shown of a task with C(no_log).
      - The environment variable E(DRYDOCK_PROGRESS) on the controller wins over this option.
    type: str
    choices: [auto, lines, "off"]
    default: auto
  ca_path:
    description: PEM file on the host with the authorities to trust instead of the system's.
    type: path
  headers:
    description:
      - Headers by origin (scheme, host and maybe port), for example a token for V(https://models.example.org).
      - They are sent to exactly that origin, and never to where a redirect leads.
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
          V(not_found), V(bad_response), V(tls), V(size_mismatch), V(checksum_mismatch).
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
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import (
    ARGUMENT_SPEC,
    bounds,
    defaults_for_null,
    number_of,
    secrets_of,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import (
    fail_with,
    parse_models,
    parse_size,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import (
    Clock,
    Fetching,
    Limits,
    Sync,
)


def _fetching(params: dict[str, Any], ownership: Ownership, clock: Clock) -> Fetching:
    from ansible_collections.drydock.serving.plugins.module_utils._model_store.fetching import (  # noqa: PLC0415 - an idle run loads nothing of it
        WebFetching,
    )

    return WebFetching(params, ownership, clock)


def _sync(params: dict[str, Any], result: dict[str, Any], *, check: bool) -> None:
    fail_with(bounds(params))
    ownership = Ownership(
        uid=number_of("owner", params["owner"], check=check),
        gid=number_of("group", params["group"], check=check),
        file_mode=int(params["mode"], 8),
    )
    clock = Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
    Sync(
        Layout(root=Path(os.path.realpath(params["root"]))),
        Wishes(
            models=parse_models(params["models"] or ()),
            ownership=ownership,
            keep=params["keep"],
            full=params["verify"] == "full",
            fetch=params["fetch"],
            releases=Path(params["releases"]) if params["releases"] else None,
        ),
        Limits(reserve=parse_size(params["reserve"]), lock_timeout=params["lock_timeout"]),
        lambda: _fetching(params, ownership, clock),
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
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
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
