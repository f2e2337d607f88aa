#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a self-signed server certificate valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: self_signed_certificate
short_description: Keep a self-signed server certificate valid
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Makes a key and a self-signed certificate for TLS servers, and makes both anew when the certificate is about to end,
    names other domains, or does not belong to the key. One call does what takes four of C(community.crypto), whose
    self-signed provider does not renew.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: RV(reasons) says why a pair is made anew.
  idempotent:
    support: full
requirements:
  - C(python3-cryptography) on the host.
options:
  path:
    description: The certificate, readable by everyone.
    type: path
    required: true
  key_path:
    description: The key, mode 0600.
    type: path
    required: true
  domains:
    description: Names the certificate is for.
    type: list
    elements: str
    required: true
  days:
    description: How long a new certificate is valid.
    type: int
    default: 397
  renew_before:
    description: How many days before its end it is made anew.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: tls | Keep the certificate valid
  drydock.serving.self_signed_certificate:
    path: /etc/drydock/edge/tls.crt
    key_path: /etc/drydock/edge/tls.key
    domains: [ocr.example.org]
"""

RETURN = r"""
reasons:
  description: Why the pair was or has to be made anew. Empty when it serves.
  returned: always
  type: list
  elements: str
failure:
  description: On failure, C(kind) and its facts.
  returned: failure
  type: dict
  sample: {kind: cryptography_missing}
"""

import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils import _self_signed as self_signed
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "key_path": {"type": "path", "required": True, "no_log": False},
    "domains": {"type": "list", "elements": "str", "required": True},
    "days": {"type": "int", "default": 397},
    "renew_before": {"type": "int", "default": 30},
}


def converge(params: dict[str, Any], *, check_mode: bool, now: datetime.datetime) -> list[str]:
    """Renew the pair when it has to be; the reasons."""
    certificate, key = Path(params["path"]), Path(params["key_path"])
    if not params["domains"] or params["renew_before"] >= params["days"]:
        raise DrydockError(
            "invalid_options",
            "A certificate needs at least one domain, and must be renewed fewer days before its end than it lasts: "
            f"found domains {params['domains']}, days {params['days']}, renew_before {params['renew_before']}.",
        )
    try:
        reasons = self_signed.reasons_to_renew(
            certificate,
            key,
            domains=params["domains"],
            renew_before=datetime.timedelta(days=params["renew_before"]),
            now=now,
        )
        if reasons and not check_mode:
            pair = self_signed.new_pair(domains=params["domains"], days=params["days"], now=now)
            self_signed.write_pair(certificate, key, pair)
    except ImportError:
        raise DrydockError(
            "cryptography_missing",
            "The Python library cryptography is not installed on the host. Install python3-cryptography first.",
        ) from None
    return reasons


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    result: dict[str, Any] = {"changed": False, "reasons": []}
    try:
        now = datetime.datetime.now(datetime.timezone.utc)
        result["reasons"] = converge(module.params, check_mode=module.check_mode, now=now)
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    module.exit_json(**{**result, "changed": bool(result["reasons"])})


if __name__ == "__main__":
    main()
