#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: model_lock
short_description: Write down the exact bytes of the models that are wanted
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Looks at the sources of models (a model hub, OCI registry, S3 bucket, web server or folder) and writes the lock file
    with the exact revision, and for each file the sha256, size, format and where it comes from.
  - Refuses what does not pass, which is a format that can run programs when it is loaded, a metric of the model card
    below what is required, a missing model card, a licence that is not allowed, a signature that is missing or wrong.
    Everything that does not pass is told at once, and then nothing is written.
  - Refuses other bytes under a revision that was locked before, unless O(allow_changed) says otherwise.
  - The sha256 of large files of a hub is the hub's own word, because the file is not downloaded for locking. Hosts
    compare every byte with it before a file gets its name.
options:
  models:
    description:
      - The wanted models by name, as in the inventory variable C(models).
      - A model has C(version), and C(source) or C(files) or both, and may have C(include), C(exclude), C(mirrors),
        C(card), C(card_url), C(require), C(licenses), C(signature), C(minimum_size), C(formats) and C(exempt).
    type: dict
    required: true
  lock:
    description: Path of the lock file on the controller. Its folder is made when it is missing.
    type: path
    required: true
  allow_changed:
    description:
      - V(true), or a list of names of models, whose files may have other bytes than were locked under the same
        revision.
      - A commit of a hub and a digest in a registry are revisions. So is what is asked for, a tag or branch, as long as
        the model's C(version) stays. For other sources it is the C(version) alone.
    type: raw
    default: false
  only:
    description: Names of the models to look at. The entries of other models stay as they are. All, when empty.
    type: list
    elements: str
    default: []
  headers:
    description:
      - Headers by origin, for example a token for C(https://models.example.org).
      - They are sent to that origin only, also after a redirect.
    type: dict
    default: {}
  ca_path:
    description: PEM file on the controller with the authorities to trust instead of the system's.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: [Looks at the sources and writes nothing.]
  diff_mode:
    description: Returns details on what has changed, or may change in check mode, as a diff.
    support: full
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
    details: [As long as the sources stay as they are. The same content gives the same bytes.]
requirements:
  - huggingface_hub for models of a hub (C(requirements/models.txt))
  - boto3 for S3
  - model-signing for signatures
notes:
  - Runs on the controller. Use it with C(run_once=true).
  - E(HF_ENDPOINT) and E(HF_TOKEN) are honoured, and what boto3 reads from the environment.
seealso:
  - module: drydock.serving.model_sync
"""

EXAMPLES = r"""
- name: Lock the models of the inventory
  hosts: drydock
  connection: local
  gather_facts: false
  tasks:
    - name: Write the lock file
      drydock.serving.model_lock:
        models: "{{ models }}"
        lock: "{{ inventory_dir }}/group_vars/all/models.lock.yml"
      run_once: true
  vars:
    models:
      ocr:
        version: "4.0"
        source: hf://acme/ocr@v4.0
        include: ["*.onnx", config.json]
        card: required
        require: {mAP: ">0.7"}
        licenses: [apache-2.0, mit]
"""

RETURN = r"""
msg:
  description: What was or would be done, model by model and file by file; after a failure everything that is wrong.
  returned: always
  type: str
lock:
  description: Path of the lock file.
  returned: always
  type: str
changes:
  description: The models that differ from the lock that was there. Empty after a failure.
  returned: always
  type: list
  elements: dict
  contains:
    model:
      description: Its name.
      returned: always
      type: str
    action:
      description: One of V(added), V(removed), V(changed).
      returned: always
      type: str
    version:
      description: C(old) and C(new). In the same way C(source), C(requested), C(license), C(card), C(metrics) and
        C(signature).
      returned: when it differs
      type: dict
    files:
      description:
        - The files that differ, with C(path), C(action), and C(old) and C(new) of C(checksum) and C(size).
        - The action is V(added), V(removed), V(changed), or V(addresses) where only the place or format differs.
      returned: always
      type: list
      elements: dict
failure:
  description: Why it failed.
  returned: failure
  type: dict
  contains:
    kind:
      description: One of V(invalid_input), V(refused), V(digest_changed), V(lock_unreadable), V(cannot_write), V(busy).
      returned: always
      type: str
    violations:
      description: Everything that is wrong, each with the path of the value it is about.
      returned: when it is about the models
      type: list
      elements: str
"""
