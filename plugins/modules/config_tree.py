#!/usr/bin/python
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of config_tree; the action plugin of the same name renders and ships."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config_tree
short_description: Bring a tree of configuration files to what is wanted, all of it or nothing
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock)
description:
  - Renders every template on the controller, ships all in one module call, and compares content, mode and owner.
  - Each changed file is staged beside its place and checked there by the program that reads it. Only when all are
    accepted are they moved to their places. Then the whole is checked, and if that fails every old file comes back as
    it was.
  - A run that dies in the middle, by whatever cause, leaves a journal. The next run with the same O(name) first undoes
    what was not complete, or finishes what was.
  - Files the tree once wrote and no longer declares are removed, and their handlers woken. What someone edited since is
    kept beside its place. Directories stay.
  - Handlers are notified per file. Name them in O(files[].wakes); a C(notify) of the task works as usual besides.
extends_documentation_fragment:
  - drydock.serving.attributes
attributes:
  check_mode:
    support: full
    details:
      - Readers check copies in a private temporary directory. One that is not installed yet is left out with a warning,
        and so is a user or group that does not exist yet. O(checks) are not run.
  diff_mode:
    support: full
    details:
      - One entry per file. Of files with O(files[].no_log) it only says that they change.
  idempotent:
    support: full
options:
  name:
    description:
      - Who owns these files, usually the role. Every task needs a name of its own, as the files that a task with the
        same name declared before and this one does not are removed.
    type: str
    required: true
  files:
    description: The files. Directories missing on the way to one are created with mode V(0755).
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description: Absolute path on the host.
        type: str
        required: true
      template:
        description:
          - Template on the controller, searched like C(ansible.builtin.template) does.
          - With neither this nor O(files[].content) nor O(files[].src) it is O(files[].dest) without its leading slash
            plus C(.j2).
        type: str
      content:
        description: The content itself. What is not a string becomes JSON.
        type: raw
      src:
        description: File on the controller that is copied as it is, searched like C(ansible.builtin.copy) does.
        type: str
      vars:
        description: Further variables for this template.
        type: dict
        default: {}
      mode:
        description: Permission bits as octal digits in quotes.
        type: raw
        default: "0644"
      owner:
        description: Name or number of the owner.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
      validate:
        description:
          - Command that checks the staged file, as a list of words or a line. V(%s) stands for the file. No shell.
          - It sees this file alone; what only the whole can answer belongs into O(checks).
        type: raw
      wakes:
        description: Handlers notified when this file changes.
        type: list
        elements: str
        default: []
      no_log:
        description:
          - Keep the content out of diff, result, messages and logs. What its reader says is not shown either, nor what
            O(checks) say of a change it is part of.
          - No fingerprint is kept of it either. So one that is no longer declared is removed even if someone edited it.
        type: bool
        default: false
      backup:
        description: Keep the old file beside the new one, with a date and C(~) at the end of its name.
        type: bool
        default: false
      follow:
        description: Replace the file that a symbolic link at O(files[].dest) points to. Without it a link is refused.
        type: bool
        default: false
      enabled:
        description: With V(false) the file counts as not declared; it is removed if the tree wrote it before.
        type: bool
        default: true
  directories:
    description: Directories with their attributes.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path on the host.
        type: str
        required: true
      mode:
        description: Permission bits as octal digits in quotes.
        type: raw
        default: "0755"
      owner:
        description: Name or number of the owner.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
  checks:
    description:
      - Commands, each a list of words or a line, run after all files are in place and only when something changed.
      - When one fails every old file is put back.
    type: list
    elements: raw
    default: []
  state_directory:
    description: Where the list of owned files, the journal and the lock live.
    type: str
    default: /var/lib/drydock/config_tree
  timeout:
    description: How long one reader may take, in seconds.
    type: float
    default: 60
  lock_timeout:
    description: How long to wait for another run on the same host, in seconds.
    type: float
    default: 60
  payload:
    description: Filled in by the action plugin. Not for use in tasks.
    type: str
notes:
  - The host needs nothing but Python.
"""

EXAMPLES = r"""
- name: configure | Write the SSH configuration
  drydock.serving.config_tree:
    name: hardening_ssh
    files:
      # renders templates/etc/ssh/sshd_config.d/10-drydock.conf.j2
      - dest: /etc/ssh/sshd_config.d/10-drydock.conf
        mode: "0600"
        validate: [sshd, -t, -f, "%s"]
        wakes: [Reload sshd]
      - dest: /etc/ssh/banner
        content: "Authorised use only.\n"
        wakes: [Reload sshd]
    checks:
      - [sshd, -t]

- name: configure | Write the credentials of the exporter
  drydock.serving.config_tree:
    name: exporter
    directories:
      - path: /etc/exporter
        mode: "0750"
        group: exporter
    files:
      - dest: /etc/exporter/credentials
        template: credentials.j2
        mode: "0640"
        group: exporter
        no_log: true
        wakes: [Restart exporter]
"""

RETURN = r"""
name:
  description: The tree's name.
  type: str
  returned: always
files:
  description: Every declared file, and those removed or recovered.
  type: list
  elements: dict
  returned: always
  contains:
    dest:
      description: Path on the host.
      type: str
    state:
      description: What happened to it, or would. V(attributes) means mode, owner or group only.
      type: str
      choices: [created, changed, attributes, removed, unchanged]
    wakes:
      description: Its handlers.
      type: list
      elements: str
directories:
  description: The directories that were created or given other attributes.
  type: list
  elements: dict
  returned: always
  contains:
    path:
      description: Path on the host.
      type: str
    state:
      description: What happened to it, or would.
      type: str
      choices: [created, attributes]
wakes:
  description: The handlers of the files that changed, each once.
  type: list
  elements: str
  returned: always
recovered:
  description: What was done about an earlier run that died in the middle.
  type: str
  choices: [nothing, undone, finished]
  returned: always
failure:
  description: Why it failed, for programs.
  type: dict
  returned: failure
  contains:
    kind:
      description: The kind of failure.
      type: str
      choices:
        - bad_input
        - busy
        - check_failed
        - io_error
        - journal_unreadable
        - manifest_unreadable
        - no_space
        - not_a_directory
        - not_a_file
        - owned_elsewhere
        - permission_denied
        - read_only
        - source_missing
        - symlink
        - template_failed
        - unknown_owner
        - validation_failed
        - validator_missing
        - validator_timeout
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drydock.serving.plugins.module_utils._config_tree import converge, unchanged_result
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import ARGUMENT_SPEC, parse, unpack
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    result = unchanged_result(module.params["name"])
    try:
        if module.params["payload"] is None:
            raise DrydockError(
                "bad_input", "The action plugin config_tree did not run; call drydock.serving.config_tree."
            )
        outcome = converge(parse(unpack(module.params["payload"])), check=module.check_mode, diff=module._diff)
    except DrydockError as error:
        module.fail_json(**{**result, **error.as_result()})
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.result)


if __name__ == "__main__":
    main()
