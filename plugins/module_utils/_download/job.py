# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file on its way: what of it nobody fetches yet, from which source it comes, and what went wrong so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible_collections.drydock.serving.plugins.module_utils._download.answers import WrongContentError
from ansible_collections.drydock.serving.plugins.module_utils._download.part import Part
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, SourceError

# A connection that brought this much starts the count of tries again; crumbs must not hold us for ever.
PROGRESS = 512 * 1024


@dataclass(eq=False)
class Job:
    """State of one file. Changed only under the lock of the run.

    :param free: stretches that nobody fetches, in order.
    :param busy: how many threads work on it, those that hash included.
    :param fetching: how many of them fetch.
    :param split: may several requests fetch it at once? ``None``: the first answer will tell.
    :param mixed: its bytes came over more than one connection, so a wrong digest is not yet the source's fault.
    :param forgiven: this source was started again from the first byte; there is no second time.
    :param restarts: how often a server without ranges began the file anew.
    :param tries: failures in a row with this source.
    :param since: bytes received since the last of them.
    :param epoch: counts failures, so that connections that broke together count as one.
    :param verdict: why this attempt ends; who leaves last acts on it.
    :param cuts: end the connections it comes over.
    """

    wanted: Wanted
    files: PartFiles
    part: Part | None = None
    sources: list[Source] = field(default_factory=list)
    failures: list[SourceError] = field(default_factory=list)
    wrong: int = 0
    free: list[tuple[int, int]] = field(default_factory=list)
    busy: int = 0
    fetching: int = 0
    split: bool | None = None
    mixed: bool = False
    forgiven: bool = False
    restarts: int = 0
    tries: int = 0
    since: int = 0
    epoch: int = 0
    not_before: float = 0.0
    verdict: Exception | None = None
    cuts: dict[int, Callable[[], None]] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Where it is fetched from now."""
        return self.sources[0]

    def opened(self) -> Part:
        """The part file; only while it is open."""
        if self.part is None:
            raise RuntimeError(f"{self.wanted.label}: no part file is open")
        return self.part

    def take(self, range_size: int) -> tuple[int, int]:
        """The next stretch to fetch; not longer than a range where the file may come in ranges."""
        start, stop = self.free.pop(0)
        if self.split is not False and stop - start > range_size:
            self.free.insert(0, (start + range_size, stop))
            stop = start + range_size
        return start, stop

    def give_back(self, start: int, stop: int) -> None:
        """A stretch was not fetched."""
        if start < stop:
            if self.free and self.free[0][0] == stop:
                stop = self.free.pop(0)[1]
            self.free = sorted([*self.free, (start, stop)])

    def failed(self, error: SourceError, policy: RetryPolicy, *, hopeless: bool) -> float | None:
        """Count a failure; gives the pause before the next try, or ``None`` when the source is given up.

        :param hopeless: the server was given up for other files, one try is enough.
        """
        self.epoch += 1
        self.tries = 1 if self.since >= PROGRESS else self.tries + 1
        self.since = 0
        if not error.retryable or (hopeless and error.kind == "unreachable"):
            return None
        return policy.pause(self.tries, asked=error.retry_after)

    def next_source(self) -> bool:
        """Turn to the next source; false where there is none, or two had wrong content."""
        self.sources.pop(0)
        self.tries = self.since = self.restarts = 0
        self.forgiven = False
        self.not_before = 0.0
        return bool(self.sources) and self.wrong < 2


def after(error: SourceError, tries: int) -> SourceError:
    """The same failure, with how often it was tried."""
    return SourceError(error.kind, f"{error.message} ({tries} tries)") if error.retryable and tries > 1 else error


def explain(wanted: Wanted, failures: Sequence[SourceError]) -> DrydockError:
    """Why no source had the file, and what to do."""
    wrong = [error for error in failures if isinstance(error, WrongContentError)]
    lines = "; ".join(error.message for error in failures) or "no source is known for it"
    if wrong:
        advice = (
            "Nothing of it was kept. Either the source has other bytes than were locked, or something between changes "
            "them. Next step: compare with what its author publishes, then correct source or lock."
        )
    else:
        advice = "Next step: try the address from this host (curl -I), or add a second source to 'urls'."
    return DrydockError(
        (wrong or failures)[-1].kind if failures else "not_found",
        f"{wanted.label} could not be fetched: {lines}. What serves now is untouched. {advice}",
        file=wanted.label,
        expected=f"sha256:{wanted.sha256}",
        sources=[error.message for error in failures],
    )


def no_space(wanted: Wanted, reason: str) -> DrydockError:
    """The disk did not take the file."""
    return DrydockError(
        "no_space",
        f"{wanted.label}: the disk became full while receiving {wanted.size} bytes ({reason}). "
        "What was received is removed again and what serves now is untouched. "
        "Next step: find what else fills that file system, make room, run again.",
    )
