# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web transport against scripted answers: no socket is opened here."""

from __future__ import annotations

import errno
import http.client
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import (
    HttpSettings,
    SourceError,
    WebTransport,
    check_headers,
    parse_source,
    redact,
)

TOKEN = "Bearer very-secret"
# what the names of these tests stand for
RESOLVED = {
    "inside.example": ["192.0.2.7", "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "v6.example": ["::1"],
}


class Raw:
    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)

    def read(self, _amount: int, *, decode_content: bool) -> bytes:
        assert decode_content is False
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


class Response:
    def __init__(self, status: int, headers: Mapping[str, str] | None = None, raw: Raw | None = None) -> None:
        self.status_code = status
        self.headers = requests.structures.CaseInsensitiveDict(headers or {})
        self.raw = raw or Raw()
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Session:
    """Answers in order, and keeps what was asked."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.options: list[dict[str, Any]] = []

    def get(self, url: str, *, headers: dict[str, str], **options: Any) -> Response:
        self.asked.append((url, headers))
        self.options.append(options)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def transport(session: Session, *, ca_path: str | None = None) -> WebTransport:
    settings = HttpSettings(
        timeout=3,
        stall_timeout=7,
        ca_path=ca_path,
        headers={"https://a.example": {"Authorization": TOKEN, "X-Key": TOKEN}},
    )
    return WebTransport(settings, now=lambda: 0.0, session=session, resolve=lambda host: RESOLVED.get(host, []))


def redirect(to: str, status: int = 302) -> Response:
    return Response(status, {"Location": to})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.example/x", "scheme"),
        ("/x", "scheme"),
        ("https:///x", "no host"),
        ("https://me:pw@a.example/x", "credentials"),
        ("https://token@a.example/x", "credentials"),
        ("https://a.example/a b", "space"),
        ("http://127.0.0.1\\.a.example/", "backslash"),
        ("https://a.example/\r\nX: y", "control"),
        ("https://a.example:99999/x", "not a URL"),
        ("https://[a.example/x", "not a URL"),
        ("https://a.example:0/x", "port 0"),
        ("file://host/x", "local file"),
        ("file:relative", "local file"),
    ],
)
def test_an_unusable_address_is_refused_without_repeating_credentials(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_source(url)
    assert "pw" not in str(caught.value)
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@a.example:8443/m.onnx?sig=abc#f", "https://a.example:8443/m.onnx?…"),
        ("http://[2001:db8::1]/m", "http://[2001:db8::1]/m"),
        ("file:///srv/m", "file:///srv/m"),
        ("https://[broken", "(an address that cannot be read)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_headers_that_would_break_the_download_are_refused_by_name_only() -> None:
    listed = {"Range": "x", "host": "x", "X Y": "x", "X-Token": "secret\r\nEvil: 1", "Good": "yes"}
    problems = check_headers({"https://a.example": listed})
    assert [problem.split(": ")[0] for problem in problems] == [
        "headers.https://a.example.Range",
        "headers.https://a.example.host",
        "headers.https://a.example.'X Y'",
        "headers.https://a.example.X-Token",
    ]
    assert "secret" not in "".join(problems)


@pytest.mark.parametrize("value", ["secret\u2026", " secret"])
def test_a_header_value_that_no_request_can_carry_is_refused_before_one_is_made(value: str) -> None:
    (problem,) = check_headers({"https://a.example": {"X-Token": value}})
    assert problem.startswith("headers.https://a.example.X-Token: ")
    assert "secret" not in problem


@pytest.mark.parametrize(
    "origin",
    ["Authorization", "a.example", "https://a.example/models", "file:///srv", "https://me:secret@a.example", "ftp://a"],
)
def test_headers_are_given_by_origin(origin: str) -> None:
    (problem,) = check_headers({origin: {"X-Token": "secret"}})
    assert "https://host: {name: value}" in problem
    assert "secret" not in problem


def test_what_is_given_for_an_origin_has_to_be_headers() -> None:
    (problem,) = check_headers({"https://a.example": "Bearer secret"})
    assert problem.startswith("headers.https://a.example: expected names and values")
    assert "secret" not in problem


@pytest.mark.parametrize("url", ["http://a.example/m", "https://a.example:8443/m", "https://b.example/m"])
def test_another_source_gets_no_header_of_the_first(url: str) -> None:
    session = Session(Response(200))
    transport(session).open(parse_source(url), offset=0)
    assert session.asked[0][1].keys() == {"User-Agent", "Accept-Encoding"}


def test_a_request_asks_for_the_bytes_as_they_are_and_nothing_from_the_environment() -> None:
    session = Session(Response(200, raw=Raw(b"ab")))
    answer = transport(session, ca_path="/ca.pem").open(parse_source("https://a.example/m"), offset=0, etag=None)
    (_url, headers), options = session.asked[0], session.options[0]
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Authorization"] == TOKEN
    assert "Range" not in headers
    assert (options["timeout"], options["verify"], options["allow_redirects"]) == ((3, 7), "/ca.pem", False)
    assert options["auth"]("request") == "request"  # in the place where requests would look for a .netrc
    assert (answer.status, answer.read(9), answer.read(9)) == (200, b"ab", b"")


@pytest.mark.parametrize(("etag", "extra"), [('"v1"', {"If-Range": '"v1"'}), (None, {})])
def test_the_rest_is_asked_for_with_the_validator_the_beginning_came_under(
    etag: str | None, extra: dict[str, str]
) -> None:
    session = Session(Response(206))
    transport(session).open(parse_source("https://a.example/m"), offset=10, etag=etag)
    asked = session.asked[0][1]
    assert {name: asked[name] for name in ("Range", "If-Range") if name in asked} == {"Range": "bytes=10-", **extra}


def test_the_operators_headers_stay_with_the_first_origin_even_when_a_redirect_leads_back() -> None:
    session = Session(
        redirect("/elsewhere"),
        redirect("https://cdn.example/m", 307),
        redirect("https://a.example/back"),
        Response(206),
    )
    transport(session).open(parse_source("https://a.example/m"), offset=5, etag=None)
    sent = [(url, headers.get("Authorization"), headers.get("X-Key")) for url, headers in session.asked]
    assert sent == [
        ("https://a.example/m", TOKEN, TOKEN),
        ("https://a.example/elsewhere", TOKEN, TOKEN),
        ("https://cdn.example/m", None, None),
        ("https://a.example/back", None, None),
    ]
    assert all(
        headers["Range"] == "bytes=5-" and headers["Accept-Encoding"] == "identity" for _url, headers in session.asked
    )


@pytest.mark.parametrize("there", ["http://a.example/m", "https://a.example:8443/m", "https://b.a.example/m"])
def test_another_scheme_port_or_subdomain_is_another_origin(there: str) -> None:
    session = Session(redirect(there), Response(200))
    transport(session).open(parse_source("https://a.example/m"), offset=0, etag=None)
    assert "Authorization" not in session.asked[1][1]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/shadow", "only http and https"),
        ("ftp://b.example/m", "scheme"),
        ("https://me:pw@b.example/m", "credentials"),
        ("http://127.0.0.1:8000/m", "this host itself"),
        ("http://localhost/m", "this host itself"),
        ("http://[::1]/m", "this host itself"),
        ("http://localhost./m", "this host itself"),
        ("http://127.1/m", "this host itself"),
        ("http://0x7f000001/m", "this host itself"),
        ("http://2130706433/m", "this host itself"),
        ("http://[::ffff:127.0.0.1]/m", "this host itself"),
        ("http://169.254.169.254/latest/meta-data", "this host itself"),
        ("https://inside.example/m", "this host itself"),
        ("https://metadata.example/m", "this host itself"),
        ("https://v6.example/m", "this host itself"),
        ("", "only http and https"),
    ],
)
def test_a_hostile_redirect_is_not_followed(location: str, reason: str) -> None:
    session = Session(redirect(location))
    with pytest.raises(SourceError, match=reason) as caught:
        transport(session).open(parse_source("https://a.example/m"), offset=0, etag=None)
    assert caught.value.kind == "bad_response"
    assert not caught.value.retryable
    assert len(session.asked) == 1
    assert "pw" not in caught.value.message


def test_redirects_in_a_circle_end() -> None:
    session = Session(*[redirect("/m") for _ in range(20)])
    with pytest.raises(SourceError, match="more than 10 times"):
        transport(session).open(parse_source("https://a.example/m"), offset=0, etag=None)
    assert len(session.asked) == 11


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retryable", "after"),
    [
        (401, {}, "refused", False, None),
        (403, {}, "refused", False, None),
        (404, {}, "not_found", False, None),
        (410, {}, "not_found", False, None),
        (400, {}, "bad_response", False, None),
        (304, {}, "bad_response", False, None),
        (429, {"Retry-After": "30"}, "unreachable", True, 30.0),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, "unreachable", True, 120.0),
        (500, {}, "unreachable", True, None),
    ],
)
def test_a_status_is_judged_as_worth_a_retry_or_not(
    status: int, headers: dict[str, str], kind: str, retryable: bool, after: float | None
) -> None:
    response = Response(status, headers)
    with pytest.raises(SourceError, match=str(status)) as caught:
        transport(Session(response)).open(parse_source("https://a.example/m?sig=abc"), offset=0, etag=None)
    assert (caught.value.kind, caught.value.retryable, caught.value.retry_after) == (kind, retryable, after)
    assert "abc" not in caught.value.message
    assert response.closed


def _wrapped(cause: OSError) -> Exception:
    """What requests makes of a failed connection; its text repeats the address with its query."""
    pool = urllib3.HTTPSConnectionPool("a.example")
    inner = urllib3.exceptions.MaxRetryError(
        pool, "/m?sig=abc", reason=urllib3.exceptions.ProtocolError("failed", cause)
    )
    return requests.exceptions.ConnectionError(inner)


@pytest.mark.parametrize(
    ("error", "kind", "retryable", "says"),
    [
        (_wrapped(ConnectionRefusedError(111, "Connection refused")), "unreachable", True, "Connection refused"),
        (
            _wrapped(ssl.SSLCertVerificationError(1, "self-signed certificate")),
            "tls",
            False,
            "certificate not accepted",
        ),
        (_wrapped(ssl.SSLError(8, "EOF in handshake")), "unreachable", True, "EOF in handshake"),
        (requests.exceptions.ConnectTimeout("/m?sig=abc"), "unreachable", True, "within 3 s"),
        (requests.exceptions.ReadTimeout("/m?sig=abc"), "stalled", True, "within 7 s"),
        (requests.exceptions.ProxyError("/m?sig=abc"), "unreachable", True, "proxy"),
        (requests.exceptions.InvalidURL("/m?sig=abc"), "bad_response", False, "InvalidURL"),
        # a redirect to "http://a..b/", and one written in bytes that are no UTF-8; requests lets both through
        (urllib3.exceptions.LocationParseError("a..b?sig=abc"), "bad_response", False, "LocationParseError"),
        (UnicodeDecodeError("utf-8", b"\xff?sig=abc", 0, 1, "invalid"), "bad_response", False, "UnicodeDecodeError"),
    ],
)
def test_a_failed_connection_is_named_without_the_librarys_own_text(
    error: Exception, kind: str, retryable: bool, says: str
) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        transport(Session(error)).open(parse_source("https://a.example/m?sig=abc"), offset=0, etag=None)
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert "abc" not in caught.value.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (urllib3.exceptions.ReadTimeoutError(urllib3.HTTPSConnectionPool("a.example"), "/m?sig=abc", "x"), "stalled"),
        (urllib3.exceptions.ProtocolError("x", ConnectionResetError(104, "Connection reset by peer")), "interrupted"),
        (ConnectionResetError(104, "Connection reset by peer"), "interrupted"),
    ],
)
def test_a_body_that_breaks_off_is_worth_a_retry(error: Exception, kind: str) -> None:
    answer = transport(Session(Response(200, raw=Raw(b"a", error)))).open(
        parse_source("https://a.example/m?sig=abc"), offset=0, etag=None
    )
    assert answer.read(5) == b"a"
    with pytest.raises(SourceError) as caught:
        answer.read(5)
    assert (caught.value.kind, caught.value.retryable) == (kind, True)
    assert "abc" not in caught.value.message


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    bare = WebTransport(HttpSettings(timeout=1, stall_timeout=1, ca_path=None, headers={}), now=lambda: 0.0)
    with pytest.raises(DrydockError, match="apt-get install python3-requests") as caught:
        bare.open(parse_source("https://a.example/m"), offset=0, etag=None)
    assert caught.value.kind == "requests_missing"


def test_a_missing_authority_file_is_named() -> None:
    bare = WebTransport(HttpSettings(timeout=1, stall_timeout=1, ca_path="/no/such.pem", headers={}), now=lambda: 0.0)
    with pytest.raises(DrydockError, match=r"/no/such\.pem is not a file"):
        bare.open(parse_source("https://a.example/m"), offset=0, etag=None)


def test_a_local_file_answers_like_a_server(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    path.write_bytes(b"0123456789")
    source = parse_source(f"file://{tmp_path}/a%20b")
    bare = transport(Session())
    whole = bare.open(source, offset=0, etag=None)
    rest = bare.open(source, offset=4, etag=None)
    assert (whole.status, whole.read(99), dict(whole.headers)) == (200, b"0123456789", {"Content-Length": "10"})
    assert (rest.status, rest.read(99), rest.headers["Content-Range"]) == (206, b"456789", "bytes 4-9/10")
    assert bare.open(source, offset=11, etag=None).status == 416
    for answer in (whole, rest):
        answer.close()


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_is_no_local_file_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError) as caught:
        transport(Session()).open(parse_source(f"file://{tmp_path}/{name}"), offset=0, etag=None)
    assert caught.value.kind == "not_found"


def test_a_medium_that_cannot_be_read_is_a_failure_of_that_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int, _amount: int, _place: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "m").write_bytes(b"0123456789")
    answer = transport(Session()).open(parse_source(f"file://{tmp_path}/m"), offset=0)
    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(SourceError, match="Input/output error"):
        answer.read(10)
    answer.close()


def _hung_up() -> Exception:
    """What requests makes of a kept connection that the server has closed meanwhile."""
    cause = http.client.RemoteDisconnected("Remote end closed connection without response")
    return requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure_of_the_server() -> None:
    session = Session(Response(200), _hung_up(), Response(200))
    web, source = transport(session), parse_source("https://a.example/m")
    assert [web.open(source, offset=0).status for _time in range(2)] == [200, 200]
    assert len(session.asked) == 3


@pytest.mark.parametrize("answers", [[_hung_up()], [Response(200), _hung_up(), _hung_up()]])
def test_a_server_that_hangs_up_at_once_is_a_failure(answers: list[Response | Exception]) -> None:
    session = Session(*answers)
    web, source = transport(session), parse_source("https://a.example/m")
    for _time in range(len(answers) // 2):
        web.open(source, offset=0)
    with pytest.raises(SourceError) as caught:
        web.open(source, offset=0)
    assert (caught.value.kind, caught.value.retryable) == ("unreachable", True)
    assert session.answers == []


@pytest.mark.parametrize(
    ("offset", "until", "expected"),
    [(0, None, None), (0, 10, "bytes=0-9"), (5, None, "bytes=5-"), (5, 6, "bytes=5-5")],
)
def test_a_range_is_asked_for_by_its_first_and_last_byte(offset: int, until: int | None, expected: str | None) -> None:
    session = Session(Response(206))
    transport(session).open(parse_source("https://a.example/m"), offset=offset, until=until, etag='"v1"')
    assert session.asked[0][1].get("Range") == expected
    assert ("If-Range" in session.asked[0][1]) == (expected is not None)


def test_a_failure_behind_a_redirect_names_the_address_that_was_asked_for() -> None:
    session = Session(redirect("https://cdn.example/x?sig=abc"), Response(404))
    with pytest.raises(SourceError) as caught:
        transport(session).open(parse_source("https://a.example/m?sig=abc"), offset=0)
    assert caught.value.kind == "not_found"
    assert caught.value.message.startswith("https://a.example/m?… redirects: https://cdn.example/x?… answered 404")
    assert "abc" not in caught.value.message


@pytest.mark.parametrize("first", ["http://127.0.0.1:1/m", "http://inside.example/m", "http://localhost/m"])
def test_who_is_inside_may_redirect_inside(first: str) -> None:
    session = Session(redirect("http://127.0.0.1:8000/m"), Response(200))
    assert transport(session).open(parse_source(first), offset=0).status == 200


def test_a_detour_over_another_host_does_not_lead_inside_either() -> None:
    session = Session(redirect("https://cdn.example/x"), redirect("https://inside.example/m"))
    with pytest.raises(SourceError, match="this host itself"):
        transport(session).open(parse_source("https://a.example/m"), offset=0)


def test_a_part_of_a_local_file_is_read_like_a_range(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"0123456789")
    answer = transport(Session()).open(parse_source(f"file://{tmp_path}/m"), offset=2, until=5)
    assert (answer.status, answer.headers["Content-Range"]) == (206, "bytes 2-4/10")
    assert (answer.read(2), answer.read(9), answer.read(9)) == (b"23", b"4", b"")
    answer.close()
    beyond = transport(Session()).open(parse_source(f"file://{tmp_path}/m"), offset=8, until=50)
    assert (beyond.headers["Content-Range"], beyond.read(99)) == ("bytes 8-9/10", b"89")
    beyond.close()


def test_the_body_is_read_as_far_as_it_is_there() -> None:
    class Dripping(Raw):
        def read1(self, amount: int, *, decode_content: bool) -> bytes:
            assert (amount, decode_content) == (9, False)
            return b"d"

    answer = transport(Session(Response(200, raw=Dripping()))).open(parse_source("https://a.example/m"), offset=0)
    assert answer.read(9) == b"d"
