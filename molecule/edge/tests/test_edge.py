# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge as a client meets it, TLS verified, from the controller."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

DOMAIN = "edge.drydock.test"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Speaks to one address while verifying the certificate for the domain, as a client with working DNS would."""

    def __init__(self, address: str, trusted: str) -> None:
        self.address = address
        self.context = ssl.create_default_context(cadata=trusted)
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT

    def connect(self, *, name: str = DOMAIN, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection((self.address, 443), timeout=5)
        return (context or self.context).wrap_socket(plain, server_hostname=name)

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, tls: bool = True, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection(self.address, 80, timeout=10)
        if tls:
            connection.sock = self.connect()
        lines = {"Host": DOMAIN, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body=body, headers=lines)
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        return answer


@pytest.fixture
def client(host: Host, address: str) -> Client:
    return Client(address, host.file("/etc/drydock/edge/self-signed.crt").content_string)


def test_a_route_answers_over_verified_tls(client: Client) -> None:
    answer = client.ask("/some/path?q=1")
    assert answer.status == 200
    assert json.loads(answer.body)["path"] == "/some/path?q=1"


def test_the_service_learns_who_asked_and_a_client_cannot_lie_about_it(client: Client) -> None:
    answer = client.ask("/", X_Forwarded_For="203.0.113.9", X_Real_IP="203.0.113.9", Forwarded="for=203.0.113.9")
    seen = json.loads(answer.body)["headers"]
    assert "203.0.113.9" not in json.dumps(seen)
    assert seen["Host"] == DOMAIN
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Request-ID"] == answer.headers["x-request-id"]


def test_plain_http_is_sent_to_https_with_method_and_path_kept(client: Client) -> None:
    answer = client.ask("/a/b?c=d", tls=False, method="POST", body=b"x")
    assert answer.status == 308
    assert answer.headers["location"] == f"https://{DOMAIN}/a/b?c=d"


def test_the_acme_path_is_served_over_plain_http(host: Host, client: Client) -> None:
    place = "/var/lib/drydock/acme/.well-known/acme-challenge/token"
    host.check_output(f"echo proof | install -D -m 0644 /dev/stdin {place}")
    answer = client.ask("/.well-known/acme-challenge/token", tls=False)
    assert (answer.status, answer.body) == (200, b"proof\n")


def test_a_strange_host_name_gets_no_answer_over_plain_http(client: Client) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.ask("/", tls=False, Host="other.example.org")


def test_a_strange_name_gets_no_handshake(client: Client) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        client.connect(name="other.example.org")


def test_a_strange_host_name_inside_a_good_handshake_is_misdirected(client: Client) -> None:
    assert client.ask("/", Host="other.example.org").status == 421


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_tls_is_spoken(client: Client, version: ssl.TLSVersion) -> None:
    client.context.minimum_version = client.context.maximum_version = version
    assert client.ask("/").status == 200


def test_old_tls_is_not_spoken(client: Client) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        client.connect(context=old)


def test_http_2_is_offered(client: Client) -> None:
    client.context.set_alpn_protocols(["h2", "http/1.1"])
    with client.connect() as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_a_service_that_is_down_is_a_503_that_says_when_to_come_back(client: Client) -> None:
    answer = client.ask("/v1/read")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["error"] == "unavailable"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_gets_that_as_a_page(client: Client) -> None:
    answer = client.ask("/v1", Accept="text/html,application/xhtml+xml")
    assert answer.status == 503
    assert answer.headers["content-type"] == "text/html"
    assert answer.body.startswith(b"<!doctype html>")


def test_a_route_takes_its_name_and_what_lies_beneath_but_not_its_neighbours(client: Client) -> None:
    assert client.ask("/v1").status == 503
    assert client.ask("/v1/x").status == 503
    assert client.ask("/v10").status == 200


def test_a_body_over_the_limit_is_refused(client: Client) -> None:
    assert client.ask("/", method="POST", body=b"x" * 1048576).status == 200
    assert client.ask("/", method="POST", body=b"x" * 1048577).status == 413


def test_a_connection_can_switch_protocols(client: Client) -> None:
    with client.connect() as connection:
        lines = ("GET /upgrade HTTP/1.1", f"Host: {DOMAIN}", "Connection: Upgrade", "Upgrade: websocket", "", "")
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101")
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"


def test_the_version_of_nginx_is_not_told(client: Client) -> None:
    assert client.ask("/v1").headers["server"] == "nginx"


@pytest.mark.parametrize("path", ["/-/health", "/-/ready"])
@pytest.mark.parametrize("asked", [{"tls": True}, {"tls": False}, {"tls": False, "Host": "127.0.0.1"}])
def test_a_balancer_s_health_check_is_answered_by_any_name(client: Client, path: str, asked: dict[str, Any]) -> None:
    assert client.ask(path, **asked).status == 200


def test_a_host_that_is_out_of_service_says_so_to_balancers_and_serves_on(host: Host, client: Client) -> None:
    host.check_output("touch /run/out-of-service")
    try:
        answer = client.ask("/-/ready")
        assert (answer.status, json.loads(answer.body)) == (503, {"status": "out of service"})
        assert client.ask("/-/ready", tls=False, Host="127.0.0.1").status == 503
        assert client.ask("/-/health").status == 200
        assert client.ask("/some/path").status == 200
    finally:
        host.check_output("rm /run/out-of-service")
    assert client.ask("/-/ready").status == 200


def logged(host: Host, uri: str) -> dict[str, Any]:
    """The newest line about this address."""
    found = [json.loads(line) for line in host.file("/var/log/nginx/drydock-access.log").content_string.splitlines()]
    return next(each for each in reversed(found) if each["uri"] == uri)


def test_a_request_is_logged_as_json(host: Host, client: Client) -> None:
    client.ask("/logged", User_Agent='quote " and \\ backslash')
    entry = logged(host, "/logged")
    assert entry["status"] == 200
    assert entry["agent"] == 'quote " and \\ backslash'
    assert (entry["service"], entry["upstream"]) == ("web", "127.0.0.1:18000")
    assert float(entry["upstream_seconds"]) >= 0
    assert entry["ts"] > 1.7e9


def test_what_follows_a_question_mark_is_in_no_log(host: Host, client: Client) -> None:
    client.ask("/asked?token=canary-4hQ", Referer="https://edge.drydock.test/before?token=canary-4hQ")
    assert logged(host, "/asked")["referer"] == "https://edge.drydock.test/before"
    assert host.run("grep -r canary-4hQ /var/log/nginx").rc == 1


def test_an_error_that_the_edge_gives_for_a_service_is_logged_as_that_service_s(host: Host, client: Client) -> None:
    client.ask("/v1/nobody")
    entry = logged(host, "/v1/nobody")
    assert (entry["status"], entry["service"], entry["upstream"]) == (503, "api", "127.0.0.1:18001")


def test_nginx_holds_more_connections_than_the_distribution_s_and_has_the_files_for_them(host: Host) -> None:
    lines = [" ".join(line.split()) for line in host.check_output("nginx -T 2>/dev/null").splitlines()]
    assert "worker_connections 8192; # drydock.serving" in lines
    master = host.file("/run/nginx.pid").content_string.strip()
    worker = host.check_output(f"cat /proc/{master}/task/{master}/children").split()[0]
    limits = host.file(f"/proc/{worker}/limits").content_string
    assert re.search(r"^Max open files +16384 ", limits, re.MULTILINE)


def test_a_limit_that_somebody_has_set_stays(host: Host) -> None:
    try:
        host.check_output("sed -i 's/worker_connections 8192; .*/worker_connections 1000;/' /etc/nginx/nginx.conf")
        assert converge().returncode == 0
        assert "worker_connections 1000;" in host.file("/etc/nginx/nginx.conf").content_string
    finally:
        host.check_output("sed -i 's/worker_connections 1000;/worker_connections 768;/' /etc/nginx/nginx.conf")
        assert converge().returncode == 0
    assert "worker_connections 8192; # drydock.serving" in host.file("/etc/nginx/nginx.conf").content_string


def test_nginx_starts_while_every_service_is_down(host: Host, client: Client) -> None:
    host.check_output("systemctl stop echo-18000 && systemctl restart nginx")
    try:
        assert client.ask("/").status == 503
    finally:
        host.check_output("systemd-run --unit=echo-18000 /usr/local/bin/echo-service 18000")


def test_debian_s_welcome_page_is_only_out_of_the_way(host: Host) -> None:
    assert not host.file("/etc/nginx/sites-enabled/default").exists
    assert host.file("/etc/nginx/sites-available/default").exists


def converge(*more: str) -> subprocess.CompletedProcess[str]:
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={inventory}", "--diff", *more]
    return subprocess.run(
        [*command, str(scenario / "converge.yml")], check=False, capture_output=True, text=True, timeout=120
    )


def own_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate and a key as an operator has them."""
    certificate, key = directory / "own.crt", directory / "own.key"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    usage = ["-addext", "keyUsage=digitalSignature,keyCertSign", "-addext", f"subjectAltName=DNS:{DOMAIN}"]
    files = ["-subj", f"/CN={DOMAIN}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *request, *usage, *files], check=True, capture_output=True)
    return certificate, key


def test_own_files_take_over_unshown_and_a_wrong_pair_is_refused(host: Host, address: str, tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path)
    try:
        tls = {"mode": "files", "certificate": str(certificate), "key": str(key)}
        result = converge("-e", json.dumps({"edge_tls": tls}))
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        assert "PRIVATE KEY" not in output
        assert key.read_text().splitlines()[1] not in output
        assert host.file("/etc/drydock/edge/tls.key").mode == 0o600
        assert Client(address, certificate.read_text()).ask("/").status == 200

        other = tmp_path / "other.key"
        subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-out", str(other)], check=True)
        result = converge("-e", json.dumps({"edge_tls": {**tls, "key": str(other)}}))
        assert result.returncode != 0
        assert "every old file is back" in " ".join((result.stdout + result.stderr).split())
        assert Client(address, certificate.read_text()).ask("/").status == 200
        assert host.file("/etc/drydock/edge/tls.key").content == key.read_bytes()
    finally:
        assert converge().returncode == 0
