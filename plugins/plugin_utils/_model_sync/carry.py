# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the controller brings to a host itself, in the directory of the task that is about to fetch.

They lie beside the module's own file, readable for whoever runs it and for nobody else, and go with it: async_wrapper
removes that directory when the job ends, whether anybody still watches or not, and this plugin when it sees the result.
What neither could remove, after a power cut for example, the next download removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ansible_collections.drydock.serving.plugins.plugin_utils._job.job import TIME_LIMIT
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import CARRIED

FRESH = 60  # minutes in which a directory without a process may belong to a job that is about to start
HIDDEN = TIME_LIMIT // 60 + FRESH  # minutes after which no job lives, for hosts that hide processes of other users
AT_ONCE = 100  # paths in one command line

# Only the user's own, and not while a process names the directory. The last letter is put into brackets so that the
# question does not find itself.
_LEFTOVERS = """old={fresh}; [ -e /proc/1/cmdline ] || old={hidden}
for file in {parent}/ansible-tmp-*/{prefix}*; do
[ -O "$file" ] && [ -n "$(find "$file" -mmin +$old)" ] || continue
folder=${{file%/*}}; name=${{folder##*/}}
grep -qs "${{name%?}}[${{name#"${{name%?}}"}}]" /proc/[0-9]*/cmdline || rm -rf "$folder"
done 2>/dev/null"""


def send(action: Any, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Bring contents to the host of the action's next module. :return: for each key an address there.

    :raises AnsibleError: the host does not answer, or has no room.
    """
    shell = action._connection._shell
    if shell.tmpdir is None:
        action._make_tmp_path()
    folder = shell.tmpdir
    parent = shell.quote(str(PurePosixPath(folder).parent))
    command = _LEFTOVERS.format(parent=parent, prefix=CARRIED, fresh=FRESH, hidden=HIDDEN)
    action._low_level_execute_command(command, sudoable=False)
    paths = {}
    for key, content in contents.items():
        paths[key] = shell.join_path(folder, CARRIED + key.rpartition(":")[2])
        action._transfer_data(paths[key], content)
    everything = [folder, *paths.values()]
    for start in range(0, len(everything), AT_ONCE):
        action._fixup_perms2(everything[start : start + AT_ONCE])
    return {key: f"file://{quote(path)}" for key, path in paths.items()}
