# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations, backups and hooks with real programs: PostgreSQL and Redis on the engine of lab hosts, and kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.service_images import local_image
from tests.compose import with_compose

from .own_engine import own_engine

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a release gives files to containers' users, which only root may"),
]

NAME = "drydock-works"
RELEASE = "release | Release the stack"  # the task
PSQL = (
    "PGPASSWORD=$(cat /run/secrets/postgres_password) exec psql --host postgres --username app --dbname app "
    '--no-align --tuples-only --set ON_ERROR_STOP=1 --command "$SQL"'
)
TABLE = "CREATE TABLE IF NOT EXISTS pages (text varchar); INSERT INTO pages VALUES ('one'), ('two')"
# tells what it was given, and leaves a child that has left its group
HOOK = """#!/bin/sh
cat > {place}/$DRYDOCK_HOOK.json
env > {place}/$DRYDOCK_HOOK.env
setsid sleep 600 &
echo "$DRYDOCK_PHASE of $DRYDOCK_RELEASE"
"""


class Place:
    """A stack of this machine's own engine, below a temporary directory."""

    def __init__(self, folder: Path, docker: Docker, images: Mapping[str, str]) -> None:
        self.folder = folder
        self.docker = docker
        self.images = images
        self.root = folder / "opt"

    def stack(self, **changes: Any) -> dict[str, Any]:
        """A service that sleeps, which others reach nothing of, and both components."""
        api = {
            "image": self.images["postgres"],
            "command": ["sleep", "infinity"],
            "user": "999:999",
            "secrets": ["postgres_password"],
            "depends_on": ["postgres"],
            "resources": {"cpus": 0.5, "memory": "64m"},
            "stop_grace_period": 1,
            **changes.pop("api", {}),
        }
        return {
            "name": NAME,
            "environment": "lab",
            "domain": "works.example.org",
            "services": {"api": api},
            "components": {
                "postgres": {"image": self.images["postgres"], "resources": {"memory": "256m"}},
                "redis": {"image": self.images["redis"], "resources": {"memory": "64m"}},
            },
            **changes,
        }

    def start(self, stack: Mapping[str, Any]) -> subprocess.Popen[str]:
        """The role, on this machine."""
        model = "{{ stack | drydock.serving.stack_model(models={}, secrets=[]) | combine(places, recursive=true) }}"
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {
                "stack": dict(stack),
                "places": {
                    "paths": {"root": str(self.root), "secrets": str(self.folder / "secrets")},
                    "components": {name: {"data": str(self.root / "data" / name)} for name in ("postgres", "redis")},
                },
                "stack_secrets": {},
                "stack_registries": {},
                "stack_command_enabled": False,
            },
            "roles": [{"role": "drydock.serving.stack", "vars": {"stack_model": model}}],
        }
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        return subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("--inventory", "localhost,", "--connection", "local", str(playbook)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={
                **os.environ,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_LOCALHOST_WARNING": "0",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            },
        )

    def play(self, stack: Mapping[str, Any]) -> dict[str, Any]:
        """What the release said."""
        process = self.start(stack)
        output, _none = process.communicate(timeout=300)
        try:
            tasks = json.loads(output[output.index("{") : output.rindex("}") + 1])["plays"][0]["tasks"]
        except ValueError:
            raise AssertionError(output) from None
        return next(dict(task["hosts"]["localhost"]) for task in tasks if task["task"]["name"].endswith(RELEASE))

    def sql(self, statement: str) -> str:
        """What the database answers."""
        container = f"{NAME}-base-postgres-1"
        done = self.docker("exec", "--env", f"SQL={statement}", container, "sh", "-c", PSQL)
        return done.stdout.strip()

    def names(self, *filters: str) -> list[str]:
        options = [f"--filter={item}" for item in (f"label=drydock.stack={NAME}", *filters)]
        return sorted(self.docker.lines("ps", "--all", "--format={{.Names}}", *options))

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "current" / "release.json").read_text())
        return found

    def backups(self) -> list[Path]:
        return sorted((self.root / "backups").iterdir()) if (self.root / "backups").is_dir() else []

    def command(self, *arguments: str) -> str:
        """The command on the host, as the file that it is."""
        path = self.folder / NAME
        path.write_bytes(build(name=NAME, root=str(self.root), secrets=str(self.folder / "secrets"), version="1.0.0"))
        done = subprocess.run(
            [sys.executable, "-I", str(path), *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def migration(sql: str, **settings: Any) -> dict[str, Any]:
    return {"api": {"migrate": {"command": ["sh", "-c", PSQL], "environment": {"SQL": sql}, **settings}}}


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    checkout = this_checkout()
    docker = ensure_engine(checkout)
    images = {name: local_image(checkout, docker, name) for name in ("postgres", "redis")}
    folder = tmp_path_factory.mktemp("works")
    compose = with_compose(checkout, docker, tmp_path_factory.mktemp("docker"))
    with own_engine(checkout, docker, folder, images.values()) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in {**compose, "DOCKER_HOST": address}.items():
            patch.setenv(name, value)
        yield from _released(Place(folder, docker, images))


def _released(place: Place) -> Iterator[Place]:
    result = place.play(place.stack(**migration(TABLE)))
    assert result.get("kind") == "release", result
    assert not result.get("failed"), result["msg"]
    yield place


def test_a_migration_has_run_once_against_the_component_before_the_service_came_up(place: Place) -> None:
    assert place.sql("SELECT count(*) FROM pages") == "2"
    assert place.names() == [f"{NAME}-base-postgres-1", f"{NAME}-base-redis-1", f"{NAME}-blue-api-1"]
    assert place.record["migrations"].keys() == {"api"}
    assert place.backups() == []  # there was nothing to lose
    again = place.play(place.stack(**migration(TABLE)))
    assert again["changed"] is False
    assert place.sql("SELECT count(*) FROM pages") == "2"


def test_a_changed_migration_runs_after_a_backup_that_brings_back_what_it_destroyed(place: Place) -> None:
    served = place.record["id"]
    container = place.docker.inspect("container", [f"{NAME}-blue-api-1"])[0]["Id"]
    result = place.play(place.stack(**migration("DROP TABLE IF EXISTS pages", irreversible="drops the pages")))
    assert result["migrated"] == ["api"], result
    assert place.docker.inspect("container", [f"{NAME}-blue-api-1"])[0]["Id"] == container  # it has not changed itself
    assert place.sql("SELECT to_regclass('pages') IS NULL") == "t"
    assert place.record["irreversible"] == {"api": "drops the pages"}
    folder = Path(result["backup"])
    assert folder.name.endswith(served)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["before"] == place.record["id"]
    assert manifest["components"]["postgres"]["size"] == (folder / "postgres.dump").stat().st_size > 0
    bring_back(folder, "postgres")
    assert place.sql("SELECT string_agg(text, ' ' ORDER BY text) FROM pages") == "one two"


def bring_back(folder: Path, component: str) -> None:
    """Type what RESTORE.txt says about a component."""
    text = (folder / "RESTORE.txt").read_text()
    (part,) = [part for part in text.split("\n\n") if part.startswith(f"{component}:")]
    script = "\n".join(line.strip() for line in part.splitlines()[1:])
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_copies_redis_as_it_is_and_the_copy_brings_a_value_back(place: Place) -> None:
    container = f"{NAME}-base-redis-1"
    password = (place.folder / "secrets" / ".store" / "redis_password").read_text()

    def redis(*words: str) -> str:
        done = place.docker(
            "exec", "--env", "REDISCLI_AUTH", container, "redis-cli", *words, env={"REDISCLI_AUTH": password}
        )
        return done.stdout.strip()

    assert redis("SET", "page", "kept") == "OK"
    said = place.command("backup", "--reason", "by hand")
    folder = Path(said.splitlines()[-1].partition(":")[0])
    with tarfile.open(folder / "redis.tar") as archive:
        assert any(name.endswith(".manifest") for name in archive.getnames())
    assert place.docker("exec", container, "ls", "-A", "/data").stdout.split() == ["appendonlydir"]
    assert str(folder) in place.command("backup", "--list").splitlines()[0]
    assert redis("FLUSHALL") == "OK"
    bring_back(folder, "redis")
    wait_for(lambda: redis("PING") == "PONG")
    assert redis("GET", "page") == "kept"
    assert (
        place.play(place.stack(**migration("DROP TABLE IF EXISTS pages", irreversible="drops the pages")))["changed"]
        is False
    )


def wait_for(condition: Any) -> None:
    """Another process is at work: there is no clock to hand in."""
    for _look in range(400):
        with contextlib.suppress(Exception):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("it never came to that")


def test_a_migration_that_fails_leaves_what_serves_and_is_told_with_its_last_words(place: Place) -> None:
    served, containers = place.record["id"], place.names()
    result = place.play(place.stack(**migration("SELECT nonsense")))
    assert result["failure"]["kind"] == "migration_failed"
    assert 'column "nonsense" does not exist' in result["msg"]
    assert "exit code 1" in result["msg"]
    log = Path(result["failure"]["evidence"]) / "migrate-api.log"
    assert "nonsense" in log.read_text()
    assert place.record["id"] == served
    assert place.names() == containers


def test_a_migration_that_hangs_is_stopped_when_its_time_is_over(place: Place) -> None:
    containers = place.names()
    result = place.play(place.stack(**migration("SELECT pg_sleep(600)", timeout=2)))
    assert result["failure"]["kind"] == "migration_failed"
    assert "did not end within 2 s" in result["msg"]
    assert place.names() == containers


def test_a_migration_whose_run_was_killed_is_stopped_by_the_next_run_which_says_so(place: Place) -> None:
    served = place.record["id"]
    process = place.start(place.stack(**migration("SELECT pg_sleep(600)")))
    job = f"{NAME}-blue-api-migrate"
    try:
        wait_for(lambda: place.names("label=drydock.job=migrate", "status=running") == [job])
        os.kill(json.loads((place.root / "state" / "lease.json").read_text())["pid"], signal.SIGKILL)
        process.communicate(timeout=120)
    finally:
        process.kill()
    assert place.names("label=drydock.job=migrate", "status=running") == [job]
    result = place.play(place.stack(**migration("DROP TABLE IF EXISTS pages", irreversible="drops the pages")))
    assert not result.get("failed"), result["msg"]
    assert any("stopped the migration of api" in action for action in result["actions"]), result["actions"]
    assert place.names("label=drydock.job=migrate") == []
    assert place.record["id"] == served
    assert not list((place.root / "state").glob("journal.json"))


def test_a_hook_whose_run_was_killed_is_ended_by_the_next_run_which_says_so(place: Place) -> None:
    served, begun, left = place.record["id"], place.folder / "begun", place.folder / "left"
    program = place.folder / "hangs"
    program.write_text(f"#!/bin/sh\nsetsid sleep 600 &\necho $! > {left}\necho $$ > {begun}\nexec sleep 600\n")
    program.chmod(0o755)
    hook = {"name": "hangs", "when": "before", "phase": "images", "command": [str(program)], "timeout": 600}
    process = place.start(place.stack(api={"environment": {"N": "killed"}}, release={"hooks": [hook]}))
    try:
        wait_for(lambda: begun.read_text().strip())
        os.kill(json.loads((place.root / "state" / "lease.json").read_text())["pid"], signal.SIGKILL)
        process.communicate(timeout=120)
    finally:
        process.kill()
    numbers = [path.read_text().strip() for path in (begun, left)]
    assert [number for number in numbers if not read(Path("/proc", number, "environ"))] == []
    stack = place.stack(**migration("DROP TABLE IF EXISTS pages", irreversible="drops the pages"))
    result = place.play(stack)
    assert not result.get("failed"), result["msg"]
    assert any("ended the hook hangs" in action for action in result["actions"]), result["actions"]
    wait_for(lambda: not any(read(Path("/proc", number, "environ")) for number in numbers))
    assert place.record["id"] == served
    assert not place.play(stack)["changed"]


def test_data_on_a_disk_that_is_not_mounted_are_not_replaced_by_an_empty_directory(place: Place) -> None:
    data = place.root / "data" / "redis"
    aside = data.rename(data.with_name("aside"))
    stack = place.stack(api={"environment": {"N": "unmounted"}})
    try:
        for empty in (False, True):
            if empty:
                data.mkdir()  # as the place that a disk is mounted on
            result = place.play(stack)
            assert result["failure"]["kind"] == "data_missing", result["msg"]
            assert not result["changed"]
    finally:
        if data.is_dir():
            data.rmdir()
        aside.rename(data)
    assert place.sql("SELECT 1") == "1"


def test_hooks_get_the_record_and_leave_nothing_running(place: Place) -> None:
    program = place.folder / "hook"
    program.write_text(HOOK.format(place=place.folder))
    program.chmod(0o755)
    hooks: list[dict[str, Any]] = [
        {"name": "told", "when": "after", "phase": "healthy", "command": [str(program)]},
        {"name": "late", "when": "before", "phase": "commit", "command": ["sleep", "600"], "timeout": 1},
    ]
    stack = place.stack(api={"environment": {"N": "1"}}, release={"hooks": hooks})
    served = place.record["id"]
    result = place.play(stack)
    assert result["failure"]["kind"] == "hook_failed"
    assert "late" in result["msg"]
    assert "did not end within 1 s" in result["msg"]
    assert place.record["id"] == served
    record = json.loads((place.folder / "told.json").read_text())
    assert (record["stack"], record["phase"], record["previous"]) == (NAME, "healthy", served)
    assert record["moved"] == {"api": "green"}
    environment = (place.folder / "told.env").read_text()
    assert f"DRYDOCK_RELEASE={record['id']}" in environment
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if b"DRYDOCK_RUN=" in read(path)]
    assert place.names("status=running") == [
        f"{NAME}-base-postgres-1",
        f"{NAME}-base-redis-1",
        f"{NAME}-blue-api-1",
    ]
    hooks[1] = {**hooks[1], "required": False}
    result = place.play(stack)
    assert not result.get("failed"), result["msg"]
    assert [(hook["name"], hook["ok"]) for hook in result["hooks"]] == [("told", True), ("late", False)]
    assert any("late" in text for text in result["warnings"])


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
