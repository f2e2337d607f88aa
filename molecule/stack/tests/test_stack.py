# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack of real services, and what happens to it when a release goes wrong or a run dies."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
ROOT = "/opt/ocr"
SECRETS = "/etc/ocr/secrets"
CANARY = "canary-Vq8wT2mZ"
PORTS = {"blue": 18359, "green": 18859}  # follow from the name "api"
DOMAIN = "ocr.drydock.test"
# until it is told to stop: requests through nginx, some over connections that are kept, each answer looked at
LOAD = """
import http.client, json, os, socket, ssl, threading, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
good, bad, retired = [], [], (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
def client(keep):
    link = None
    while not os.path.exists('/run/load.stop'):
        used = link is not None
        try:
            if link is None:
                raw = socket.create_connection(('127.0.0.1', 443), timeout=60)
                link = http.client.HTTPConnection('DOMAIN')
                link.sock = context.wrap_socket(raw, server_hostname='DOMAIN')
            link.request('GET', '/health/ready', headers={'Host': 'DOMAIN'})
            answer = link.getresponse()
            body = json.loads(answer.read())
            (good if answer.status == 200 and body else bad).append(answer.getheader('X-Drydock-Upstream'))
            link = link if link.sock else None  # nginx said that it closes this connection
        except retired as error:  # nginx ended an idle connection: any client asks again
            link = None
            used or bad.append(repr(error))
        except Exception as error:
            link = None
            bad.append(repr(error))
        if link is not None and not keep:
            link.close()
            link = None
        time.sleep(0.02)
threads = [threading.Thread(target=client, args=(keep,)) for keep in (True, True, False)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
json.dump({'good': len(good), 'bad': bad, 'seen': sorted(set(good))}, open('/run/load.json', 'w'))
""".replace("DOMAIN", DOMAIN)
# kills the module's own process, by its note, as soon as its journal tells of a step
KILL = """
import json, os, signal, sys, time
end = time.time() + 150
while time.time() < end:
    try:
        if json.load(open('ROOT/state/journal.json'))['step'] == 'STEP':
            os.kill(json.load(open('ROOT/state/lease.json'))['pid'], signal.SIGKILL)
            sys.exit(0)
    except (OSError, ValueError):
        pass
sys.exit('the run never came to STEP')
"""
# one request through nginx from the host itself; prints status, headers and body
ASK = """
import http.client, json, socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
link = http.client.HTTPConnection('DOMAIN')
link.sock = context.wrap_socket(socket.create_connection(('127.0.0.1', 443), timeout=20), server_hostname='DOMAIN')
link.request('GET', sys.argv[1], headers={'Host': 'DOMAIN', **json.loads(sys.argv[2])})
answer = link.getresponse()
print(json.dumps([answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()]))
""".replace("DOMAIN", DOMAIN)
CHANGED = re.compile(r"^\S+\s*: ok=\d+\s+changed=(\d+)\s", re.MULTILINE)


def command(*arguments: str, change: dict[str, Any] | None = None) -> list[str]:
    return [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"),
        "--extra-vars",
        json.dumps({"stack_change": change or {}}),
        *arguments,
        str(SCENARIO / "converge.yml"),
    ]


def converge(*arguments: str, change: dict[str, Any] | None = None) -> tuple[int, int, str]:
    """Run the role; exit status, number of changed tasks, everything it said."""
    done = subprocess.run(
        command(*arguments, change=change),
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=SCENARIO.parents[1],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
    )
    changed = CHANGED.search(done.stdout)
    return done.returncode, int(changed.group(1)) if changed else -1, done.stdout + done.stderr


@pytest.fixture
def put_right(host: Host) -> Iterator[None]:
    """After a test that breaks something, the plain stack serves again."""
    yield
    code, _changed, output = converge()
    assert code == 0, output[-4000:]
    assert ready(host)


def api(**settings: Any) -> dict[str, Any]:
    return {"services": {"api": settings}}


def colour(host: Host, service: str) -> str:
    """The colour that the recorded release has a service in."""
    return str(current(host)["containers"][service]["part"])


def container(host: Host, service: str) -> str:
    """The name of a service's container."""
    return f"ocr-{colour(host, service)}-{service}-1"


def ready(host: Host) -> bool:
    """Does the service say, on the host, that it can infer?"""
    url = f"http://127.0.0.1:{PORTS[colour(host, 'api')]}/health/ready"
    code = f"import json, urllib.request as u; print(json.load(u.urlopen('{url}', timeout=10)))"
    return bool(host.run(f'python3 -c "{code}"').rc == 0)


