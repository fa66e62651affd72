from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.ui.stand_ins import StandInRun, StandInSession
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.ending import Ending
from training_pro.ui.lists import Lists


@pytest.fixture
def lists(folders: Folders) -> Lists:
    return Lists(StandInSession(folders), lambda: [("files", [], dict), ("runs", [], dict)])


def test_lists_are_others_when_a_file_is_put_into_a_folder_or_taken_away(lists: Lists, folders: Folders) -> None:
    files, runs = lists.pulled
    assert (files.name, runs.name) == ("files", "runs")
    before = files.stamp()
    assert files.stamp() == before == runs.stamp()
    for folder in (folders.datasets, folders.loras, folders.formats, folders.presets):
        (folder / "new").touch()
        os.utime(folder, ns=(1, before[0][0] + 1_000_000_000 + len(str(folder))))
        assert files.stamp() != before
        before = files.stamp()


def test_lists_are_others_when_a_run_has_begun_and_ended(lists: Lists, folders: Folders) -> None:
    idle = lists.pulled[0].stamp()
    run = lists._session.run = StandInRun(folders, Settings(name="mine"))
    going = lists.pulled[0].stamp()
    run.status = replace(run.status, phase="ended", ending=Ending("finished", "because"))
    assert len({idle, going, lists.pulled[0].stamp()}) == 3


def test_a_folder_that_is_not_there_is_no_fault(lists: Lists, folders: Folders) -> None:
    folders.presets.rename(folders.user_data / "away")
    assert lists.pulled[0].stamp()[0]
