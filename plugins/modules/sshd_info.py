#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what the installed OpenSSH can do and how this run came in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_info
short_description: Tell what the installed OpenSSH can do and how this run came in
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Reads the version and the algorithms of the installed OpenSSH, so that a configuration names only what it knows.
  - Finds the SSH connection this run came in by and counts the keys its user could log in with, so that nobody is
    locked out by turning passwords off. Changes nothing.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directives:
    description: Directives that are going to be set, to say whether they would keep out the user of this run.
    type: dict
    default: {}
  drop_in:
    description: Name of their file below C(/etc/ssh/sshd_config.d), to say which of them another file decides before.
    type: str
    default: 10-drydock.conf
"""

EXAMPLES = r"""
- name: preflight | Read what sshd can do
  drydock.serving.sshd_info:
  register: sshd
"""

RETURN = r"""
version:
  description: Version of the installed OpenSSH.
  returned: always
  type: str
  sample: "10.0"
algorithms:
  description: Supported algorithms by C(kex), C(ciphers), C(macs) and C(signatures).
  returned: always
  type: dict
includes_drop_ins:
  description: Whether C(/etc/ssh/sshd_config) reads C(/etc/ssh/sshd_config.d).
  returned: always
  type: bool
overruled:
  description: Those of O(directives) that sshd reads with another value before O(drop_in). The first value wins.
  returned: always
  type: list
  elements: str
  sample: [PasswordAuthentication in /etc/ssh/sshd_config.d/05-vendor.conf]
session:
  description: The SSH connection this run came in by, empty when there is none.
  returned: always
  type: dict
  sample: {client: 192.0.2.10, port: 22, user: ops}
login:
  description: The ways left to that user when passwords no longer count, empty when there is no such connection.
  returned: always
  type: dict
  sample: {user: ops, authorized_keys: 1, other_ways: [], kept_out_by: ""}
"""

import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils import _sshd as sshd
from ansible_collections.drydock.serving.plugins.module_utils._ssh_session import find_session

SPEC: dict[str, Any] = {
    "directives": {"type": "dict", "default": {}},
    "drop_in": {"type": "str", "default": "10-drydock.conf"},
}


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def groups_of(user: str) -> list[str]:
    try:
        numbers = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
        return [grp.getgrgid(number).gr_name for number in numbers]
    except KeyError:
        return []


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        path = module.get_bin_path(argv[0], opt_dirs=["/usr/sbin"])
        if path is None:
            return 127, "", f"{argv[0]} is not installed"
        code, out, err = module.run_command([path, *argv[1:]])
        return int(code), str(out), str(err)

    config = read(Path("/etc/ssh/sshd_config"))
    drop_ins = {path.name: read(path) for path in Path(sshd.DROP_INS).glob("*.conf")}
    result: dict[str, Any] = {
        "changed": False,
        "version": sshd.version(run),
        "algorithms": sshd.algorithms(run),
        "includes_drop_ins": sshd.includes_drop_ins(config),
        "overruled": sshd.overruled(module.params["directives"], config, drop_ins, module.params["drop_in"]),
        "session": {},
        "login": {},
    }
    session = find_session(os.getppid(), os.environ)
    if session is not None:
        result["session"] = {"client": session.client, "port": session.port, "user": session.user}
        try:
            home = pwd.getpwnam(session.user).pw_dir
        except KeyError:
            home = f"/home/{session.user}"
        result["login"] = {
            **sshd.login(sshd.effective(run, session.user, session.client), session.user, home),
            "kept_out_by": sshd.kept_out_by(
                module.params["directives"], session.user, groups_of(session.user), session.client
            ),
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
