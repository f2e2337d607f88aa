# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening breaks nothing that containers need."""

from __future__ import annotations

import http.server
import threading

from testinfra.host import Host

testinfra_hosts = ["ansible://trixie"]


class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from outside")

    def log_message(self, *_args: object) -> None:
        """Quiet."""


def test_a_container_still_reaches_the_outside(host: Host) -> None:
    gateway = str(host.check_output("ip -4 route show default")).split()[2]
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Greeter)  # noqa: S104 - the container is another host
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://{gateway}:{server.server_port}/"
        assert host.check_output(f"docker run --rm web:1 /usr/bin/busybox wget -q -T 5 -O - {url}") == "from outside"
    finally:
        server.shutdown()
