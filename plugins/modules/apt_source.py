#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep an APT repository together with the key it must be signed with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_source
short_description: Keep an APT repository together with its verified key
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Writes a deb822 source and the keyring it names. The key is accepted by its whole fingerprint, computed here;
    neither C(gpg) nor C(python3-debian) is needed on the host.
  - A source without its verified key never exists. A host that has the right key already is not asked to fetch it.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details: The key is not fetched in check mode, so a wrong one shows only in a real run.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of both files, C(/etc/apt/sources.list.d/<name>.sources) and C(/etc/apt/keyrings/<name>.asc).
    type: str
    required: true
  uris:
    description: Addresses of the repository. Needed when O(state=present).
    type: list
    elements: str
  suites:
    description: Suites. Needed when O(state=present).
    type: list
    elements: str
  components:
    description: Components. Empty for a flat repository, whose suite ends in C(/).
    type: list
    elements: str
    default: []
  architectures:
    description: Architectures in Debian's words. Empty for all that the host knows.
    type: list
    elements: str
    default: []
  key_url:
    description: Where the key file is. Needed when O(state=present) and no O(key).
    type: str
  key:
    description: The key file itself, armored, for hosts that cannot reach O(key_url).
    type: str
  fingerprint:
    description: Fingerprint of the primary key, 40 or 64 hexadecimal digits. Needed when O(state=present).
    type: str
  timeout:
    description: Seconds until a fetch of the key is given up.
    type: int
    default: 30
  state:
    description: Whether the two files are there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: repository | Trust Docker's repository
  drydock.serving.apt_source:
    name: docker
    uris: [https://download.docker.com/linux/debian]
    suites: [trixie]
    components: [stable]
    key_url: https://download.docker.com/linux/debian/gpg
    fingerprint: 9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88
"""

RETURN = r"""
path:
  description: The source file.
  returned: always
  type: str
  sample: /etc/apt/sources.list.d/docker.sources
keyring:
  description: The key file.
  returned: always
  type: str
  sample: /etc/apt/keyrings/docker.asc
failure:
  description: On failure, C(kind) and its facts.
  returned: failure
  type: dict
  sample: {kind: wrong_key}
"""

import functools
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.drydock.serving.plugins.module_utils import _apt_source as apt_source
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._openpgp import normalize_fingerprint

KEY_LIMIT = 1024 * 1024
SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "uris": {"type": "list", "elements": "str"},
    "suites": {"type": "list", "elements": "str"},
    "components": {"type": "list", "elements": "str", "default": []},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "key_url": {"type": "str", "no_log": False},
    "key": {"type": "str", "no_log": False},
    "fingerprint": {"type": "str"},
    "timeout": {"type": "int", "default": 30},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def fetch_key(module: AnsibleModule) -> bytes:
    """The key from the parameters or from its address."""
    if module.params["key"]:
        return str(module.params["key"]).encode("utf-8")
    url = module.params["key_url"]
    response, info = fetch_url(module, url, timeout=module.params["timeout"])
    if response is None or info["status"] != 200:
        raise DrydockError(
            "key_unreachable",
            f"The repository's key could not be fetched from {url}: {info['msg']}. Nothing was changed. Check that the "
            "host reaches that address, name a mirror, or pass the key itself.",
            status=info["status"],
        )
    data: bytes = response.read(KEY_LIMIT)
    return data


def converge(module: AnsibleModule, source: apt_source.Source, path: Path, result: dict[str, Any]) -> None:
    params = module.params
    if params["state"] == "absent":
        plan = apt_source.plan_absent(source, path)
    else:
        fingerprint = normalize_fingerprint(params["fingerprint"])
        plan = apt_source.plan_present(source, path, fingerprint)
    result["changed"] = plan.changed
    result["diff"] = {
        "before": plan.before,
        "after": plan.after,
        "before_header": str(path),
        "after_header": str(path),
    }
    if module.check_mode or not plan.changed:
        return
    if params["state"] == "absent":
        apt_source.execute_absent(source, path)
    else:
        origin = params["key_url"] or "the parameter 'key'"
        fetch = functools.partial(fetch_key, module)
        apt_source.execute_present(source, path, fingerprint, plan, fetch=fetch, origin=origin)


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[
            ("state", "present", ["uris", "suites", "fingerprint"]),
            ("state", "present", ["key_url", "key"], True),
        ],
        supports_check_mode=True,
    )
    params = module.params
    name = params["name"]
    source = apt_source.Source(
        name=name,
        uris=tuple(params["uris"] or ()),
        suites=tuple(params["suites"] or ()),
        components=tuple(params["components"]),
        architectures=tuple(params["architectures"]),
        keyring=Path(f"/etc/apt/keyrings/{name}.asc"),
    )
    path = Path(f"/etc/apt/sources.list.d/{name}.sources")
    result: dict[str, Any] = {"changed": False, "path": str(path), "keyring": str(source.keyring), "diff": {}}
    try:
        if not re.match(r"^[A-Za-z0-9_.-]+$", name):  # apt ignores files with other characters in their names
            raise DrydockError("invalid_name", f"'{name}' is not a name for a source: letters, digits, '_', '.', '-'.")
        converge(module, source, path, result)
    except DrydockError as error:
        module.fail_json(**{**result, "changed": False, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
