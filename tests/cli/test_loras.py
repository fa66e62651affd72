from __future__ import annotations

import json
import os

import pytest

from tests.record.adapters import make_adapter
from training_pro.cli.main import main
from training_pro.folders import Folders


def test_by_date_or_by_name(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    for place, name in enumerate(("run-10", "run-2", "hill")):
        made = make_adapter(folders.loras / name)
        os.utime(made, (1_000_000_000 + place, 1_000_000_000 + place))
    where = ["--user-data", str(folders.user_data)]
    assert main(["loras", *where, "--by", "name"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["hill", "run-2", "run-10"]
    assert main(["loras", *where, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    dates = [line["created"] for line in lines]
    assert dates == sorted(dates, reverse=True) and {line["state"] for line in lines} == {"foreign"}


def test_none_is_said(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loras", "--user-data", str(folders.user_data)]) == 0
    said = capsys.readouterr()
    assert said.out == "" and str(folders.loras) in said.err
