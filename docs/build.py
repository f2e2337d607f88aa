# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference that is generated, never written by hand.

``python -m docs.build``            writes each role's variable table, and the module pages into build/docs
``python -m docs.build --tables``   only the tables
``python -m docs.build --check``    only looks: exits 1 when a table is not what its specification says
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- variables: generated from meta/argument_specs.yml by make docs -->"
END = "<!-- end of variables -->"


def one_line(description: Any) -> str:
    """A description, a string or a list of paragraphs, as one table cell."""
    parts = description if isinstance(description, list) else [description]
    return " ".join(" ".join(str(part).split()) for part in parts).replace("|", "\\|")


def default_cell(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    return f"`{json.dumps(option['default'], ensure_ascii=False)}`"


def rows(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """One row per option, nested ones after their parent with their whole path."""
    for name, option in options.items():
        kind = option.get("type", "str")
        if "elements" in option:
            kind = f"{kind} of {option['elements']}"
        text = one_line(option.get("description", ""))
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        yield f"| `{prefix}{name}` | {kind} | {default_cell(option)} | {text} |"
        if "options" in option:
            nested = f"{prefix}{name}[]." if option.get("type") == "list" else f"{prefix}{name}."
            yield from rows(option["options"], nested)


def table(spec_file: Path) -> str:
    spec = yaml.safe_load(spec_file.read_text())
    options = spec["argument_specs"]["main"].get("options", {})
    return "\n".join([BEGIN, "| variable | type | default | meaning |", "|---|---|---|---|", *rows(options), END])


def with_table(readme: str, generated: str, where: Path) -> str:
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise SystemExit(f"{where}: expected one line '{BEGIN}' and one line '{END}' around the variable table.")
    before, rest = readme.split(BEGIN)
    return before + generated + rest.split(END)[1]


def role_tables(*, check: bool) -> bool:
    """Write (or with ``check`` only compare) every role's table; true when all were already right."""
    fine = True
    for spec_file in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        readme = spec_file.parents[1] / "README.md"
        old = readme.read_text()
        new = with_table(old, table(spec_file), readme.relative_to(ROOT))
        if new != old:
            fine = False
            if check:
                sys.stderr.write(f"{readme.relative_to(ROOT)}: the variable table is stale; run: make docs\n")
            else:
                readme.write_text(new)
    return fine


def module_pages() -> None:
    """Each module's, filter's and role's page by antsibull-docs, as reStructuredText for Sphinx or reading as it is."""
    out = ROOT / "build" / "docs"
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "antsibull-docs",
            "collection",
            "--use-current",
            "--squash-hierarchy",
            "--dest-dir",
            str(out),
            "drydock.serving",
        ],
        check=True,
    )
    sys.stdout.write(f"Reference pages: {out.relative_to(ROOT)}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    fine = role_tables(check=arguments.check)
    if arguments.check:
        return 0 if fine else 1
    if not arguments.tables:
        module_pages()
    return 0


if __name__ == "__main__":
    sys.exit(main())
