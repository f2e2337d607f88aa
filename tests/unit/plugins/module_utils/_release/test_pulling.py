# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a pull is, from what the engine's command writes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.pulling import Layers, pull, telling
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import (
    NOT_FOUND,
    Completed,
    SubprocessRunner,
)

# As Docker 29 writes it into a pipe.
SAID = """2: Pulling from drydock/ocr
4f4fb700ef54: Already exists
9b1c6ba7ef25: Pulling fs layer
a3ed95caeb02: Pulling fs layer
9b1c6ba7ef25: Verifying Checksum
9b1c6ba7ef25: Download complete
9b1c6ba7ef25: Pull complete
a3ed95caeb02: Download complete
a3ed95caeb02: Pull complete
Digest: sha256:7d1a
Status: Downloaded newer image for registry.example.org/drydock/ocr:2
registry.example.org/drydock/ocr:2
"""


def test_layers_are_counted_as_they_come() -> None:
    told: list[str] = []
    layers = Layers("ocr:2", told.append)
    layers.begin()
    for line in SAID.splitlines():
        layers.line(line)
    assert told[0] == "ocr:2"
    assert "ocr:2: 1 of 3 layers, 2 received" in told
    assert told[-1] == "ocr:2: 3 of 3 layers, 3 received"


def test_a_layer_never_goes_back() -> None:
    told: list[str] = []
    layers = Layers("ocr:2", told.append)
    for line in ("a: Pull complete", "a: Pulling fs layer"):
        layers.line(line)
    assert told == ["ocr:2: 1 of 1 layers, 1 received"] * 2


def test_who_tells_nobody_pulls_quietly() -> None:
    calls = []

    class Runner:
        def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
            calls.append((tuple(argv), timeout))
            return Completed(tuple(argv), 0)

    assert pull(Runner(), ["docker", "--config", "/x"], "ocr:2", 9.0).ok
    assert calls == [(("docker", "--config", "/x", "pull", "--quiet", "ocr:2"), 9.0)]


PRINTS = "import sys; print('a: Pulling fs layer'); print('a: Pull complete', flush=True); sys.exit('denied: no')"


def test_lines_are_handed_on_and_the_end_is_that_of_the_program() -> None:
    told: list[str] = []

    class Never:
        def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
            raise AssertionError((argv, timeout))

    done = telling(told.append)(Never(), [sys.executable, "-c", PRINTS], "ocr:2", 60.0)
    assert (done.code, done.tail(1)) == (1, "denied: no")
    assert done.argv[-2:] == ("pull", "ocr:2")
    assert told == ["ocr:2", "ocr:2: 0 of 1 layers, 0 received", "ocr:2: 1 of 1 layers, 1 received"]


def test_a_program_that_is_not_there_and_one_that_hangs_are_told_as_by_run() -> None:
    runner = SubprocessRunner()
    assert runner.stream(["/no/such/program"], print, timeout=1).code == NOT_FOUND
    with pytest.raises(DrydockError, match=r"did not end within 0\.2 s"):
        runner.stream([sys.executable, "-c", "import time; time.sleep(600)"], print, timeout=0.2)
