"""A web server on loopback that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: answers that are no number: never, and the end of the connection without a word
HANG, CLOSE = "hang", "close"


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Web:
    """`answers`: one after the other, the last one for ever; a number, HANG, CLOSE, or (302, address)."""

    answers: list[object] = field(default_factory=lambda: [200])
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    may_end: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> object:
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    web: Web


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        web = self.server.web
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode()
        web.asked.append(Asked(self.path, dict(self.headers.items()), body))
        answer = web.next_answer()
        if answer == HANG:
            web.may_end.wait(30.0)
            return
        if answer == CLOSE:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        code, place = answer if isinstance(answer, tuple) else (answer, None)
        self.send_response(int(code))  # type: ignore[arg-type]
        if place is not None:
            self.send_header("Location", str(place))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def web(*answers: object) -> Iterator[Web]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.web = Web(list(answers) or [200], address=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.web
    finally:
        server.web.may_end.set()
        server.shutdown()
        server.server_close()
