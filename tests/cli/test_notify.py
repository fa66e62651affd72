from __future__ import annotations

import io

import pytest

from tests.training.test_notify import SECRET, hook
from training_pro.cli.main import main
from training_pro.folders import Folders


def test_an_address_is_kept_tested_and_forgotten(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--user-data", str(folders.user_data)]
    with hook() as (address, got):
        assert main(["notify", *where, "--add", address]) == 0
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{address}/more\n"))
        assert main(["notify", *where, "--add", "-"]) == 0
        assert main(["notify", *where, "--test"]) == 0
    assert [one["path"] for one in got] == [f"/{SECRET}", f"/{SECRET}/more"]
    assert main(["notify", *where, "--test"]) == 1  # nobody listens any more
    assert main(["notify", *where]) == 0
    assert main(["notify", *where, "--remove-all"]) == 0
    assert main(["notify", *where, "--test"]) == 1
    said = "".join(capsys.readouterr())
    assert SECRET not in said and said.count("http://127.0.0.1") >= 4 and "Add one under Tools" in said


def test_what_is_no_address_is_refused(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "--user-data", str(folders.user_data), "--add", "nonsense"]) == 2
    assert "ntfy://TOPIC" in capsys.readouterr().err
