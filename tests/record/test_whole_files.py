from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.record.faults import failing_call, killed_at
from training_pro.errors import RunError
from training_pro.record import whole_files as files
from training_pro.record.whole_files import (
    files_into,
    free_disk_bytes,
    is_temporary,
    make_folder,
    move_folder,
    remove_folder,
    staged_folder,
    sweep_temporaries,
    whole_file,
    write_json_whole,
    write_whole,
)


@pytest.fixture
def all_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart: whoever wrote the temporaries is gone."""
    monkeypatch.setattr(files, "lives", lambda mark: False)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fill(folder: Path, content: str) -> None:
    with staged_folder(folder) as staging:
        (staging / "weights").write_text(content)
        (staging / "deep").mkdir()
        (staging / "deep" / "state").write_text(content)


def content(folder: Path) -> set[str]:
    return {(folder / "weights").read_text(), (folder / "deep" / "state").read_text()}


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "Grüße\r\n\n")
    assert (tmp_path / "a").read_bytes() == "Grüße\r\n\n".encode()
    write_whole(tmp_path / "a", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a"]


def test_json_is_strict_even_with_nan_and_broken_surrogates(tmp_path: Path) -> None:
    write_json_whole(tmp_path / "a.json", {"loss": math.nan, "list": [math.inf, 1.5], "name": "x\udc80é"})
    found = json.loads((tmp_path / "a.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert found == {"loss": None, "list": [None, 1.5], "name": "x\udc80é"}


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "elsewhere").read_text() == "untouched"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT, errno.ELOOP])
def test_each_fault_of_a_write_is_one_sentence_and_leaves_no_trace(tmp_path: Path, code: int) -> None:
    path = tmp_path / "settings.json"
    path.write_text("old")
    at, faults_seen = 0, 0
    while True:
        at += 1
        with failing_call(at, code) as faults:
            try:
                write_whole(path, "new")
            except RunError as error:
                faults_seen += 1
                assert str(path) in str(error)
                assert "\n" not in str(error) and ";" in str(error)
        assert path.read_text() in ("old", "new")
        assert names(tmp_path) == ["settings.json"]
        if not faults.fired:
            break
        path.write_text("old")
    assert faults_seen >= 4  # opening, syncing, renaming, syncing the folder


def test_killed_at_any_call_a_file_is_old_or_new(tmp_path: Path, all_dead: None) -> None:
    path, seen, at = tmp_path / "state", set(), 0
    while True:
        at += 1
        path.write_text("old")
        with killed_at(at) as faults:
            write_whole(path, "new")
        seen.add(path.read_text())
        sweep_temporaries(tmp_path)
        assert names(tmp_path) == ["state"]
        if not faults.fired:
            break
    assert seen == {"old", "new"}
    assert at > 5


@pytest.mark.parametrize("replacing", [False, True])
def test_killed_at_any_call_a_folder_is_old_or_new_or_absent(tmp_path: Path, all_dead: None, replacing: bool) -> None:
    folder, seen, at = tmp_path / "checkpoint-10", set(), 0
    while True:
        at += 1
        shutil.rmtree(folder, ignore_errors=True)
        if replacing:
            fill(folder, "old")
        with killed_at(at) as faults:
            fill(folder, "new")
        sweep_temporaries(tmp_path)
        found = content(folder) if folder.exists() else {"absent"}
        assert len(found) == 1, "half old, half new"
        seen |= found
        assert names(tmp_path) in (["checkpoint-10"], [])
        if not faults.fired:
            break
    assert seen == ({"old", "new"} if replacing else {"absent", "new"})


@pytest.mark.parametrize("replacing", [False, True])
def test_a_fault_while_a_folder_is_written_leaves_the_old_one(tmp_path: Path, replacing: bool) -> None:
    at = 0
    while True:
        at += 1
        run = tmp_path / str(at)
        run.mkdir()
        if replacing:
            fill(run / "c", "old")
        with failing_call(at) as faults:
            try:
                fill(run / "c", "new")
                raised = False
            except RunError:
                raised = True
        if not raised:
            assert content(run / "c") == {"new"}
        elif (run / "c").exists():  # only the last sync can fail after the rename
            assert content(run / "c") in ({"old"}, {"new"})
        else:
            assert not replacing
        assert [name for name in names(run) if not name.startswith(".replaced")] in (["c"], [])
        if not faults.fired:
            break
    assert at > 8


def save(run: Path, content: str) -> None:
    with files_into(run) as staging:
        for name in ("config", "weights"):
            (staging / name).write_text(content)


def test_files_take_their_places_each_whole_and_the_rest_stays(tmp_path: Path, all_dead: None) -> None:
    at = 0
    while True:
        at += 1
        run = tmp_path / str(at)
        run.mkdir()
        save(run, "old")
        (run / "notes").write_text("kept")
        with killed_at(at) as faults:
            save(run, "new")
        sweep_temporaries(run)
        assert names(run) == ["config", "notes", "weights"]
        assert {(run / name).read_text() for name in ("config", "weights")} <= {"old", "new"}
        if not faults.fired:
            break
    assert (run / "config").read_text() == (run / "weights").read_text() == "new"
    with failing_call(5), pytest.raises(RunError, match="disk is full"):
        save(run, "newer")
    assert names(run) == ["config", "notes", "weights"]


def test_a_folder_removed_is_never_half_there(tmp_path: Path, all_dead: None) -> None:
    folder, at = tmp_path / "checkpoint-1", 0
    while True:
        at += 1
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder, "old")
        with killed_at(at) as faults:
            remove_folder(folder)
        assert not folder.exists() or content(folder) == {"old"}
        sweep_temporaries(tmp_path)
        assert names(tmp_path) in (["checkpoint-1"], [])
        if not faults.fired:
            break
    assert names(tmp_path) == []
    with pytest.raises(RunError, match="checkpoint-1"):
        remove_folder(folder)


def test_an_error_in_the_body_passes_and_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staged_folder(tmp_path / "c") as staging:
        (staging / "half").write_text("x")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "f") as temporary:
        temporary.write_text("x")
        raise ZeroDivisionError
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="a folder that is written in can't be moved there")
@pytest.mark.parametrize("write", [whole_file, staged_folder])
def test_nothing_is_left_in_a_folder_that_was_moved_meanwhile(tmp_path: Path, write: Any) -> None:
    run, moved = tmp_path / "run", tmp_path / "elsewhere" / "run"
    run.mkdir()
    moved.parent.mkdir()
    with pytest.raises(RunError, match="its folder is gone"), write(run / "notes"):
        run.rename(moved)
    assert names(moved) == [] and names(tmp_path) == ["elsewhere"]


def test_a_path_without_a_folder_is_in_the_present_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_whole(Path("f"), "x")
    fill(Path("c"), "x")
    assert names(tmp_path) == ["c", "f"]


def test_temporaries_of_a_living_process_stay(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "c") as staging:
        assert sweep_temporaries(tmp_path) == []
        assert staging.is_dir()
        assert is_temporary(staging.name) and staging.name.endswith("-np") and staging.name.startswith(".")
    assert names(tmp_path) == ["c"]


def test_temporaries_of_a_killed_process_go(tmp_path: Path) -> None:
    program = (
        "import sys, os; from pathlib import Path\n"
        "from training_pro.record.whole_files import staged_folder, whole_file\n"
        "run = Path(sys.argv[1])\n"
        "with staged_folder(run / 'c') as s, whole_file(run / 'sub' / 'f') as f:\n"
        "    (s / 'x').write_text('x'); f.write_text('x'); os.kill(os.getpid(), 9)\n"
    )
    (tmp_path / "sub").mkdir()
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert len(names(tmp_path)) == 2 and len(names(tmp_path / "sub")) == 1
    assert len(sweep_temporaries(tmp_path)) == 2
    assert names(tmp_path) == ["sub"] and names(tmp_path / "sub") == []


def test_what_a_living_process_is_writing_is_not_looked_into(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "c") as staging:
        (staging / ".writing-1-00000000-00000000-np").write_text("copied along")
        assert sweep_temporaries(tmp_path) == []


def test_content_is_on_the_disk_before_its_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace

    def log_sync(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def log_replace(*args: str) -> None:
        order.append("rename")
        replace(*args)

    monkeypatch.setattr(os, "fsync", log_sync)
    monkeypatch.setattr(os, "replace", log_replace)
    write_whole(tmp_path / "a", "x")
    assert order == ["file", "rename", "folder"]
    order.clear()
    fill(tmp_path / "c", "x")
    assert order == ["file", "folder", "file", "folder", "rename", "folder"]


def test_sweeping_touches_nothing_else_and_follows_no_link(tmp_path: Path, all_dead: None) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    leftover = ".writing-1-00000000-00000000-np"
    (outside / leftover).write_text("x")
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(outside, target_is_directory=True)
    for kept in (".writing-np", "writing-1-00000000-00000000-np", leftover + "x", "x" + leftover):
        (run / kept).write_text("x")
    (run / leftover).symlink_to(outside, target_is_directory=True)
    assert sweep_temporaries(run) == [run / leftover]
    assert (outside / leftover).exists()
    assert len(names(run)) == 5


def test_free_space_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    assert free_disk_bytes(tmp_path / "not" / "yet") == pytest.approx(free_disk_bytes(tmp_path), rel=0.2)
    assert free_disk_bytes(tmp_path) > 0


def test_windows_waits_for_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = os.replace, iter([True, True, False])

    def replace(*args: object) -> None:
        if next(refusals):
            raise PermissionError(errno.EACCES, "in use")
        real(*args)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(os, "replace", replace)
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_windows_waits_for_a_folder_that_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = os.replace, iter([True, False])

    def replace(*args: object) -> None:
        if next(refusals):
            raise PermissionError(errno.EACCES, "in use")
        real(*args)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "rename", replace)
    (tmp_path / "a").mkdir()
    assert move_folder(tmp_path / "a", tmp_path / "b").is_dir()
    assert not (tmp_path / "a").exists()


def synced_folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Gets the folders whose names are forced to the disk, in order."""
    found: list[Path] = []
    real = files._sync_folder

    def log(folder: Path) -> None:
        found.append(folder)
        real(folder)

    monkeypatch.setattr(files, "_sync_folder", log)
    return found


