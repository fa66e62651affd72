from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.ui.stand_ins import StandInRun, StandInSession
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.lists import Lists


@pytest.fixture
def listed(folders: Folders) -> list[str]:
    return ["tales.txt"]


@pytest.fixture
def lists(folders: Folders, listed: list[str], monkeypatch: pytest.MonkeyPatch) -> Lists:
    monkeypatch.setattr("training_pro.ui.lists._LOOK_S", 0.0)
    return Lists(StandInSession(folders), lambda: [("files", [], lambda: {"list": tuple(listed)})])


def stamp(lists: Lists) -> Any:
    return lists.pulled[0].stamp()


def test_a_list_is_another_only_when_what_it_says_is(lists: Lists, listed: list[str], folders: Folders) -> None:
    before = stamp(lists)
    (folders.datasets / "notes.pdf").touch()
    assert stamp(lists) == before
    listed.append("new.txt")
    (folders.datasets / "new.txt").touch()
    assert stamp(lists) != before


def test_what_comes_into_a_folder_that_is_there_already_counts(
    lists: Lists, listed: list[str], folders: Folders
) -> None:
    (folders.datasets / "novel").mkdir()
    before = stamp(lists)
    (folders.datasets / "novel" / "1.txt").touch()
    os.utime(folders.datasets / "novel", ns=(1, 1))
    listed.append("novel")
    assert stamp(lists) != before


def test_a_run_that_goes_on_writes_without_any_list_being_read(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_pro.ui.lists._LOOK_S", 0.0)
    reads: list[int] = []
    lists = Lists(StandInSession(folders), lambda: [("runs", [], lambda: {"list": reads.append(1)})])
    lora = folders.loras / "mine"
    lora.mkdir()
    stamp(lists)
    for number in range(3):
        (lora / f"checkpoint-{number}").mkdir()
        stamp(lists)
    assert len(reads) == 1
    (lora / "adapter_config.json").touch()
    stamp(lists)
    assert len(reads) == 2, "now it can be put on a model"


def test_a_list_is_read_anew_only_when_something_has_changed(folders: Folders) -> None:
    reads: list[int] = []
    lists = Lists(StandInSession(folders), lambda: [("files", [], lambda: {"list": reads.append(1)})])
    for _ in range(5):
        stamp(lists)
    assert len(reads) == 1


def test_lists_are_read_anew_when_a_run_has_begun_and_ended(lists: Lists, listed: list[str], folders: Folders) -> None:
    idle = stamp(lists)
    run = lists._session.run = StandInRun(folders, Settings(name="mine"))
    listed.append("mine")
    going = stamp(lists)
    run.status = replace(run.status, phase="ended", ending=Ending("finished", "because"))
    listed.append("mine, ended")
    assert len({idle, going, stamp(lists)}) == 3


def test_a_folder_that_is_not_there_is_no_fault(lists: Lists, folders: Folders) -> None:
    folders.presets.rename(folders.user_data / "away")
    assert stamp(lists)
