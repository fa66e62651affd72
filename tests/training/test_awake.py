"""The machine is kept awake just while a run trains, and no system that refuses stops the run."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.training.tiny import TinyOwner, small_settings, train
from training_pro.training import awake as keeping
from training_pro.training.awake import MISSING, REFUSED, awake


class Mode:
    """Stands in for wakepy's: `log` has what happened to it."""

    def __init__(self, log: list[str], active: bool = True, raises: str = "") -> None:
        self.log, self.active, self.raises = log, active, raises

    def __enter__(self) -> Mode:
        self.log.append("in")
        if self.raises == "in":
            raise OSError("no bus")
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("out")
        if self.raises == "out":
            raise OSError("no bus")


def stand_in(monkeypatch: pytest.MonkeyPatch, **more: Any) -> list[str]:
    log: list[str] = []
    keep = SimpleNamespace(running=lambda on_fail: Mode(log, **more))
    monkeypatch.setitem(sys.modules, "wakepy", SimpleNamespace(keep=keep))
    monkeypatch.setattr(keeping, "installed", lambda _: True)
    return log


@pytest.mark.parametrize(
    ("more", "log", "notes"),
    [
        ({}, ["in", "out"], []),
        ({"active": False}, ["in", "out"], [REFUSED]),
        ({"raises": "in"}, ["in"], [REFUSED]),
        ({"raises": "out"}, ["in", "out"], []),
    ],
)
def test_awake_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], log: list[str], notes: list[str]
) -> None:
    seen, said = stand_in(monkeypatch, **more), []
    with awake(True, said.append):
        assert seen == ["in"]
    assert seen == log and said == notes


def test_a_fault_of_the_work_is_passed_on_and_the_machine_may_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch)
    with pytest.raises(ZeroDivisionError), awake(True, str):
        raise ZeroDivisionError
    assert seen == ["in", "out"]


def test_only_where_it_is_wanted(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch)
    train(owner, small_settings(name="one"))
    assert seen == []
    train(owner, small_settings(name="two", keep_awake=True))
    assert seen == ["in", "out"]


def test_without_the_package_there_is_a_sentence(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "installed", lambda _: False)
    assert MISSING in train(owner, small_settings(keep_awake=True)).notes


def test_with_the_real_package(owner: TinyOwner) -> None:
    """Whether this machine can be kept awake or not, the run ends well and at most one sentence says so."""
    pytest.importorskip("wakepy")
    assert train(owner, small_settings(keep_awake=True)).notes.count(REFUSED) <= 1
