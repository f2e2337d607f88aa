# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers obey the firewall, and go on working."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testinfra.host import Host

testinfra_hosts = ["ansible://trixie"]
BUSYBOX = "/usr/bin/busybox"


def answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def server_outside() -> Iterator[int]:
    """A web server on the controller; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from outside")

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)  # noqa: S104 - the container is another host
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


def gateway(host: Host) -> str:
    """The controller, as the lab host sees it."""
    return str(host.check_output("ip -4 route show default")).split()[2]


def test_a_declared_published_port_answers(address: str) -> None:
    assert answers(address, 8080)


def test_an_undeclared_published_port_does_not_answer_although_docker_opened_it(host: Host, address: str) -> None:
    assert "8081" in host.check_output("docker port undeclared")
    assert host.run(f"{BUSYBOX} wget -q -O /dev/null http://127.0.0.1:8081/bin/busybox").rc == 0
    assert not answers(address, 8081)


def test_a_recreated_container_obeys_too(host: Host, address: str) -> None:
    host.check_output("docker rm --force undeclared")
    again = "docker run -d --restart unless-stopped --name undeclared -p 8081:80 web:1"
    host.check_output(f"{again} {BUSYBOX} httpd -f -p 80 -h /usr")
    assert not answers(address, 8081)


def test_the_engine_s_restart_opens_nothing(host: Host, address: str) -> None:
    host.check_output("systemctl restart docker")
    assert host.run(f"{BUSYBOX} wget -q -O /dev/null http://127.0.0.1:8080/bin/busybox").rc == 0
    assert answers(address, 8080)
    assert not answers(address, 8081)


def test_a_port_published_on_loopback_answers_on_the_host_and_not_outside(host: Host, address: str) -> None:
    assert host.run(f"{BUSYBOX} wget -q -O /dev/null http://127.0.0.1:18000/bin/busybox").rc == 0
    assert not answers(address, 18000)


def test_a_neighbour_that_routes_straight_to_a_container_gets_no_answer(host: Host, address: str) -> None:
    inside = host.check_output("docker inspect -f '{{.NetworkSettings.IPAddress}}' declared")
    neighbour = host.get_host("ansible://bookworm", ansible_inventory=host.backend.ansible_inventory, sudo=True)
    neighbour.check_output(f"ip route replace {inside}/32 via {address}")
    try:
        connect = f"python3 -c \"import socket; socket.create_connection(('{inside}', 80), 2)\""
        assert "TimeoutError" in neighbour.run(connect).stderr
        # The way itself is open: it is the table that closes it, Docker's rules alone would let this through.
        host.check_output("nft delete table inet drydock")
        assert neighbour.run(connect).rc == 0
    finally:
        neighbour.run(f"ip route del {inside}/32")
        host.run("systemctl reload drydock-firewall")


def test_containers_reach_the_outside(host: Host) -> None:
    with server_outside() as port:
        answer = host.run(f"docker exec declared {BUSYBOX} wget -q -T 5 -O - http://{gateway(host)}:{port}/")
    assert answer.stdout == "from outside"


def test_containers_reach_each_other_by_name(host: Host) -> None:
    host.run("docker network create pair")
    host.run(f"docker run -d --name one --network pair web:1 {BUSYBOX} httpd -f -p 80 -h /usr")
    try:
        answer = host.run(
            f"docker run --rm --network pair web:1 {BUSYBOX} wget -q -T 5 -O /dev/null http://one/bin/busybox"
        )
        assert answer.rc == 0, answer.stderr
    finally:
        host.run("docker rm --force one")
        host.run("docker network rm pair")


def test_docker_s_own_rules_are_untouched(host: Host) -> None:
    assert "DOCKER" in host.check_output("iptables-save -t nat")
