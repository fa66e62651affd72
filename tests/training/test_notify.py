"""Who is told that a run has ended, that nothing of it harms the run, and that no secret gets out."""

from __future__ import annotations

import json
import logging
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny import TinyOwner, finish, make_run, small_settings, train
from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.record.points import Point
from training_pro.training import notify
from training_pro.training.notify import add_address, addresses, forget_addresses, masked, message, tell
from training_pro.training.status import Ending, RunStatus

SECRET = "s3cr3t-topic-91f"


@contextmanager
def hook(code: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on this machine: its address, which holds a secret, and what it was sent."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"path": self.path, **json.loads(body)})
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}", got
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads that tell, to be waited for."""
    threads: list[threading.Thread] = []
    begin = notify.tell_in_background

    def kept(*given: Any) -> threading.Thread:
        threads.append(begin(*given))
        return threads[-1]

    monkeypatch.setattr("training_pro.training.run.tell_in_background", kept)
    return threads


def ended(**more: Any) -> RunStatus:
    status = RunStatus("tales", Path("tales"), phase="ended", point=Point(7, smoothed_loss=1.5, elapsed_s=3700.0))
    return replace(status, **{"ending": Ending("stopped", "the loss fell to 1.5"), **more})


def test_a_run_tells_how_it_ended(owner: TinyOwner, told: list[threading.Thread]) -> None:
    with hook() as (address, got):
        add_address(owner.folders, address)
        status = train(owner, small_settings(tell_when_it_ends=True))
        told[0].join(60)
    (message_,) = got
    assert "tiny finished" in message_["title"]
    assert f"Update {status.update} of {status.total_updates}" in message_["message"]
    assert "Loss" in message_["message"] and str(status.folder) not in json.dumps(message_)


def test_off_nobody_is_told(owner: TinyOwner, told: list[threading.Thread]) -> None:
    with hook() as (address, got):
        add_address(owner.folders, address)
        train(owner, small_settings())
    assert told == [] and got == []


def test_a_failed_run_tells_too(owner: TinyOwner, told: list[threading.Thread]) -> None:
    with hook() as (address, got):
        add_address(owner.folders, address)
        settings = small_settings(tell_when_it_ends=True, targets="own list", target_modules="nowhere")
        assert finish(make_run(owner, settings)).ending.kind == "failed"  # type: ignore[union-attr]  # it has ended
        told[0].join(60)
    assert "failed" in got[0]["title"] and "nowhere" in got[0]["message"]


def test_nothing_that_goes_wrong_reaches_the_run(
    owner: TinyOwner, told: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> list[str]:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(notify, "tell", broken)
    run = make_run(owner, small_settings(tell_when_it_ends=True))
    assert finish(run).ending.kind == "finished"  # type: ignore[union-attr]  # it has ended
    told[0].join(60)
    assert not told[0].is_alive() and SECRET not in str(run.status)


@pytest.mark.parametrize("code", [200, 404])
def test_no_secret_gets_into_a_record_a_note_or_a_log(
    owner: TinyOwner, told: list[threading.Thread], caplog: pytest.LogCaptureFixture, code: int
) -> None:
    with caplog.at_level(logging.DEBUG), hook(code) as (address, got):
        add_address(owner.folders, address)
        run = make_run(owner, small_settings(tell_when_it_ends=True, save_steps=1))
        finish(run)
        told[0].join(60)
    assert got and got[0]["path"] == f"/{SECRET}"
    files = [path for path in owner.folders.user_data.rglob("*") if path.is_file() and path != owner.folders.notify]
    assert len(files) > 5 and all(SECRET.encode() not in path.read_bytes() for path in files)
    assert SECRET not in caplog.text and SECRET not in str(run.status)
    assert ("error 404" in str(run.status.notes)) == (code == 404)
    logs = [logging.getLogger(name) for name in notify._THEIR_LOGS]
    assert all(log.propagate for log in logs)
    assert not [handler for log in logs for handler in log.handlers if isinstance(handler, notify._Into)]


def test_who_does_not_answer_is_named_without_secrets() -> None:
    with hook() as (address, _):
        gone = address
    faults = tell([gone, "nonsense://x"], "title", "text")
    assert len(faults) == 2 and "http://127.0.0.1" in faults[0] and "no answer" in faults[0]
    assert "nonsense://" in faults[1] and SECRET not in "".join(faults)


def test_without_the_package_or_an_address_there_is_a_sentence(
    owner: TinyOwner, told: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tell([], "title", "text") == [notify.NO_ADDRESS]
    monkeypatch.setattr(notify, "installed", lambda package: package != "apprise")
    assert "requirements-notify.txt" in tell(["ntfy://x"], "title", "text")[0]
    run = make_run(owner, small_settings(tell_when_it_ends=True))
    finish(run)
    told[0].join(60)
    assert any("apprise" in note for note in run.status.notes)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ntfy://topic", "ntfy://\u2026"),
        ("tgram://123:token/4", "tgram://\u2026"),
        ("discord://id/token", "discord://\u2026"),
        ("https://user:pass@example.org/hook?key=1", "https://example.org\u2026"),
        ("jsons://example.org/hook", "jsons://example.org\u2026"),
        ("https://[broken/hook", "https://\u2026"),
        ("token", "an address"),
    ],
)
def test_what_is_shown_of_an_address(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_addresses_are_kept_for_their_owner_alone(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    add_address(folders, " ntfy://one \n")
    add_address(folders, "https://example.org/two")
    add_address(folders, "ntfy://one")
    assert stat.S_IMODE(folders.notify.stat().st_mode) == 0o600
    monkeypatch.setenv(notify.ENVIRONMENT, "ntfy://three ntfy://one")
    assert addresses(folders) == ["ntfy://one", "https://example.org/two", "ntfy://three"]
    forget_addresses(folders)
    forget_addresses(folders)
    assert addresses(folders) == ["ntfy://three", "ntfy://one"]


@pytest.mark.parametrize("typed", ["", "hello", "no spaces://here", "nonsense://x", "https://"])
def test_what_is_no_address_is_refused(folders: Folders, typed: str) -> None:
    with pytest.raises(UserError, match="no address"):
        add_address(folders, typed)
    assert not folders.notify.exists()


def test_the_message_of_each_ending() -> None:
    assert message(ended()) == ("Training PRO: tales stopped", "The loss fell to 1.5\nLoss 1.500 after 62 min.")
    title, text = message(ended(ending=Ending("interrupted", "stopped by you"), point=None))
    assert title.endswith("was interrupted") and text == "Stopped by you"
