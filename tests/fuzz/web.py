"""Addresses and what a host answers, without a network: a file of a known kind in the folder, or a sentence."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tests.fuzz.target import answered, as_text, folder_with, in_parts, target
from training_pro.data.download import Limits, download
from training_pro.data.files import suffix_of
from training_pro.data.upload import USABLE

PUBLIC = "93.184.216.34"
URL = b"https://example.com/a/rows.jsonl?x=1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Answering:
    """A socket that has been answered already."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"GET /") and data.endswith(b"\r\n\r\n")
        assert data.count(b"\r\n\r\n") == 1 and data.count(b"\n") == data.count(b"\r\n"), data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._answer)

    def close(self) -> None:
        pass


@contextmanager
def host_answering(answers: list[bytes]) -> Iterator[None]:
    """Every host is known as far as its name can be one, and gives one answer after the other."""
    left = list(answers)

    def addresses(host: str, port: int, **_: Any) -> list[Any]:
        socket_host = host.encode("idna")  # as the system's own look-up does first
        try:
            address = str(socket.inet_ntop(socket.AF_INET, socket.inet_aton(socket_host.decode("ascii"))))
        except (OSError, UnicodeError):
            address = PUBLIC
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connected(address: tuple[str, int], timeout: float) -> Answering:
        assert address[0] == PUBLIC or "." in address[0]
        if not left:
            raise ConnectionRefusedError(111, "Connection refused")
        return Answering(left.pop(0))

    class Plain:
        def wrap_socket(self, sock: Any, server_hostname: str) -> Any:
            return sock

    with (
        patch("socket.getaddrinfo", addresses),
        patch("socket.create_connection", connected),
        patch("ssl.create_default_context", Plain),
    ):
        yield


@target(
    "address",
    URL,
    b"http://user@host/a.txt",
    "http://bücher.de:80/ä b.csv".encode(),
    b"http://[::1]/a.txt",
    b"ftp://a",
    b"http://127.1/a.txt",
)
def address(content: bytes) -> None:
    fetched(as_text(content), [ANSWER])


@target(
    "answer of a host",
    ANSWER,
    b"HTTP/1.1 302 Found\r\nLocation: ../b.txt\r\n\r\n" + b"\n---\n" + ANSWER,
    b"HTTP/1.1 302 Found\r\nLocation: http://[a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n<a>",
)
def answer_of_a_host(content: bytes) -> None:
    fetched(URL.decode(), in_parts(content, 3))


def fetched(url: str, answers: list[bytes]) -> None:
    with folder_with({}, may_add="*") as folder, host_answering(answers):
        made = answered(lambda: download(url, folder / "datasets", Limits(max_bytes=1000)))
        left = [path for path in folder.rglob("*") if path.is_file()]
        if made is None:
            assert not left
        else:
            assert left == [made] and made.parent == folder / "datasets"
            assert suffix_of(made) in USABLE and 0 < made.stat().st_size <= 1000