def test_the_name_of_a_new_folder_and_of_those_above_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = synced_folders(monkeypatch)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="couldn't be written"):
        make_folder(tmp_path / "file" / "c")


def test_a_folder_moved_is_certain_in_its_new_place_before_it_is_gone_from_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old" / "run").mkdir(parents=True)
    (tmp_path / "new").mkdir()
    synced = synced_folders(monkeypatch)
    assert move_folder(tmp_path / "old" / "run", tmp_path / "new" / "run") == tmp_path / "new" / "run"
    assert synced == [tmp_path / "new", tmp_path / "old"]
    with pytest.raises(RunError, match="its folder is gone"):
        move_folder(tmp_path / "old" / "run", tmp_path / "new" / "other")
    with failing_call(1, errno.EACCES), pytest.raises(RunError, match="no permission"):
        move_folder(tmp_path / "new" / "run", tmp_path / "new" / "other")
    assert (tmp_path / "new" / "run").is_dir()


def test_nothing_is_renamed_without_the_patience_that_windows_needs() -> None:
    """What is new is looked at by virus scanners there."""
    package = Path(files.__file__).parents[1]
    impatient = re.compile(r"\.rename\(|os\.(rename|replace)\(|shutil\.move\(")
    sources = (path for path in package.rglob("*.py") if path != Path(files.__file__))
    assert [path.name for path in sources if impatient.search(path.read_text(encoding="utf-8"))] == []


