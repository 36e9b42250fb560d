"""A ComfyUI on this machine is asked for its memory; a real server on a port of its own plays its part."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runner.hardware import comfy
from runner.hardware.comfy import port_users
from runner.hardware.users import Listing

GB = 1 << 30


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queue: Any = {"queue_running": [], "queue_pending": []}
        self.free_bytes = [2 * GB]  # the next answers; the last one stays
        self.after_free = [2 * GB, 6 * GB, 9 * GB]
        self.posted: list[tuple[str, Any]] = []
        self.asked: list[str] = []
        self.status = 200
        self.redirect: str | None = None
        self.raw: bytes | None = None
        self.hang = threading.Event()
        self.hangs = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def stats(self) -> Any:
        free = self.free_bytes.pop(0) if len(self.free_bytes) > 1 else self.free_bytes[0]
        device = {
            "name": "cuda:0", "type": "cuda", "index": 0, "vram_total": 16 * GB, "vram_free": free,
            "torch_vram_total": 0, "torch_vram_free": 0,
        }  # fmt: skip
        return {"system": {"os": "posix", "comfyui_version": "0.3.10"}, "devices": [device]}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.hangs:
            self.server.hang.wait(10)
            return
        if self.server.redirect is not None:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        value = self.server.queue if self.path == "/queue" else self.server.stats()
        self._answer(json.dumps(value).encode() if self.server.raw is None else self.server.raw)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, json.loads(body)))
        self.server.free_bytes = list(self.server.after_free)
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.hang.set()
    made.shutdown()
    made.server_close()
    thread.join(5)


def free(server: Server) -> comfy.Freed:
    return comfy.free(server.port, 1.0, sleep=lambda _: None)


def test_it_is_asked_for_its_queue_and_its_memory(server: Server) -> None:
    server.queue = {"queue_running": [[1, "id", {}]], "queue_pending": [[2], [3]]}
    found = comfy.ask(server.port)
    assert found.jobs == 3
    assert (found.free_bytes, found.total_bytes) == (2 * GB, 16 * GB)
    assert server.asked == ["/system_stats", "/queue"]


def test_freed_memory_is_told_when_it_has_come_back(server: Server) -> None:
    found = free(server)
    assert found.done and found.freed_bytes == 7 * GB
    assert found.text == "ComfyUI freed 7.0 GB: 9.0 GB of 16.0 GB are free now."
    assert server.posted == [("/free", {"unload_models": True, "free_memory": True})]


@pytest.mark.parametrize("busy", ["queue_running", "queue_pending"])
def test_a_busy_queue_is_left_alone(server: Server, busy: str) -> None:
    server.queue[busy] = [[1]]
    found = free(server)
    assert not found.done
    assert "1 job in its queue" in found.text
    assert server.posted == []


def test_nothing_came_back_is_said(server: Server) -> None:
    server.after_free = [2 * GB]
    found = free(server)
    assert (found.done, found.freed_bytes) == (False, 0)
    assert "no memory was freed: 2.0 GB of 16.0 GB are free" in found.text


def test_a_closed_port_is_one_sentence() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert comfy.free(port).text == f"ComfyUI freed nothing: nothing answers on port {port}."


@pytest.mark.parametrize(
    "raw", [b"<html>", b"[]", b"{}", b"\xff\xfe", b'{"devices": 3}', b"[" * 100_000]
)
def test_another_program_on_the_port_is_not_asked_for_more(server: Server, raw: bytes) -> None:
    server.raw = raw
    found = free(server)
    assert not found.done
    assert found.text.endswith("is not ComfyUI.")
    assert server.posted == []


def test_an_error_page_is_told_by_its_number(server: Server) -> None:
    server.status = 403
    assert "answers with HTTP 403" in free(server).text


def test_redirects_are_not_followed(server: Server) -> None:
    other = Server()
    thread = threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.redirect = f"http://127.0.0.1:{other.port}/system_stats"
    try:
        assert "HTTP 302" in free(server).text
        assert other.asked == []
    finally:
        other.shutdown()
        other.server_close()
        thread.join(5)


def test_a_proxy_of_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert comfy.ask(server.port).total_bytes == 16 * GB


def test_a_server_that_does_not_answer_is_not_waited_for(server: Server) -> None:
    server.hangs = True
    found = comfy.free(server.port, timeout_s=0.2)
    assert found.text == f"ComfyUI freed nothing: no answer on port {server.port} within 0.2 s."


def test_an_answer_without_end_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfy, "_LARGEST_ANSWER", 1000)
    server.raw = b" " * 5000
    assert "does not end" in free(server).text


def test_memory_that_it_does_not_tell_is_no_number(server: Server) -> None:
    server.raw = json.dumps(
        {"system": {}, "devices": [{"vram_free": None}], "queue_running": [], "queue_pending": []}
    ).encode()
    found = free(server)
    assert found.done and found.freed_bytes is None
    assert "the freed amount is unknown" in found.text


def test_a_comfy_of_any_command_line_is_known_by_what_it_answers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFYUI_PORT", str(server.port))
    found = [user for user in port_users(Listing.of(()), ()) if user.port == server.port]
    assert [user.title for user in found] == ["ComfyUI"]
    assert server.posted == [], "it is only asked what it is"
