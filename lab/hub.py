# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a model hub, as far as ``huggingface_hub`` and the lock use one: model info, trees, files.

It answers as the public hub does: names of commits in headers, large files (LFS) by a redirect to another host with a
signed address, 401 for what is private, error codes in ``X-Error-Code``, lists in pages. And it can be told to lie.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

LFS_SUFFIXES = (".onnx", ".safetensors", ".gguf", ".bin", ".pt", ".tflite")
PAGE = 1000
REVISION = r"(?P<revision>(?:refs%2F[^/]+%2F[^/]+)|[^/]+)"
NAME = r"(?P<name>[^/]+/[^/]+)"
INFO = re.compile(rf"/api/models/{NAME}(?:/revision/{REVISION})?")
TREE = re.compile(rf"/api/models/{NAME}/tree/{REVISION}")
FILE = re.compile(rf"/{NAME}/resolve/{REVISION}/(?P<path>.+)")


@dataclass(frozen=True)
class Blob:
    """One file of a commit."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What git keeps: the content, or for LFS a note of its digest and size."""
        if not self.lfs:
            return self.content
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        return text.encode()

    @property
    def oid(self) -> str:
        """git's own name of it, which is sha1 by definition."""
        note = self.pointer
        return hashlib.sha1(b"blob %d\0" % len(note) + note, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """A model: its commits by name, and what tags and branches mean."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False


@dataclass
class Request:
    """One request as it arrived. ``host`` is ``hub`` or ``cdn``."""

    host: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """The models it has, who may read the closed ones, and every request that came.

    :param lies: by (model, path): what its lists say instead (``size``, ``sha256``) or sends instead (``content``).
    :param outages: how many requests to answer with 503 first.
    """

    token: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    lies: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    outages: int = 0
    page: int = PAGE
    endpoint: str = ""
    cdn: str = ""

    def commit(self, name: str, files: Mapping[str, bytes], *, tag: str = "", branch: str = "main") -> str:
        """Add a commit with these files as its whole content; gives its name."""
        repository = self.repositories.setdefault(name, Repository())
        tree = {path: Blob(content, path.endswith(LFS_SUFFIXES)) for path, content in sorted(files.items())}
        history = json.dumps([len(repository.commits), name, [(path, blob.oid) for path, blob in tree.items()]])
        commit = hashlib.sha1(history.encode(), usedforsecurity=False).hexdigest()
        repository.commits[commit] = tree
        repository.refs[branch] = commit
        if tag:
            repository.refs[tag] = commit
        return commit

    def replace(self, name: str, path: str, content: bytes) -> None:
        """Other bytes in every commit that has the path, which no honest hub can do."""
        for tree in self.repositories[name].commits.values():
            if path in tree:
                tree[path] = Blob(content, tree[path].lfs)

    def asked(self, host: str) -> list[Request]:
        return [request for request in self.requests if request.host == host]


def load(hub: Hub, folder: Path) -> None:
    """Every ``organisation/name/revision`` below the folder is a tagged commit; the last in order is ``main``."""
    for place in sorted(path for path in folder.glob("*/*/*") if path.is_dir()):
        files = {
            path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()
        }
        hub.commit("/".join(place.relative_to(folder).parts[:2]), files, tag=place.name)


class Handler(BaseHTTPRequestHandler):
    """Shared by both servers."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    host = "hub"

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(Request(self.host, self.command, self.path, dict(self.headers)))
        if self.hub.outages:
            self.hub.outages -= 1
            self.send(503, b"", {"Retry-After": "0"})
            return
        self.answer(urlsplit(self.path).path, parse_qs(urlsplit(self.path).query))

    def answer(self, path: str, query: Mapping[str, list[str]]) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, content: bytes, headers: Mapping[str, str]) -> None:
        """The whole, or the range that was asked for (RFC 9110, 14)."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self.send(200, content, {"Accept-Ranges": "bytes", **headers})
            return
        start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        if start >= len(content):
            self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        place = f"bytes {start}-{end}/{len(content)}"
        self.send(206, content[start : end + 1], {"Content-Range": place, **headers})


class Front(Handler):
    """The hub itself."""

    def answer(self, path: str, query: Mapping[str, list[str]]) -> None:
        found = TREE.fullmatch(path) or INFO.fullmatch(path) or FILE.fullmatch(path)
        if found is None:
            self.refuse(404, "", "Sorry, we can't find the page you are looking for.")
            return
        name = found["name"]
        repository = self.hub.repositories.get(name)
        known = self.headers.get("Authorization") == f"Bearer {self.hub.token}" and bool(self.hub.token)
        if repository is None or (repository.private and not known):
            self.refuse(404 if known else 401, "RepoNotFound", "Repository not found")
            return
        wanted = unquote(found["revision"] or "main")
        commit = repository.refs.get(wanted, wanted if wanted in repository.commits else "")
        if not commit:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {wanted}")
        elif found.re is TREE:
            self.tree(name, repository, commit, query)
        elif found.re is INFO:
            self.info(name, repository, commit, query)
        elif repository.gated and not known:
            self.refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            self.file(name, repository, commit, unquote(found["path"]))

    def refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        headers = {"Content-Type": "application/json", "X-Error-Message": message}
        self.send(status, body, {**headers, **({"X-Error-Code": code} if code else {})})

    def send_json(self, value: object, headers: Mapping[str, str]) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **headers})

    def info(self, name: str, repository: Repository, commit: str, query: Mapping[str, list[str]]) -> None:
        siblings = []
        for path, blob in repository.commits[commit].items():
            item: dict[str, object] = {"rfilename": path}
            if query.get("blobs", [""])[0].lower() == "true":
                size, sha256 = self.told(name, path, blob)
                item |= {"size": size, "blobId": blob.oid}
                if blob.lfs:
                    item["lfs"] = {"sha256": sha256, "size": size, "pointerSize": len(blob.pointer)}
            siblings.append(item)
        answer = {
            "_id": hashlib.sha256(name.encode()).hexdigest()[:24],
            "id": name,
            "modelId": name,
            "author": name.partition("/")[0],
            "sha": commit,
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }
        self.send_json(answer, {"X-Repo-Commit": commit})

    def tree(self, name: str, repository: Repository, commit: str, query: Mapping[str, list[str]]) -> None:
        """Folders and files in pages; every list is recursive, as the lock asks for it."""
        files = repository.commits[commit]
        folders = sorted({path.rpartition("/")[0] for path in files} - {""})
        items: list[dict[str, object]] = [
            {"type": "directory", "oid": hashlib.sha256(path.encode()).hexdigest()[:40], "size": 0, "path": path}
            for path in folders
        ]
        for path, blob in files.items():
            size, sha256 = self.told(name, path, blob)
            item: dict[str, object] = {"type": "file", "oid": blob.oid, "size": size, "path": path}
            if blob.lfs:
                item["lfs"] = {"oid": sha256, "size": size, "pointerSize": len(blob.pointer)}
            items.append(item)
        start = int(query.get("cursor", ["0"])[0])
        headers = {}
        if start + self.hub.page < len(items):
            more = urlencode({**{key: values[0] for key, values in query.items()}, "cursor": start + self.hub.page})
            headers["Link"] = f'<{self.hub.endpoint}{urlsplit(self.path).path}?{more}>; rel="next"'
        self.send_json(items[start : start + self.hub.page], headers)

    def told(self, name: str, path: str, blob: Blob) -> tuple[object, object]:
        """Size and digest, or the lie about them."""
        lie = self.hub.lies.get((name, path), {})
        return lie.get("size", len(blob.content)), lie.get("sha256", blob.sha256)

    def file(self, name: str, repository: Repository, commit: str, path: str) -> None:
        blob = repository.commits[commit].get(path)
        if blob is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        content = self.hub.lies.get((name, path), {}).get("content", blob.content)
        assert isinstance(content, bytes)  # noqa: S101 - a lie of the wrong type is a bug of the test
        common = {"X-Repo-Commit": commit, "Content-Disposition": f"inline; filename*=UTF-8''{quote(path)}"}
        if not blob.lfs:
            self.send_file(content, {**common, "ETag": f'"{blob.oid}"'})
            return
        size, sha256 = self.told(name, path, blob)
        linked = {"X-Linked-Size": str(size), "X-Linked-ETag": f'"{sha256}"'}
        signed = urlencode({"Expires": int(time.time()) + 3600, "Signature": f"signed-{blob.sha256[:8]}"})
        location = f"{self.hub.cdn}/{quote(name)}/{commit}/{quote(path)}?{signed}"
        self.send(302, b"", {**common, **linked, "ETag": f'"{sha256}"', "Location": location})


class Cdn(Handler):
    """Where the hub keeps large files. It asks for the signature and for no token."""

    host = "cdn"

    def answer(self, path: str, query: Mapping[str, list[str]]) -> None:
        organisation, name, commit, place = unquote(path).lstrip("/").split("/", 3)
        model = f"{organisation}/{name}"
        blob = self.hub.repositories[model].commits[commit][place]
        if query.get("Signature") != [f"signed-{blob.sha256[:8]}"]:
            self.send(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
            return
        content = self.hub.lies.get((model, place), {}).get("content", blob.content)
        assert isinstance(content, bytes)  # noqa: S101 - a lie of the wrong type is a bug of the test
        self.send_file(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'})


@contextmanager
def serving(hub: Hub, *, address: str = "127.0.0.1", port: int = 0) -> Iterator[Hub]:
    """Serve it on the loopback; ``hub.endpoint`` is its address then. Large files come from a second port."""
    servers = []
    for base, at in ((Front, port), (Cdn, 0)):
        server = ThreadingHTTPServer((address, at), type(base.__name__, (base,), {"hub": hub}))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
    hub.endpoint, hub.cdn = (f"http://{address}:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
