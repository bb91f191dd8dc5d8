"""A small web server on this machine that behaves as badly as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """What lies at one path, and how it is given out."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = '"v1"'
    ranges: bool = True  # whether parts can be asked for
    cut_after: list[int] = field(default_factory=list)  # bytes of the body, one entry a request
    length: int | None = None  # what Content-Length claims; None = the truth
    no_length: bool = False
    chunk_pause_s: float = 0.0
    content_type: str = "application/octet-stream"
    content_range: str = ""  # instead of the right one
    do: Callable[[BaseHTTPRequestHandler], None] | None = None


class LocalServer:
    """Paths and what was asked of them."""

    def __init__(self) -> None:
        self.paths: dict[str, Served] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                path = self.path.split("?")[0]
                try:
                    outer.answer(self, outer.paths.get(path, Served(status=404)))
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, *_words: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def forget(self) -> None:
        """Begin afresh."""
        self.paths, self.asked = {}, []

    def answer(self, handler: BaseHTTPRequestHandler, served: Served) -> None:
        handler.close_connection = True
        if served.do is not None:
            served.do(handler)
            return
        content, status, start = served.content, served.status, 0
        asked = handler.headers.get("Range", "")
        condition = handler.headers.get("If-Range")
        headers = dict(served.headers)
        known = (None, served.etag, served.headers.get("Last-Modified"))
        if asked and served.ranges and status == 200 and condition in known:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                status = 416
                headers["Content-Range"] = f"bytes */{len(content)}"
                content, start = b"", 0
            else:
                status = 206
                headers["Content-Range"] = (
                    served.content_range or f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
        body = content[start:]
        handler.send_response(status)
        if served.etag:
            headers.setdefault("ETag", served.etag)
        headers.setdefault("Content-Type", served.content_type)
        if not served.no_length:
            headers["Content-Length"] = str(
                served.length if served.length is not None else len(body)
            )
        headers["Connection"] = "close"
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if served.cut_after:
            body = body[: served.cut_after.pop(0)]
        for begin in range(0, len(body), 1 << 14) if served.chunk_pause_s else ():
            handler.wfile.write(body[begin : begin + (1 << 14)])
            handler.wfile.flush()
            if self.stopping.wait(served.chunk_pause_s):
                return
        if not served.chunk_pause_s:
            handler.wfile.write(body)

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def local_server() -> Iterator[LocalServer]:
    """A running server that is gone afterwards, with all its threads."""
    server = LocalServer()
    try:
        yield server
    finally:
        server.close()
        time.sleep(0)
