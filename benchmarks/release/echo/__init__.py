# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service to try releases on: every answer can be checked exactly, and it can be told to misbehave.

It infers nothing and is for tests and benchmarks only. It is not the example of a service: that is ``examples/ocr``.
"""
