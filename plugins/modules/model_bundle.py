#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: model_bundle
short_description: Put locked models into one archive for sites without a network
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Writes all files of the given models, and the lock they were fetched by, into one uncompressed tar archive. The same
    models and the same lock give the same bytes.
  - Files are fetched into a cache on the controller, verified by their sha256 and judged by format as on a host. What
    is in the cache is not fetched again, and a download that broke off goes on where it was.
  - The archive is written beside its place and gets its name when it is complete.
  - M(drydock.serving.model_sync) takes files out of it with its option O(drydock.serving.model_sync#module:bundle),
    without unpacking it.
options:
  models:
    description:
      - The models, in the shape of C(stack_model.models), which is what M(drydock.serving.model_sync) takes. Addresses
        of a hub (C(hf)), of S3 (C(s3)) and of OCI registries (C(oci)) are resolved here.
    type: list
    elements: dict
    required: true
  lock:
    description: The variable C(models_lock). It lies in the archive as C(models.lock.yml).
    type: dict
    default: {}
  dest:
    description: Path of the archive on the controller. Its folder must be there. Only a bundle is ever replaced.
    type: path
    required: true
  cache:
    description: Directory on the controller that keeps fetched files for the next time.
    type: path
    default: ~/.cache/drydock/models
  headers:
    description:
      - Headers by origin, for example a token for C(https://models.example.org).
      - They are sent to that origin only, also after a redirect.
    type: dict
    default: {}
  ca_path:
    description: PEM file on the controller with the authorities to trust instead of the system's.
    type: path
  connections:
    description: Requests at once, from 1 to 64.
    type: int
    default: 8
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: [Says how much would be fetched and written, and whether there is room for it.]
  diff_mode:
    description: Returns details on what has changed, or may change in check mode, as a diff.
    support: none
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - An archive is taken for unchanged when it is complete and lists the same blobs and the same lock. Its blobs are
        not read again. A host reads and verifies them when it takes them.
requirements:
  - huggingface_hub for models of a hub (C(requirements/models.txt))
  - boto3 for S3
notes:
  - Runs on the controller. Use it with C(run_once=true).
seealso:
  - module: drydock.serving.model_lock
  - module: drydock.serving.model_sync
"""

EXAMPLES = r"""
- name: Put the models of this inventory onto a stick
  drydock.serving.model_bundle:
    models: "{{ stack_model.models }}"
    lock: "{{ models_lock }}"
    dest: /media/usb/models.tar
  run_once: true

- name: Take them from there
  drydock.serving.model_sync:
    models: "{{ stack_model.models }}"
    bundle: /mnt/usb/models.tar
"""

RETURN = r"""
msg:
  description: What was or would be done; after a failure what happened and what to do next.
  returned: always
  type: str
dest:
  description: Path of the archive.
  returned: always
  type: str
size:
  description: Its size in bytes. 0 after a failure.
  returned: always
  type: int
blobs:
  description: How many different files it holds. 0 after a failure.
  returned: always
  type: int
planned_bytes:
  description: Bytes that the cache lacked.
  returned: always
  type: int
bytes_fetched:
  description: Bytes received from sources.
  returned: always
  type: int
failure:
  description: Why it failed.
  returned: failure
  type: dict
  contains:
    kind:
      description:
        - V(invalid_input), V(no_space), V(not_found), V(busy), V(io_error), V(format_refused), or what
          M(drydock.serving.model_sync) says of a file that cannot be fetched.
      returned: always
      type: str
"""
