"""Where a page can't be served: one sentence, before anything is loaded."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from training_pro.cli import address
from training_pro.cli.address import check_address
from training_pro.cli.common import ExitCode
from training_pro.cli.main import main
from training_pro.errors import UserError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_said_in_one_sentence(
    taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_pro.cli.common.session_from", lambda *_, **__: pytest.fail("the model was asked for"))
    code = main(["ui", "--port", str(taken), "--user-data", str(tmp_path)])
    said = capsys.readouterr().err
    assert code == ExitCode.BAD_INPUT
    assert f"Port {taken} is in use" in said and "--port" in said and "Traceback" not in said
    assert len(said.strip().splitlines()) <= 2


@pytest.mark.parametrize("where", ["0.0.0.0", "localhost", "127.0.0.1"])
def test_it_is_in_use_whatever_address_is_listened_on(taken: int, where: str) -> None:
    with pytest.raises(UserError, match="is in use"):
        check_address(where, taken)


@pytest.mark.parametrize("where", ["203.0.113.7", "no such address", "ü" * 70, "256.1.1.1"])
def test_an_address_of_another_machine_is_refused_with_those_that_work(where: str) -> None:
    with pytest.raises(UserError, match="can't listen on the address") as refused:
        check_address(where, 0)
    assert "--listen 127.0.0.1" in refused.value.options


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(UserError, match="from 0 to 65535"):
        check_address("127.0.0.1", port)


def test_a_port_below_1024_without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden(socket.socket):
        def bind(self, *_: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(address.socket, "socket", Forbidden)
    with pytest.raises(UserError, match="port 80.*from 1024 on"):
        check_address("127.0.0.1", 80)


def test_a_free_one_is_free_afterwards() -> None:
    check_address("127.0.0.1", 0)
    check_address("0.0.0.0", 0)
