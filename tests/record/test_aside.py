from __future__ import annotations

from pathlib import Path

import pytest

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.aside import ASIDE_FOLDER, aside_runs, delete_run, keep_aside, put_back, rename_run
from training_pro.record.runs import list_runs
from training_pro.record.state import RunState, starting_state, write_state


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = Folders.under(tmp_path / "user_data")
    found.make()
    return found


def make_run(folders: Folders, name: str, content: str = "weights") -> Path:
    run = folders.loras / name
    run.mkdir()
    (run / "adapter_model.safetensors").write_text(content)
    write_state(run, RunState("finished"))
    return run


def menu(folders: Folders) -> list[str]:
    """As the WebUI lists its LoRAs: every first-level entry, hidden or not, without these endings."""
    return [path.name for path in folders.loras.glob("*") if not path.name.endswith((".txt", "-np", ".pt", ".json"))]


@pytest.mark.parametrize("move", [keep_aside, delete_run])
def test_a_run_moved_aside_is_in_no_list_and_comes_back_whole(folders: Folders, move: object) -> None:
    run = make_run(folders, "novel", "old")
    assert callable(move)
    place = move(folders, run)
    assert menu(folders) == [] and list_runs(folders) == [] and not run.exists()
    (entry,) = aside_runs(folders)
    assert entry.path == place and entry.name == "novel" and entry.moved.endswith("+00:00")
    assert entry.why == ("kept" if move is keep_aside else "deleted")
    assert put_back(folders, place) == run
    assert (run / "adapter_model.safetensors").read_text() == "old" and aside_runs(folders) == []


def test_many_of_one_name_in_one_second_are_all_kept(folders: Folders) -> None:
    places = {keep_aside(folders, make_run(folders, "novel", str(number))) for number in range(4)}
    assert len(places) == 4
    assert {(place / "adapter_model.safetensors").read_text() for place in places} == {"0", "1", "2", "3"}
    assert {entry.name for entry in aside_runs(folders)} == {"novel"}


def test_names_with_dashes_and_dots_come_back_right(folders: Folders) -> None:
    for name in ("a--20200101T000000Z", "v1.5", "x--y"):
        assert put_back(folders, delete_run(folders, make_run(folders, name))) == folders.loras / name


def test_undo_does_not_overwrite(folders: Folders) -> None:
    place = delete_run(folders, make_run(folders, "novel", "old"))
    make_run(folders, "novel", "new")
    with pytest.raises(RunError, match="rename that one first"):
        put_back(folders, place)
    assert (place / "adapter_model.safetensors").read_text() == "old"


def test_a_run_in_training_stays_where_it_is(folders: Folders) -> None:
    run = make_run(folders, "novel")
    write_state(run, starting_state(10, "", "", ""))
    for attempt in (keep_aside, delete_run, lambda *args: rename_run(*args, "other")):
        with pytest.raises(RunError, match="interrupt the run first"):
            attempt(folders, run)
    assert run.is_dir()


def test_a_broken_run_can_be_removed(folders: Folders) -> None:
    run = make_run(folders, "novel")
    (run / "training_state.json").write_text("{")
    delete_run(folders, run)
    assert not run.exists()


def test_renaming_checks_the_name_and_what_is_there(folders: Folders) -> None:
    run = make_run(folders, "novel")
    make_run(folders, "taken")
    for name, words in (("taken", "already"), ("a/b", "slash"), ("", "no name"), ("../x", "dot")):
        with pytest.raises(RunError, match=words):
            rename_run(folders, run, name)
    assert rename_run(folders, run, " better ") == folders.loras / "better"
    assert sorted(menu(folders)) == ["better", "taken"]


def test_nothing_outside_the_lora_folder_is_touched(folders: Folders, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folders.loras / "link").symlink_to(outside, target_is_directory=True)
    run = make_run(folders, "novel")
    deep = run / "checkpoint-1"
    deep.mkdir()
    strange = [
        outside, deep, folders.loras, folders.loras / "..", folders.loras / ".", folders.loras / "link",
        folders.loras / "gone", folders.loras / "novel" / ".." / "novel", folders.loras / ASIDE_FOLDER, Path("novel"),
    ]  # fmt: skip
    for path in strange:
        for attempt in (keep_aside, delete_run):
            with pytest.raises(RunError):
                attempt(folders, path)
        with pytest.raises(RunError, match="no run that was moved aside"):
            put_back(folders, path)
    assert outside.is_dir() and deep.is_dir() and run.is_dir()


def test_a_link_as_the_aside_folder_is_not_followed(folders: Folders, tmp_path: Path) -> None:
    (folders.loras / ASIDE_FOLDER).symlink_to(tmp_path, target_is_directory=True)
    run = make_run(folders, "novel")
    with pytest.raises(RunError, match="is a link"):
        delete_run(folders, run)
    assert run.is_dir()


def test_a_disk_that_refuses_is_a_sentence(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(folders, "novel")

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    for attempt in (keep_aside, delete_run, lambda *args: rename_run(*args, "other")):
        with pytest.raises(RunError, match="read-only"):
            attempt(folders, run)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match="read-only"):
        keep_aside(folders, run)
    assert run.is_dir()
