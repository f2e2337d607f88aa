# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a server that is asked for ranges. ``/always/<fault>`` has it each time, ``/sometimes/<fault>`` for one of
three requests, never the first, decided by the origin's seed.
"""

from __future__ import annotations

import contextlib
import time

from ansible_collections.drydock.serving.tests.integration.misbehaving_origin import Handler


class RangeHandler(Handler):
    """One method for each fault; each may be asked for a range or for the whole file."""

    def fault_always(self) -> None:
        self._fault()

    def fault_sometimes(self) -> None:
        with self.origin.lock:
            self.origin.count += 1
            good = self.origin.count == 1 or self.origin.chance.random() < 2 / 3
        if good:
            self._file()
        else:
            self._fault()

    def _fault(self) -> None:
        name = self.path.split("?")[0].strip("/").split("/")[1]
        getattr(self, f"ranged_{name.replace('-', '_')}")()

    @classmethod
    def faults(cls) -> list[str]:
        """All of them, by the name they have in a path."""
        return [name[7:].replace("_", "-") for name in vars(cls) if name.startswith("ranged_")]

    def _place(self) -> tuple[int, int]:
        return self._asked() or (0, len(self.origin.content))

    def _answer(self, body: bytes, *, ranged: tuple[int, int] | None = None, **headers: str) -> None:
        """206 with the range that is asked for (or another one), or 200; with another body or other headers."""
        size = len(self.origin.content)
        named = {"ETag": self._etag(), "Content-Length": str(len(body))}
        asked = ranged or self._asked()
        if asked:
            named["Content-Range"] = f"bytes {asked[0]}-{asked[1] - 1}/{size}"
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        self._head(206 if asked else 200, {name: value for name, value in named.items() if value})
        self._send(body)

    def _right(self) -> bytes:
        start, stop = self._place()
        return self.origin.content[start:stop]

    def ranged_nothing(self) -> None:
        """No fault at all."""
        self._file()

    def ranged_reset_at_once(self) -> None:
        self._reset()

    def ranged_reset_in_the_middle(self) -> None:
        start, stop = self._place()
        self._file(until=(start + stop) // 2)
        self._reset()

    def ranged_closed_in_the_middle(self) -> None:
        start, stop = self._place()
        self._file(until=(start + stop) // 2)
        self.close_connection = True

    def ranged_ignores_ranges(self) -> None:
        self._head(200, {"ETag": self._etag(), "Content-Length": str(len(self.origin.content))})
        self._send(self.origin.content)

    def ranged_refuses_ranges(self) -> None:
        self._page(416) if self._asked() else self._file()

    def ranged_another_offset(self) -> None:
        start, stop = self._place()
        start, stop = (start + 9, stop) if stop - start > 9 else (0, stop)
        self._answer(self.origin.content[start:stop], ranged=(start, stop))

    def ranged_another_total(self) -> None:
        start, stop = self._place()
        self._answer(self._right(), ranged=(start, stop), Content_Range=f"bytes {start}-{stop - 1}/77")

    def ranged_no_total(self) -> None:
        start, stop = self._place()
        self._answer(self._right(), ranged=(start, stop), Content_Range=f"bytes {start}-{stop - 1}/*")

    def ranged_no_content_range(self) -> None:
        self._answer(self._right(), ranged=self._place(), Content_Range="")

    def ranged_multipart(self) -> None:
        self._answer(b"--x\r\n\r\n" + self._right(), Content_Range="", Content_Type="multipart/byteranges; boundary=x")

    def ranged_longer_than_asked(self) -> None:
        start, _stop = self._place()
        self._answer(self.origin.content[start:], ranged=(start, len(self.origin.content)))

    def ranged_goes_on_behind_the_end(self) -> None:
        self._answer(self._right() + b"more", Content_Length="", Connection="close")
        self.close_connection = True

    def ranged_shorter_than_asked(self) -> None:
        start, stop = self._place()
        stop = start + max(1, (stop - start) * 2 // 3)
        self._answer(self.origin.content[start:stop], ranged=(start, stop))

    def ranged_length_too_small(self) -> None:
        self._answer(self._right(), Content_Length=str(len(self._right()) // 2), Connection="close")
        self.close_connection = True

    def ranged_length_too_big(self) -> None:
        self._answer(self._right(), Content_Length=str(len(self._right()) + 1000), Connection="close")
        self.close_connection = True

    def ranged_no_length(self) -> None:
        self._answer(self._right(), Content_Length="", Connection="close")
        self.close_connection = True

    def ranged_no_length_and_too_short(self) -> None:
        self._answer(self._right()[:-7], Content_Length="", Connection="close")
        self.close_connection = True

    def _chunks(self, body: bytes, *, end: bool = True) -> None:
        pieces = [body[place : place + 5000] for place in range(0, len(body), 5000)]
        text = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        self._answer(text + (b"0\r\n\r\n" if end else b""), Content_Length="", Transfer_Encoding="chunked")

    def ranged_chunked(self) -> None:
        self._chunks(self._right())

    def ranged_chunked_and_too_short(self) -> None:
        self._chunks(self._right()[:-7])

    def ranged_chunked_and_too_long(self) -> None:
        self._chunks(self._right() + b"more")

    def ranged_chunked_and_torn(self) -> None:
        self._chunks(self._right()[:-7], end=False)
        self.close_connection = True

    def ranged_wrong_bytes(self) -> None:
        self._answer(bytes(len(self._right())))

    def ranged_one_wrong_bit(self) -> None:
        body = bytearray(self._right())
        body[len(body) // 2] ^= 1
        self._answer(bytes(body))

    def ranged_bytes_of_another_place(self) -> None:
        start, stop = self._place()
        self._answer((self.origin.content[7:] + b"-------")[start:stop])

    def ranged_changed_under_a_new_etag(self) -> None:
        self._answer(bytes(len(self._right())), ETag='"v2"')

    def ranged_changed_and_sent_whole(self) -> None:
        self._answer_whole(bytes(len(self.origin.content)), ETag='"v2"')

    def _answer_whole(self, body: bytes, **headers: str) -> None:
        self._head(200, {"Content-Length": str(len(body)), **headers})
        self._send(body)

    def ranged_weak_etag(self) -> None:
        self._answer(self._right(), ETag='W/"v1"')

    def ranged_strange_etag(self) -> None:
        self._answer(self._right(), ETag="v1 \xa4")

    def ranged_another_size(self) -> None:
        self._answer_whole(self.origin.content + b"x")

    def ranged_gzip(self) -> None:
        self._answer(b"\x1f\x8b" + self._right()[2:], Content_Encoding="gzip")

    def ranged_page(self) -> None:
        self._page(200)

    def ranged_chunked_page(self) -> None:
        self.fault_chunked_page()

    def ranged_page_as_a_range(self) -> None:
        body = b"<html>".ljust(len(self._right()))
        self._answer(body, Content_Type="text/html")

    def ranged_busy(self) -> None:
        self._page(503, Retry_After="0")

    def ranged_too_many(self) -> None:
        self._page(429)

    def ranged_broken_inside(self) -> None:
        self._page(500)

    def ranged_unauthorized(self) -> None:
        self._page(401)

    def ranged_forbidden(self) -> None:
        self._page(403)

    def ranged_absent(self) -> None:
        self._page(404)

    def ranged_not_modified(self) -> None:
        self._head(304, {})

    def ranged_no_content(self) -> None:
        self._head(204, {})

    def ranged_no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        self.close_connection = True

    def ranged_stalls(self) -> None:
        start, stop = self._place()
        self._head(206 if self._asked() else 200, self._promise(start, stop))
        self._send(self.origin.content[start : (start + stop) // 2])
        self.wfile.flush()
        time.sleep(1.5)
        self.close_connection = True

    def ranged_says_nothing(self) -> None:
        time.sleep(1.5)
        self.close_connection = True

    def ranged_drips_headers(self) -> None:
        """A byte of the head now and then, which never ends."""
        self._now_and_then(b"HTTP/1.1 200 OK\r\nX-Padding: ", *[b"x"] * 20)

    def ranged_continues_for_ever(self) -> None:
        self._now_and_then(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 20)

    def _now_and_then(self, *pieces: bytes) -> None:
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.1)
        self.close_connection = True

    def ranged_drips(self) -> None:
        """A byte now and then, so that no single wait is long."""
        start, stop = self._place()
        self._head(206 if self._asked() else 200, self._promise(start, stop))
        try:
            for place in range(start, min(stop, start + 20)):
                self.wfile.write(self.origin.content[place : place + 1])
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        self.close_connection = True

    def _promise(self, start: int, stop: int) -> dict[str, str]:
        size = len(self.origin.content)
        return {"ETag": self._etag(), "Content-Length": str(stop - start)} | (
            {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} if self._asked() else {}
        )

    def ranged_redirects_elsewhere(self) -> None:
        self._page(302, Location=self.origin.elsewhere)

    def ranged_redirects_to_file(self) -> None:
        self._page(302, Location="file:///etc/passwd")

    def ranged_redirects_for_ever(self) -> None:
        self._page(302, Location=self.path)

    def ranged_redirects_to_nowhere(self) -> None:
        self._page(302, Location="http://a..b/")