def ask(host: Host, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of an answer through the edge."""
    words = ["python3", "-c", ASK, path, json.dumps({name.replace("_", "-"): value for name, value in headers.items()})]
    status, found, body = json.loads(host.check_output(shlex.join(words)))
    return status, found, body


def containers(host: Host) -> dict[str, dict[str, Any]]:
    """Every container of the stack, inspected, by its name."""
    names = host.check_output("docker ps --all --filter label=drydock.stack=ocr --format '{{.Names}}'").split()
    found = json.loads(host.check_output("docker inspect " + " ".join(names)))
    return {item["Name"].lstrip("/"): item for item in found}


def identities(host: Host) -> dict[str, tuple[str, str]]:
    """Tells whether a container was made anew or restarted."""
    return {name: (item["Id"], item["State"]["StartedAt"]) for name, item in containers(host).items()}


def text_of_files(host: Host, found: str) -> str:
    """What all files that ``find`` finds hold, without what is not text (golden pictures)."""
    return str(host.check_output(f"find {found} -type f -exec cat {{}} + | LC_ALL=C tr -cd '\\011-\\176'"))


def secret_values(host: Host) -> list[str]:
    values = host.check_output(f"find {SECRETS} -type f -exec cat {{}} ';' -exec echo ';'").split()
    passwords = [host.file(f"{SECRETS}/.store/{name}").content_string for name in stored(host)]
    return [value for value in {*values, *passwords} if len(value) > 20]


def stored(host: Host) -> list[str]:
    return str(host.check_output(f"ls {SECRETS}/.store")).split()


def current(host: Host) -> dict[str, Any]:
    return dict(json.loads(host.file(f"{ROOT}/current/release.json").content_string))


def test_the_service_infers_and_is_reachable_on_the_loopback_only(host: Host, address: str) -> None:
    assert ready(host)
    with socket.socket() as outside:
        outside.settimeout(3)
        assert outside.connect_ex((address, PORTS[colour(host, "api")])) != 0


def test_every_container_runs_without_root_and_within_limits(host: Host) -> None:
    found = containers(host)
    assert set(found) == {"ocr-base-postgres-1", "ocr-base-redis-1", container(host, "api"), container(host, "worker")}
    for name, item in found.items():
        config = item["HostConfig"]
        assert item["Config"]["User"].split(":")[0] not in {"", "0", "root"}, name
        assert config["CapDrop"] == ["ALL"], name
        assert config["ReadonlyRootfs"], name
        assert "no-new-privileges:true" in config["SecurityOpt"], name
        assert config["Memory"] > 0, name
        assert config["NanoCpus"] > 0, name
        assert config["PidsLimit"] > 0, name
        assert config["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}, name


def test_no_inspection_log_or_record_holds_a_secret(host: Host) -> None:
    values = secret_values(host)
    assert len(values) >= 2
    texts = {name: json.dumps(item) for name, item in containers(host).items()}
    texts |= {f"log of {name}": host.check_output(f"docker logs {name} 2>&1") for name in containers(host)}
    texts["releases"] = text_of_files(host, f"{ROOT}/releases {ROOT}/state ! -name '*.key'")
    assert [place for place, text in texts.items() if any(value in text for value in values)] == []


def test_secrets_were_generated_and_only_their_reader_can_read_them(host: Host) -> None:
    lines = host.check_output(f"find {SECRETS} -type f -printf '%P %m %U:%G %s\\n' | sort").splitlines()
    lines = [re.sub(r"/[0-9a-f]{16}/", "/", line) for line in lines]  # the version
    assert [line.rsplit(" ", 1)[0] for line in lines] == [
        ".store/postgres_password 400 0:0",
        ".store/redis_password 400 0:0",
        "api/postgres_password 400 10001:10001",
        "api/redis_password 400 10001:10001",
        "postgres/postgres_password 400 999:999",
        "redis/redis_acl 400 999:999",
        "worker/postgres_password 400 10001:10001",
        "worker/redis_password 400 10001:10001",
    ]
    assert {line.rsplit(" ", 1)[1] for line in lines if "redis_acl" not in line} == {"32"}


def test_a_service_s_name_leads_to_where_it_serves_and_not_to_its_colour(host: Host) -> None:
    addresses = containers(host)[container(host, "api")]["NetworkSettings"]["Networks"]
    assert {"ocr", f"ocr-{colour(host, 'api')}"} <= set(addresses)
    code = "import socket; print(socket.gethostbyname('api'))"
    found = host.check_output(f'docker exec {container(host, "worker")} python3 -c "{code}"')
    assert found.strip() == addresses["ocr"]["IPAddress"]


def test_the_record_says_what_serves(host: Host) -> None:
    record = current(host)
    assert set(record["images"]) == {"api", "worker", "postgres", "redis"}
    assert all(image["id"].startswith("sha256:") and image["digests"] for image in record["images"].values())
    assert record["models"]["ocr"]["version"] == "4.0"
    assert all(target["ok"] for target in record["health"])
    assert record["actor"]


@pytest.mark.usefixtures("put_right")
def test_a_stopped_container_is_found_by_a_check_and_started_by_a_run(host: Host) -> None:
    worker = container(host, "worker")
    host.check_output(f"docker stop --time 1 {worker}")
    code, changed, output = converge("--check", "--diff")
    assert (code, changed) == (0, 1)
    assert f"container {worker}" in output
    assert not host.run(f"docker ps --format '{{{{.Names}}}}' | grep -x {worker}").succeeded
    code, changed, output = converge()
    assert (code, changed) == (0, 1), output[-3000:]
    assert containers(host)[worker]["State"]["Health"]["Status"] == "healthy"


def test_an_image_that_the_registry_does_not_have_leaves_the_old_release_serving(host: Host) -> None:
    before = identities(host)
    image = re.sub(r"@.*", "@sha256:" + "0" * 64, containers(host)[container(host, "api")]["Config"]["Image"])
    code, changed, output = converge(change=api(image=image))
    assert code != 0
    assert changed == 0
    assert "is not in the registry registry.lab.drydock.test:5000" in output
    assert "then run again" in output.replace("\n", " ")
    assert identities(host) == before
    assert ready(host)
    assert not host.run(f"ls -d {ROOT}/releases/*.staging").succeeded


@pytest.mark.usefixtures("put_right")
def test_a_release_that_does_not_start_goes_back_and_leaves_evidence_without_secrets(host: Host) -> None:
    serving = current(host)["id"]
    before = identities(host)
    values = secret_values(host)
    code, _changed, output = converge(change=api(environment={"MODEL_DIR": "/models/nothing"}))
    assert code != 0
    assert "crash loop" in output
    assert f"The previous release {serving} was not touched and serves." in " ".join(output.split())
    assert {key: value for key, value in identities(host).items() if key in before} == before
    assert current(host)["id"] == serving
    assert ready(host)
    evidence = re.search(rf"{ROOT}/failures/[\w-]+", output)
    assert evidence is not None
    files = host.check_output(f"ls {evidence.group()}").split()
    assert {"failure.json", "api.log", "inspect.json", "release"} <= set(files)
    assert "/models/nothing" in host.file(f"{evidence.group()}/api.log").content_string
    kept = text_of_files(host, evidence.group())
    assert not any(value in text for value in values for text in (kept, output))


def test_another_value_for_a_secret_restarts_its_readers_and_is_never_told(host: Host, tmp_path: Path) -> None:
    old = {service: container(host, service) for service in ("api", "worker")}
    before = identities(host)
    given = tmp_path / "secrets.json"
    given.write_text(json.dumps({"stack_secrets": {"redis_password": CANARY}}))
    code, changed, output = converge("--diff", "-vvv", "--extra-vars", f"@{given}")
    assert (code, changed) == (0, 1), output[-3000:]
    assert CANARY not in output
    after = identities(host)
    assert {item for item in after if after[item] != before.get(item)} == {
        "ocr-base-redis-1",
        container(host, "api"),
        container(host, "worker"),
    }
    assert not set(old.values()) & set(after)
    assert ready(host)
    assert CANARY not in json.dumps(containers(host))
    code, changed, output = converge()  # without a value the host keeps the one it has
    assert (code, changed) == (0, 0), output[-3000:]


def test_the_database_was_prepared_by_a_job_of_which_nothing_is_left(host: Host) -> None:
    assert set(current(host)["migrations"]) == {"api"}
    assert host.check_output("docker ps --all --quiet --filter label=drydock.job") == ""
    tables = "docker exec ocr-base-postgres-1 psql -U ocr -d ocr -tAc 'select count(*) from readings'"
    assert host.check_output(tables).strip().isdigit()


def test_a_migration_that_fails_leaves_the_old_release_a_backup_and_its_last_words(host: Host) -> None:
    before = identities(host)
    values = secret_values(host)
    code, _changed, output = converge(change=api(migrate={"command": ["backwards"]}))
    assert code != 0
    assert "The migration of the service api failed: it ended with exit code 2" in " ".join(output.split())
    assert "usage: python3 -m ocr" in output
    assert identities(host) == before
    assert ready(host)
    (folder,) = host.check_output(f"ls {ROOT}/backups").split()
    files = host.check_output(f"find {ROOT}/backups/{folder} -type f -printf '%f %m %U\\n' | sort").splitlines()
    assert files == ["RESTORE.txt 600 0", "manifest.json 600 0", "postgres.dump 600 0", "redis.tar 600 0"]
    told = host.check_output(f"cat {ROOT}/backups/{folder}/manifest.json {ROOT}/backups/{folder}/RESTORE.txt")
    assert not any(value in text for value in values for text in (told, output))
    code, changed, output = converge()
    assert (code, changed) == (0, 0), output[-3000:]


@pytest.mark.usefixtures("put_right")
def test_a_hook_is_told_of_the_release_and_one_that_fails_gives_it_up(host: Host) -> None:
    serving, before = current(host)["id"], identities(host)
    hooks = [
        {"name": "witness", "when": "after", "phase": "confirm", "command": ["tee", "/run/witness.json"]},
        {"name": "judge", "when": "before", "phase": "commit", "command": ["false"]},
    ]
    change = {**api(environment={"HOOKED": "1"}), "release": {"hooks": hooks}}
    code, _changed, output = converge(change=change)
    assert code != 0
    assert "The hook judge (before commit, on the host) failed" in " ".join(output.split())
    told = json.loads(host.file("/run/witness.json").content_string)
    assert (told["previous"], told["phase"], set(told["moved"])) == (serving, "confirm", {"api"})
    assert {key: value for key, value in identities(host).items() if key in before} == before
    assert ready(host)
    hooks[1]["required"] = False
    code, changed, output = converge(change=change)
    assert (code, changed) == (0, 1), output[-3000:]
    assert "judge" in output  # as a warning


@contextlib.contextmanager
def load(host: Host, name: str) -> Iterator[dict[str, Any]]:
    """Requests all the while; afterwards the dictionary holds what became of them."""
    told: dict[str, Any] = {}
    host.check_output("rm -f /run/load.stop /run/load.json")
    host.check_output(f"systemd-run --unit=load-{name} python3 -c {shlex.quote(LOAD)}")
    try:
        yield told
    finally:
        host.check_output("touch /run/load.stop")
        host.check_output("timeout 90 sh -c 'until test -s /run/load.json; do sleep 0.2; done'")
        told.update(json.loads(host.file("/run/load.json").content_string))


def upstream(host: Host, service: str) -> list[str]:
    """Where nginx is led to for a service."""
    text = host.file(f"{ROOT}/edge/upstreams.conf").content_string
    (block,) = re.findall(rf"upstream drydock_{service} {{(.*?)}}", text, re.DOTALL)
    return re.findall(r"server (\S+)", block)


def test_no_request_fails_while_a_service_gets_another_replica_restarts_and_loses_it_again(host: Host) -> None:
    first = container(host, "api")
    before = identities(host)[first]
    with load(host, "scale") as told:
        code, changed, output = converge(change=api(replicas=2))
        assert (code, changed) == (0, 1), output[-3000:]
        several = upstream(host, "api")
        for order in ("restart api", "scale api=1"):
            done = host.run(f"ocr {order} --reason 'a test'")
            assert (done.rc, done.stderr) == (0, "")
    assert told["bad"] == []
    assert len(several) == 2
    assert told["seen"] == sorted(several)
    assert upstream(host, "api") == [f"127.0.0.1:{PORTS[colour(host, 'api')]}"]
    assert identities(host)[first][0] == before[0], "it was restarted, not replaced"
    code, changed, output = converge()
    assert (code, changed) == (0, 0), output[-3000:]
    assert ready(host)


@pytest.mark.usefixtures("put_right")
def test_no_request_fails_while_a_release_is_made_or_given_up(host: Host) -> None:
    old = PORTS[colour(host, "api")]
    with load(host, str(old)) as told:
        failed, _changed, output = converge(change=api(environment={"MODEL_DIR": "/models/nothing"}))
        code, changed, output = converge(change=api(environment={"UNDER": "load"}))
        assert (code, changed) == (0, 1), output[-3000:]
    assert failed != 0
    assert told["bad"] == []
    assert told["good"] > 100
    new = PORTS[colour(host, "api")]
    assert new != old
    assert told["seen"] == sorted(f"127.0.0.1:{port}" for port in (old, new))


@pytest.mark.parametrize("step", ["switch", "drain"])  # all the others: tests/lab/test_kill_points.py
def test_a_module_that_is_killed_is_cleaned_up_after_by_the_next_run(host: Host, step: str) -> None:
    serving = current(host)["id"]
    change = api(environment={"KILLED_AT": step})
    killer = shlex.quote(KILL.replace("STEP", step).replace("ROOT", ROOT))
    with subprocess.Popen(
        command(change=change), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=SCENARIO.parents[1]
    ) as running:
        host.check_output(f"python3 -c {killer}")
        assert running.wait(timeout=120) != 0
    assert (current(host)["id"] == serving) is (step != "drain")  # from there on the new one is proven
    assert ready(host)
    code, changed, output = converge()
    assert (code, changed) == (0, 1), output[-3000:]
    assert ready(host)
    assert "KILLED_AT" not in json.dumps(containers(host)[container(host, "api")]["Config"]["Env"])
    assert set(containers(host)) == {
        f"ocr-{item['part']}-{unit}-1" for unit, item in current(host)["containers"].items()
    }
    assert not host.file(f"{ROOT}/state/journal.json").exists
    assert host.check_output(f"ls {ROOT}/releases | grep -c . || true") == str(
        len(host.check_output(f"ls {ROOT}/releases/*/release.json").split())
    )


def test_maintenance_is_a_page_for_people_and_json_for_programs_until_it_is_over(host: Host) -> None:
    host.check_output("ocr maintenance on --retry-after 77 --reason 'not for clients'")
    status, headers, body = ask(host, "/health/ready", Accept="application/json")
    assert (status, headers["retry-after"], headers["content-type"]) == (503, "77", "application/json")
    assert json.loads(body)["error"] == "maintenance"
    status, headers, body = ask(host, "/any", Accept="text/html,application/xhtml+xml")
    assert (status, headers["retry-after"], headers["content-type"]) == (503, "77", "text/html")
    assert body.startswith("<!doctype html>")
    assert "not for clients" not in body
    assert "x-content-type-options" in headers
    assert ask(host, "/drydock/maintenance.json")[0] == 404
    assert ask(host, "/health/ready", X_Drydock_Inside="1")[0] == 200
    code, changed, output = converge("--check")
    assert (code, changed) == (0, 0), output[-3000:]
    assert "closed for maintenance since" in " ".join(output.split())
    host.check_output("ocr maintenance off")
    assert ask(host, "/health/ready")[0] == 200


def test_a_request_that_is_under_way_when_maintenance_begins_is_answered(host: Host) -> None:
    """A large body, sent slowly, as the sample service answers in no time."""
    script = """
import json, socket, ssl, subprocess, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
link = context.wrap_socket(socket.create_connection(('127.0.0.1', 443), timeout=30), server_hostname='DOMAIN')
head = ['POST /v1/read HTTP/1.1', 'Host: DOMAIN', 'Content-Length: 10', 'Connection: close', '', 'half ']
link.sendall((chr(13) + chr(10)).join(head).encode())
time.sleep(0.3)
subprocess.run(['ocr', 'maintenance', 'on'], check=True, stdout=subprocess.DEVNULL)
link.sendall(b'of it')
print(link.recv(4096).split()[1].decode())
subprocess.run(['ocr', 'maintenance', 'off'], check=True, stdout=subprocess.DEVNULL)
""".replace("DOMAIN", DOMAIN)
    assert host.check_output(f"python3 -c {shlex.quote(script)}") in {"400", "415", "422"}  # the service's own verdict


def test_the_unit_is_there_and_has_begun(host: Host) -> None:
    unit = host.service("ocr")
    assert unit.is_enabled
    assert unit.is_running


def test_an_unchanged_stack_is_left_alone(host: Host) -> None:
    before = identities(host)
    code, changed, output = converge()
    assert (code, changed) == (0, 0), output[-3000:]
    assert identities(host) == before
