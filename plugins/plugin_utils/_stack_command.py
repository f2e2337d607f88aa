# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the command of a stack: one file that the host's Python runs, made of this collection's own ``module_utils``.

Equal input gives equal bytes on every controller: no time, no order of a directory and no compression is in them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.install import header

COLLECTION = Path(__file__).resolve().parents[2]
PREFIX = "ansible_collections.drydock.serving.plugins.module_utils"
UTILS = COLLECTION / "plugins" / "module_utils"
ENTRY = "_stack_command.main"
VERBS = UTILS / "_stack_command" / "verbs"
IMPORTS = re.compile(rf"^[ \t]*from {re.escape(PREFIX)}\.?([\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
COMMENTS = re.compile(r"#.*")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can tell
MAIN = """\
import sys

if sys.version_info < (3, 9):
    sys.exit("{name}: Python 3.9 or newer is needed, this is %s" % sys.version.split()[0])

from {prefix}.{entry} import main

sys.exit(main({name!r}, root={root!r}, secrets={secrets!r}, version={version!r}))
"""


def build(*, name: str, root: str, secrets: str, version: str) -> bytes:
    """The whole file: what runs it, a line that says whose it is, and the archive."""
    sources = {
        **dict.fromkeys(_packages(PREFIX), b""),
        **{f"{PREFIX.replace('.', '/')}/{place}": content for place, content in _needed().items()},
        "__main__.py": MAIN.format(
            name=name, prefix=PREFIX, entry=ENTRY, root=root, secrets=secrets, version=version
        ).encode(),
    }
    digest = hashlib.sha256(b"".join(f"{place}\0".encode() + sources[place] for place in sorted(sources))).hexdigest()
    out = io.BytesIO(header(name, version=version, digest=digest))
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a") as archive:
        for place in sorted(sources):
            archive.writestr(zipfile.ZipInfo(place, EPOCH), sources[place])
    return out.getvalue()


def _packages(dotted: str) -> Iterator[str]:
    """Real packages, not a namespace: where Ansible is on the host as well, its own are not looked into."""
    parts = dotted.split(".")
    for count in range(1, len(parts) + 1):
        yield "/".join([*parts[:count], "__init__.py"])


def _needed() -> Mapping[str, bytes]:
    """Path below ``module_utils`` and content of what the entry, the verbs and their imports are made of."""
    found: dict[str, bytes] = {}
    waiting = [ENTRY, *(f"_stack_command.verbs.{path.stem}" for path in sorted(VERBS.glob("[a-z]*.py")))]
    while waiting:
        path = _file(waiting.pop())
        if path is None or (place := path.relative_to(UTILS).as_posix()) in found:
            continue
        found[place] = path.read_bytes()
        waiting += imports(found[place])
        waiting += [".".join(parent.parts) for parent in Path(place).parents if parent.parts]
    return found


def _file(dotted: str) -> Path | None:
    """Where a module lies; None for a name that is none: what is imported from a module may be a function."""
    place = UTILS.joinpath(*dotted.split("."))
    return next((path for path in (place.with_name(f"{place.name}.py"), place / "__init__.py") if path.is_file()), None)


def imports(source: bytes) -> set[str]:
    """What it imports from ``module_utils``, also inside of functions. Parsing it would take a run that changes nothing
    seven times as long.
    """
    found = set()
    for module, names in IMPORTS.findall(source.decode("utf-8")):
        words = [part.split()[0] for part in COMMENTS.sub("", names).strip("()").split(",") if part.strip()]
        found |= {".".join(filter(None, (module, *more))) for more in ((), *((word,) for word in words))}
    return found - {""}


def collection_version() -> str:
    """This collection's, from what Galaxy installed, else from the checkout."""
    manifest = COLLECTION / "MANIFEST.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml.safe_load((COLLECTION / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def fits(name: str) -> bool:
    """Whether it is the name of a stack, as the filter stack_model wants it."""
    return re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) is not None
