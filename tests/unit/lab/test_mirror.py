# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.mirror import Mirror, machine_mirror

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.example.org/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://commented.example.org/debian bookworm main
deb [arch=amd64 signed-by=/x] http://mirror.example.org/debian bookworm main contrib
deb-src http://sources.example.org/debian bookworm main
deb http://mirror.example.org/debian-security bookworm-security main
"""
EXPECTED = Mirror(archive="http://mirror.example.org/debian", security="http://mirror.example.org/debian-security")


def apt(root: Path, files: dict[str, str]) -> Path:
    (root / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"sources.list.d/debian.sources": DEB822}, EXPECTED, id="deb822"),
        pytest.param({"sources.list": ONE_LINE}, EXPECTED, id="one-line"),
        pytest.param(
            {
                "sources.list.d/a.sources": "Types: deb\nURIs: https://vendor.example.org/apt\nSuites: nodistro\n\n"
                + DEB822
            },
            EXPECTED,
            id="vendor-repository-first",
        ),
        pytest.param(
            {"sources.list.d/a.sources": "Enabled: no\nTypes: deb\nURIs: http://off.example.org\nSuites: bookworm\n"},
            None,
            id="disabled",
        ),
        pytest.param(
            {"sources.list": "deb http://archive.example.org/ubuntu noble main\n"}, None, id="another-distribution"
        ),
        pytest.param({"sources.list": "deb cdrom:[Debian]/ bookworm main\n"}, None, id="a-medium-in-a-drive"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_machines_mirror_is_read_from_its_apt_configuration(
    tmp_path: Path, files: dict[str, str], expected: Mirror | None
) -> None:
    assert machine_mirror(apt(tmp_path, files)) == expected


def test_sources_name_every_pocket_of_the_release() -> None:
    text = EXPECTED.sources("trixie")
    assert "Suites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.example.org/debian-security\nSuites: trixie-security\n" in text


def test_sources_leave_security_out_where_the_machine_has_none() -> None:
    assert "security" not in Mirror(archive="http://mirror.example.org/debian").sources("trixie")
