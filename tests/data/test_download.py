import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from training_pro.data import download as download_module
from training_pro.data.download import Limits, checked_addresses, download, download_format, is_public
from training_pro.data.rendering.formats import load_format
from training_pro.errors import Cancelled, DataError

BODY = b'{"text": "a"}\n' * 1000
ALLOWED = Limits(allow_private=True)

BODIES = {
    **dict.fromkeys(("/rows.jsonl", "/Chunked.jsonl", "/a%20b.txt", "/%C3%A4.csv"), BODY),
    "/good-format.json": b'{"instruction,output": "Q: %instruction%\\nA: %output%"}',
    "/no-format.json": b'{"instruction,output": 7}',
    "/no-json.json": b"hello",
}
ANNOUNCED = {"/huge.jsonl": str(1 << 50), "/immense.jsonl": "9" * 5000}


class Handler(BaseHTTPRequestHandler):
    """What the test server says, by path."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and "Chunked" not in self.path:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/to/"):
            self.answer(302, Location=self.path[4:])
        elif path.startswith("/round"):
            self.answer(302, Location="/round.jsonl")
        elif path == "/page.json":
            self.answer(200, b"<html>", Content_Type="text/html; charset=utf-8")
        elif path == "/short.jsonl":
            self.answer(200, BODY, Content_Length=str(len(BODY) + 5))
        elif path == "/zipped.jsonl":
            self.answer(200, BODY, Content_Encoding="gzip")
        elif path in ANNOUNCED:
            self.answer(200, b"", Content_Length=ANNOUNCED[path])
        elif path == "/empty.txt":
            self.answer(200)
        elif path == "/slow.txt":
            threading.Event().wait(60)
            self.answer(200, BODY)
        elif path in BODIES:
            self.answer(200, BODIES[path])
        else:
            self.answer(404)


class Server(ThreadingHTTPServer):
    """A guest that hangs up early is no error here."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/rows.jsonl", "rows.jsonl"),
        ("/rows.jsonl?download=true", "rows.jsonl"),
        ("/Chunked.jsonl", "Chunked.jsonl"),
        ("/a%20b.txt", "a b.txt"),
        ("/ä.csv", "ä.csv"),
        ("/to//rows.jsonl", "rows.jsonl"),
    ],
)
def test_a_file_arrives_whole_under_its_name(path: str, name: str, site: str, tmp_path: Path):
    target = download(site + path, tmp_path / "datasets", ALLOWED)
    assert target == tmp_path / "datasets" / name and target.read_bytes() == BODY
    assert [file.name for file in target.parent.iterdir()] == [name]


@pytest.mark.promise("bad input")
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/none.txt", "answers 404"),
        ("/rows.exe", "must end in"),
        ("/", "must end in"),
        ("/.txt", "must end in"),
        ("/page.json", "web page"),
        ("/short.jsonl", "14,000 of 14,005"),
        ("/zipped.jsonl", "compressed"),
        ("/huge.jsonl", "at most"),
        ("/immense.jsonl", "at most"),
        ("/empty.txt", "0 of 0"),
        ("/round.jsonl", "more than 5 times"),
        ("/to/http://[a.jsonl", "leads on to 'http://[a.jsonl', which is no address"),
        ("/to/ftp://host/rows.jsonl", "not a web address"),
        ("/to/file:///etc/rows.jsonl", "not a web address"),
    ],
)
def test_what_is_no_file_is_one_sentence_and_leaves_nothing(path: str, says: str, site: str, tmp_path: Path):
    with pytest.raises(DataError) as caught:
        download(site + path, tmp_path, ALLOWED)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("bad input")
@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/a.txt",
        "file:///etc/a.txt",
        "host/a.txt",
        "http:///a.txt",
        "javascript:alert(1)//a.txt",
        "http://[::1/a.txt",
        "http://host:99999/a.txt",
        "http://ho st/a.txt",
        "http://host/a.txt\r\nX-Header: 1",
        "http://user:secret@host/a.txt",
        "",
        "x" * 5000,
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(DataError) as caught:
        download(url, tmp_path)
    assert "secret" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.promise("no one in")
def test_this_machine_is_not_asked_unless_allowed(site: str, tmp_path: Path):
    with pytest.raises(DataError, match="address of this machine or of a local network"):
        download(site + "/rows.jsonl", tmp_path)


