# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front page and the action group name what there is, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MODULES = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}


def test_every_module_is_on_the_front_page() -> None:
    table = README[README.index("| module | does |") :].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == MODULES


def test_every_role_is_on_the_front_page_and_has_a_readme() -> None:
    roles = {path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")}
    assert set(re.findall(r"^\| \[(\w+)\]\(roles/\1/README\.md\)", README, re.MULTILINE)) == roles
    assert all((ROOT / "roles" / role / "README.md").exists() for role in roles)


def test_every_make_target_the_front_page_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z][a-z-]*)", README)) - {"sure"}
    assert targets
    assert [name for name in targets if not re.search(rf"^(\S+ )*{name}( \S+)*:", makefile, re.MULTILINE)] == []


def test_the_action_group_holds_every_module() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert set(groups["drydock"]) == MODULES


def test_every_role_has_the_same_defaults_as_its_specification() -> None:
    for spec_file in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        options = yaml.safe_load(spec_file.read_text())["argument_specs"]["main"].get("options", {})
        expected = [(name, option["default"]) for name, option in options.items() if "default" in option]
        defaults_file = spec_file.parents[1] / "defaults" / "main.yml"
        defaults = yaml.safe_load(defaults_file.read_text()) or {} if defaults_file.exists() else {}
        assert list(defaults.items()) == expected, spec_file