@pytest.fixture
def ours() -> Iterator[None]:
    """A umask with which the group reads along and others do not."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secretly(path: Path) -> None:
    """As some libraries write: a file of their own that its owner alone can read, renamed."""
    own = path.with_name("own")
    own.touch(mode=0o600)
    own.replace(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_whatever_wrote_it_who_may_read_it_is_as_the_umask_says(ours: None, tmp_path: Path) -> None:
    with whole_file(tmp_path / "file") as temporary:
        secretly(temporary)
    with staged_folder(tmp_path / "folder") as staging:
        (staging / "below").mkdir(mode=0o700)
        secretly(staging / "below" / "weights")
    with files_into(tmp_path / "folder") as staging:
        secretly(staging / "more")
    files = [tmp_path / name for name in ("file", "folder/below/weights", "folder/more")]
    assert [mode(path) for path in files] == [0o640] * 3
    assert [mode(tmp_path / name) for name in ("folder", "folder/below")] == [0o750] * 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_what_holds_secrets_is_its_owners_alone_from_the_first_byte_on(ours: None, tmp_path: Path) -> None:
    with whole_file(tmp_path / "secret", private=True) as temporary:
        assert mode(temporary) == 0o600
        temporary.write_text("a password")
    assert mode(tmp_path / "secret") == 0o600
