# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own Debian mirror, read from its apt configuration; no mirror's name stands in this repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
SUITES = re.compile(r"^(?:stable|testing|sid|bullseye|bookworm|trixie|forky)(?P<pocket>-updates|-security|/updates)?$")


@dataclass(frozen=True)
class Mirror:
    """Where packages come from."""

    archive: str
    security: str = ""

    def sources(self, release: str) -> str:
        """The deb822 sources of a Debian release on this mirror."""
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
        text = stanza.format(self.archive, f"{release} {release}-updates", keyring)
        if self.security:
            text += "\n" + stanza.format(self.security, f"{release}-security", keyring)
        return text


def machine_mirror(apt: Path = APT) -> Mirror | None:
    """The Debian mirror this machine uses; None where it uses none (another distribution)."""
    archive = security = ""
    for uri, suite in entries(apt):
        matched = SUITES.match(suite)
        if not matched:
            continue
        if "security" in (matched["pocket"] or ""):
            security = security or uri
        else:
            archive = archive or uri
    return Mirror(archive=archive, security=security) if archive else None


def entries(apt: Path) -> Iterator[tuple[str, str]]:
    """Every (URI, suite) that apt's sources name, in apt's order."""
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for path in lists:
        if path.is_file():
            yield from one_line_entries(path.read_text(errors="replace").splitlines())
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from deb822_entries(path.read_text(errors="replace"))


def one_line_entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Entries of the old format: ``deb [options] uri suite components``."""
    for line in lines:
        words = re.sub(r"\[[^]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb" and usable(words[1]):
            yield words[1].rstrip("/"), words[2]


def deb822_entries(text: str) -> Iterator[tuple[str, str]]:
    """Entries of the new format: stanzas of fields."""
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", uncommented):
        joined = re.sub(r"\n[ \t]+", " ", stanza)
        fields = {key.lower(): value.split() for key, _, value in (line.partition(":") for line in joined.splitlines())}
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[0].lower() in ("no", "false"):
            continue
        for uri in filter(usable, fields.get("uris", [])):
            for suite in fields.get("suites", []):
                yield uri.rstrip("/"), suite


def usable(uri: str) -> bool:
    """Whether a container can use this kind of address."""
    return uri.startswith(("http://", "https://"))
