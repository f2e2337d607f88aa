# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that is built: the same bytes every time, nothing of a controller in it, and it runs on an old host."""

from __future__ import annotations

import ast
import functools
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils import _stack_command as command

PLACE = "ansible_collections/drydock/serving/plugins/module_utils/"
VERBS = ("backup", "logs", "maintenance", "restart", "rollback", "scale", "status")
HIDDEN = ("probation", "start", "stop")  # for the units
WRONG = [
    (["maintenance"], "the following arguments are required: state"),
    (["maintenance", "maybe"], "invalid choice: 'maybe'"),
    (["maintenance", "on", "--retry-after", "0"], "'0' is no whole number of seconds from 1 to"),
    (["maintenance", "on", "--retry-after", "1e3"], "'1e3' is no whole number of seconds from 1 to"),
    ([], "the following arguments are required: VERB"),
    (["dance"], "invalid choice: 'dance'"),
    (["restart"], "one of the arguments SERVICE --all is required"),
    (["restart", "api", "--all"], "not allowed with"),
    (["restart", "api", "--timeout", "0"], "'0' is no number of seconds above 0"),
    (["logs", "--tail", "-3x"], "argument --tail"),
    (["logs", "--tail", "many"], "'many' is no number of lines, nor 'all'"),
    (["logs", "--since", "yesterday"], "'yesterday' is no time"),
    (["status", "api"], "unrecognized arguments: api"),
]


@functools.cache
def built(name: str = "ocr", version: str = "1.2.3") -> bytes:
    return command.build(name=name, root=f"/nowhere/{name}", secrets="/nowhere/secrets", version=version)


def archive(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def pythons() -> list[str]:
    """This one, and the oldest that a host may have where this machine has it."""
    found = shutil.which("python3.9")
    works = found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return [sys.executable, *([found] if found and works else [])]


def run(python: str, content: bytes, place: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """As a host runs it, without anything that is installed beside Python."""
    file = place / "ocr"
    file.write_bytes(content)
    what = ["-c", code, str(file)] if code else [str(file), *arguments]
    return subprocess.run(
        [python, "-I", "-S", *what], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_same_input_gives_the_same_bytes_and_another_one_does_not() -> None:
    built.cache_clear()
    first = built()
    built.cache_clear()
    assert built() == first
    assert len({built(), built(name="other"), built(version="1.2.4")}) == 3


def test_it_says_whose_it_is_and_which() -> None:
    first, second, _rest = built().split(b"\n", 2)
    assert first == b"#!/usr/bin/python3 -I"
    assert second.startswith(b"# drydock.serving: the command of the stack ocr, version 1.2.3, sha256 ")


def test_only_what_runs_on_a_host_is_in_it() -> None:
    found = archive(built())
    outside = {name for name in found if not name.startswith(PLACE)}
    assert {name for name in outside if found[name]} == {"__main__.py"}
    assert [name for name in found if "test" in name or "plugin_utils" in name] == []
    assert not {f"{PLACE}_stack_command/install.py", f"{PLACE}_config_tree.py", f"{PLACE}_seed/server.py"} & set(found)
    for name, source in found.items():
        imported = [line for line in source.decode().splitlines() if line.startswith(("import ", "from "))]
        assert [line for line in imported if "ansible." in line or "plugin_utils" in line] == [], name


def imported(source: bytes) -> set[str]:
    """What Python finds when it parses the file."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{command.PREFIX}."):
            module = str(node.module)[len(command.PREFIX) + 1 :]
            found |= {module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)}
    return found - {""}


def test_no_import_of_any_file_is_overlooked_and_none_made_up() -> None:
    files = sorted(command.UTILS.rglob("*.py"))
    assert len(files) > 100
    assert [file.name for file in files if command.imports(file.read_bytes()) != imported(file.read_bytes())] == []
    text = f"from {command.PREFIX} import (\n    a,  # one, or two\n    b as c,\n)\n"
    text += f"    from {command.PREFIX}.d import e  # f, g\n"
    assert command.imports(text.encode()) == {"a", "b", "d", "d.e"}


def test_it_is_the_code_that_releases_are_made_with() -> None:
    found = archive(built())
    for name in ("lease", "info", "verdict", "waiting", "log"):
        place = f"_release/{name}.py"
        assert found[PLACE + place] == (command.UTILS / place).read_bytes()


def test_all_of_it_is_python_3_9() -> None:
    for name, source in archive(built()).items():
        ast.parse(source, filename=name, feature_version=(3, 9))


@pytest.mark.parametrize("python", pythons())
def test_everything_in_it_can_be_imported_without_what_is_installed(python: str, tmp_path: Path) -> None:
    code = (
        "import sys, zipfile, importlib\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "names = [n for n in zipfile.ZipFile(sys.argv[1]).namelist() if n.startswith('ansible')]\n"
        "for n in names:\n"
        "    importlib.import_module(n[:-3].replace('/__init__', '').replace('/', '.'))\n"
        "assert not {'ansible', 'requests', 'docker', 'yaml'} & set(sys.modules)\n"
        "print(len(names))\n"
    )
    done = run(python, built(), tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


@pytest.mark.parametrize("python", pythons())
def test_every_verb_has_help_and_every_file_of_a_verb_is_one(python: str, tmp_path: Path) -> None:
    listed = run(python, built(), tmp_path, "--help")
    assert listed.returncode == 0, listed.stderr
    assert {path.stem for path in command.VERBS.glob("[a-z]*.py")} == {*VERBS, *HIDDEN}
    for verb in (*VERBS, *HIDDEN):
        assert (f"    {verb} " in listed.stdout) is (verb in VERBS)
        told = run(python, built(), tmp_path, verb, "--help")
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.startswith(f"usage: ocr {verb} ")


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_a_wrong_call_is_told_and_does_nothing(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run(sys.executable, built(), tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_version_is_the_collection_s(tmp_path: Path) -> None:
    version = command.collection_version()
    done = run(sys.executable, built(version=version), tmp_path, "--version")
    assert done.stdout == f"drydock.serving {version}\n"
    assert f"version: {version}" in (command.COLLECTION / "galaxy.yml").read_text()


def test_only_names_of_stacks_fit() -> None:
    assert [name for name in ("ocr", "a-1", "", "Ocr", "../sh", "a" * 32, "1a") if command.fits(name)] == ["ocr", "a-1"]
