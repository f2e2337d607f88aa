# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The download engine with several connections over real sockets, against every fault of an origin asked for ranges.

Each fault comes always and sometimes, with and without a second source, under several seeds; it ends in the right bytes
or in the failure named here, and never in a wrong file.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, WebTransport, parse_source
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.tests.integration.misbehaving_origin import Origin, serving
from ansible_collections.drydock.serving.tests.integration.misbehaving_ranges import RangeHandler

SIZE = 600_011
CONTENT = random.Random(7).randbytes(SIZE)  # noqa: S311 - a fixed seed, so that a failure can be seen again
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SEEDS = (1, 2)
# what is no failure
RIGHT = "right"


@pytest.fixture(scope="module")
def good() -> Iterator[Origin]:
    with serving(CONTENT) as running:
        yield running


class Fetched:
    """One call of the engine: ``outcome`` is "right" or the kind of the failure."""

    def __init__(self, folder: Path, *urls: str, connections: int = 4) -> None:
        folder.mkdir(exist_ok=True)
        self.part = PartFiles(data=folder / "part", sidecar=folder / "journal")
        self.content = b""
        self.message = ""
        settings = HttpSettings(timeout=2, stall_timeout=0.4, ca_path=None, headers={})
        limits = DownloadLimits(
            connections=connections, range_size=64_000, step=8_000, stall_timeout=0.4, minimum_rate=2000
        )
        self.downloader = Downloader(
            WebTransport(settings, now=time.time),
            RetryPolicy(retries=2, delay=0.005),
            clock=Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep),
            limits=limits,
        )
        item = Wanted(label="m", sha256=SHA256, size=SIZE, sources=tuple(parse_source(url) for url in urls))
        try:
            self.downloader.fetch_all([item], part_of=lambda _sha256: self.part, finish=self._finish)
            self.outcome = RIGHT if self.content == CONTENT else "wrong file"
        except DrydockError as error:
            self.outcome, self.message = error.kind, error.message
        if self.outcome != RIGHT:
            assert self.content == b"", "a file that was handed over is right"

    def _finish(self, _wanted: Wanted, part: PartFiles) -> None:
        self.content = part.data.read_bytes()
        part.drop()


# What comes of a fault that is there each time, where nobody else has the file.
ALWAYS = {
    "nothing": RIGHT,
    "reset-at-once": "unreachable",
    "reset-in-the-middle": "interrupted",
    "closed-in-the-middle": "interrupted",
    "ignores-ranges": RIGHT,
    "refuses-ranges": RIGHT,
    "another-offset": "bad_response",
    "another-total": "size_mismatch",
    "no-total": RIGHT,
    "no-content-range": "bad_response",
    "multipart": "size_mismatch",
    "longer-than-asked": "bad_response",
    "goes-on-behind-the-end": "size_mismatch",
    "shorter-than-asked": RIGHT,
    "length-too-small": "size_mismatch",
    "length-too-big": "size_mismatch",
    "no-length": RIGHT,
    "no-length-and-too-short": "interrupted",
    "chunked": RIGHT,
    "chunked-and-too-short": "interrupted",
    "chunked-and-too-long": "size_mismatch",
    "chunked-and-torn": "interrupted",
    "wrong-bytes": "checksum_mismatch",
    "one-wrong-bit": "checksum_mismatch",
    "bytes-of-another-place": "checksum_mismatch",
    "changed-under-a-new-etag": "checksum_mismatch",
    "changed-and-sent-whole": "checksum_mismatch",
    "weak-etag": RIGHT,
    "strange-etag": RIGHT,
    "another-size": "size_mismatch",
    "gzip": "bad_response",
    "page": "size_mismatch",
    "chunked-page": "size_mismatch",
    "page-as-a-range": "checksum_mismatch",
    "busy": "unreachable",
    "too-many": "unreachable",
    "broken-inside": "unreachable",
    "unauthorized": "refused",
    "forbidden": "refused",
    "absent": "not_found",
    "not-modified": "bad_response",
    "no-content": "bad_response",
    "no-http": "unreachable",
    "stalls": "stalled",
    "says-nothing": "stalled",
    "drips-headers": "stalled",
    "continues-for-ever": "stalled",
    "drips": "stalled",
    "redirects-elsewhere": RIGHT,
    "redirects-to-file": "bad_response",
    "redirects-for-ever": "bad_response",
    "redirects-to-nowhere": "bad_response",
}


def test_every_fault_of_the_origin_is_in_the_table() -> None:
    assert sorted(ALWAYS) == sorted(RangeHandler.faults())


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_fault_that_is_always_there_ends_as_named_or_with_the_second_source(
    tmp_path: Path, good: Origin, fault: str
) -> None:
    with serving(CONTENT, handler=RangeHandler) as bad:
        bad.elsewhere = good.url("good")
        alone = Fetched(tmp_path / "alone", bad.url(f"always/{fault}"))
        assert alone.outcome == ALWAYS[fault], alone.message
        if alone.outcome != RIGHT:
            assert bad.url(f"always/{fault}") in alone.message
        helped = Fetched(tmp_path / "helped", bad.url(f"always/{fault}"), good.url("good"))
        assert helped.outcome == RIGHT, helped.message
        # and what the failed run left is no obstacle
        resumed = Fetched(tmp_path / "alone", good.url("good"))
        assert resumed.outcome == RIGHT, resumed.message


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", ALWAYS)
def test_a_fault_that_is_there_sometimes_ends_in_the_right_bytes_or_as_named(
    tmp_path: Path, good: Origin, fault: str, seed: int
) -> None:
    for connections in (1, 4):
        with serving(CONTENT, handler=RangeHandler, seed=seed) as bad:
            bad.elsewhere = good.url("good")
            alone = Fetched(tmp_path / f"alone{connections}", bad.url(f"sometimes/{fault}"), connections=connections)
            assert alone.outcome != "wrong file"
            if alone.outcome == RIGHT:
                continue
            resumed = Fetched(
                tmp_path / f"alone{connections}",
                bad.url(f"sometimes/{fault}"),
                good.url("good"),
                connections=connections,
            )
            assert resumed.outcome == RIGHT, resumed.message