@pytest.mark.promise("no one in")
def test_a_redirect_to_a_private_address_is_caught(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download_module, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(DataError, match=r"10\.1\.2\.3, an address of this machine"):
        download(f"{site}/to/http://10.1.2.3/rows.jsonl", tmp_path)


@pytest.mark.promise("no one in")
def test_the_address_that_was_checked_is_the_one_that_is_used(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    port = int(site.rpartition(":")[2])
    answers = iter(["127.0.0.1", "10.0.0.1"])

    def changing(host: str, port: int, **more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(download_module.socket, "getaddrinfo", changing)
    connected: list[str] = []
    create = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(address[0])
        create(self, ("127.0.0.1", port))

    monkeypatch.setattr(download_module.socket, "create_connection", lambda address, timeout: _socket(address, connect))
    monkeypatch.setattr(download_module, "is_public", lambda address: address == "127.0.0.1")
    assert download(f"http://changing.example:{port}/rows.jsonl", tmp_path).read_bytes() == BODY
    assert connected == ["127.0.0.1"]


def _socket(address: Any, connect: Any) -> socket.socket:
    made = socket.socket()
    connect(made, address)
    return made


@pytest.mark.promise("no one in")
def test_one_private_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch):
    entries = [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("192.168.1.1", 80))]
    monkeypatch.setattr(download_module.socket, "getaddrinfo", lambda *args, **more: entries)
    with pytest.raises(DataError, match=r"192\.168\.1\.1"):
        checked_addresses("both.example", 80, allow_private=False)
    assert checked_addresses("both.example", 80, allow_private=True) == ["93.184.216.34", "192.168.1.1"]


@pytest.mark.promise("no one in")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_private_addresses_in_every_disguise(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses(address: str):
    assert is_public(address)


@pytest.mark.promise("bad input")
def test_an_unknown_host_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unknown(*args: Any, **more: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(download_module.socket, "getaddrinfo", unknown)
    with pytest.raises(DataError, match="not known"):
        download("https://none.example/a.txt", tmp_path)


@pytest.mark.promise("bad input")
def test_nobody_answering_is_one_sentence(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(DataError, match="does not answer"):  # bound, but nobody listens
            download(f"http://127.0.0.1:{port}/a.txt", tmp_path, ALLOWED)


def test_an_address_that_does_not_answer_is_passed_over(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    create = socket.create_connection

    def only_v4(address: Any, timeout: float) -> socket.socket:
        if address[0] == "::1":
            raise OSError("no route")
        return create(address, timeout)

    monkeypatch.setattr(download_module.socket, "create_connection", only_v4)
    monkeypatch.setattr(download_module, "checked_addresses", lambda *args: ["::1", "127.0.0.1"])
    assert download(site + "/rows.jsonl", tmp_path, ALLOWED).read_bytes() == BODY


@pytest.mark.promise("bad input")
def test_waiting_has_an_end(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download_module, "WAIT_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"within 0\.2 seconds"):
        download(site + "/slow.txt", tmp_path, ALLOWED)


@pytest.mark.promise("bad input")
def test_more_bytes_than_allowed_are_not_taken(site: str, tmp_path: Path):
    for path in ("/rows.jsonl", "/Chunked.jsonl"):
        with pytest.raises(DataError, match="100"):
            download(site + path, tmp_path, Limits(max_bytes=100, allow_private=True))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_if_asked(site: str, tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text("mine")
    with pytest.raises(DataError, match="already exists"):
        download(site + "/rows.jsonl", tmp_path, ALLOWED)
    assert (tmp_path / "rows.jsonl").read_text() == "mine"
    download(site + "/rows.jsonl", tmp_path, Limits(allow_private=True, overwrite=True))
    assert (tmp_path / "rows.jsonl").read_bytes() == BODY


def test_cancelling_leaves_nothing(site: str, tmp_path: Path):
    def stop(done: int, total: int, what: str) -> None:
        assert what == "Downloading rows.jsonl" and 0 < done <= total
        raise Cancelled

    with pytest.raises(Cancelled):
        download(site + "/rows.jsonl", tmp_path, ALLOWED, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("bad input")
def test_names_from_the_net_stay_names(site: str, tmp_path: Path):
    for path in ("/to/x/..%2F..%2Fevil.txt", "/%2e%2e%2fevil.txt"):
        with pytest.raises(DataError):
            download(site + path, tmp_path / "inner", ALLOWED)
    assert not (tmp_path / "evil.txt").exists()


def test_a_format_goes_into_the_formats_and_can_be_used(site: str, tmp_path: Path):
    target = download_format(f"{site}/good-format.json", tmp_path, ALLOWED)
    assert target == tmp_path / "good-format.json"
    assert load_format("good-format", tmp_path).entries[0].fields == {"instruction", "output"}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/no-format.json", "no-format"),
        ("/no-json.json", "valid JSON"),
        ("/rows.jsonl", ".json"),
        ("/page.json", "page"),
    ],
)
def test_what_is_no_format_is_one_sentence_and_leaves_nothing(path: str, says: str, site: str, tmp_path: Path):
    with pytest.raises(DataError, match=says):
        download_format(site + path, tmp_path, ALLOWED)
    assert list(tmp_path.iterdir()) == []
