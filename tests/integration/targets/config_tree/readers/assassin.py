# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check in whose middle the module dies by kill -9, as if the host had lost its power."""

import os
import signal

os.kill(os.getppid(), signal.SIGKILL)
