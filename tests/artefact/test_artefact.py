# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the built artefact holds, and that it answers without the checkout."""

from __future__ import annotations

import tarfile
from pathlib import Path

from .conftest import ROOT, Installed

NEVER_SHIPPED = (
    ".venv",
    ".lab",
    ".git",
    ".ci",
    "reports",
    "build",
    "lab",
    "tests",
    "molecule",
    "examples",
    "ansible.cfg",
)

# ansible-test fetches get-pip.py from a fixed address to fill its empty environments. Where that address cannot be
# reached, the interpreter's own ensurepip does the same.
GET_PIP = "import ensurepip\n\nensurepip.bootstrap(upgrade=True)\n"


def test_the_artefact_holds_the_collection_and_nothing_of_the_workshop(artefact: Path) -> None:
    with tarfile.open(artefact) as archive:
        names = archive.getnames()
    assert {"MANIFEST.json", "README.md", "meta/runtime.yml", "playbooks/site.yml"} <= set(names)
    assert [name for name in names if name.split("/")[0] in NEVER_SHIPPED or "__pycache__" in name] == []


def test_the_installed_collection_answers_its_site_playbook(installed: Installed) -> None:
    result = installed.run(
        "ansible-playbook", "drydock.serving.site", "-i", str(ROOT / "inventories" / "prod"), "--list-tasks", "-v"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "drydock.serving" in result.stdout
    listed = installed.run("ansible-galaxy", "collection", "list", "drydock.serving")
    assert str(installed.collections) in listed.stdout


def test_the_checkout_passes_the_syntax_check_the_readme_promises(installed: Installed) -> None:
    result = installed.run(
        "ansible-playbook", "site.yml", "-i", "inventories/prod", "--syntax-check", cwd=ROOT, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_module_has_documentation_that_ansible_doc_can_show(installed: Installed) -> None:
    modules = sorted(path.stem for path in (installed.collection / "plugins" / "modules").glob("*.py"))
    assert modules
    result = installed.run("ansible-doc", "--json", *(f"drydock.serving.{name}" for name in modules))
    assert result.returncode == 0, result.stderr
    assert all(f"drydock.serving.{name}" in result.stdout for name in modules)


def test_ansible_test_sanity_is_clean_for_the_installed_core(installed: Installed) -> None:
    cache = installed.home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    (cache / "get_pip_24_2.py").write_text(GET_PIP)
    result = installed.run("ansible-test", "sanity", "--venv", "--color", "no", cwd=installed.collection, timeout=1200)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-8000:]
