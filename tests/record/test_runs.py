from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.record.adapters import make_adapter, make_checkpoint
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.history import Event, History
from training_pro.record.points import Point
from training_pro.record.runs import find_run, is_untouched, list_runs, read_notes, read_run, summarize, write_notes
from training_pro.record.state import RunState, starting_state, write_state


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = Folders.under(tmp_path / "user_data")
    found.make()
    return found


def make_ours(folders: Folders, name: str, state: RunState, updates: int = 100) -> Path:
    run = make_adapter(folders.loras / name)
    write_state(run, state)
    history = History.open(run / "training_history.jsonl")
    for update in range(1, updates + 1):
        history.add(Point(update, update / 50, 3.0 - update / 100, 3.5 - update / 100, 3e-4))
    history.add_event(Event("checkpoint", updates, "by hand"))
    history.close()
    (run / "training_parameters.json").write_text(json.dumps({"name": name, "rank": 4}))
    (run / "training_log.json").write_text(json.dumps({"loss": 2.5}))
    return run


def make_original(folders: Folders, name: str) -> Path:
    run = make_adapter(folders.loras / name)
    (run / "adapter_model.safetensors").rename(run / "adapter_model.bin")
    (run / "training_parameters.json").write_text(
        json.dumps({"lora_name": name, "micro_batch_size": 4, "cutoff_len": 256, "precize_slicing_overlap": True})
    )
    (run / "training_log.json").write_text(json.dumps({"base_model_name": "llama-7b", "loss": 1.25}))
    rows = [
        {"current_steps": n * 2, "loss": 2.0 - n / 100, "learning_rate": 1e-4, "epoch": n / 50} for n in range(1, 91)
    ]
    (run / "training_graph.json").write_text(json.dumps(rows))
    return run


def make_webui(folders: Folders, name: str) -> Path:
    run = make_adapter(folders.loras / name)
    (run / "training_parameters.json").write_text(
        json.dumps({"lora_name": name, "micro_batch_size": 4, "cutoff_len": 256})
    )
    rows = [
        {"step": 1, "loss": 2.0, "epoch": 0.5, "grad_norm": 1.5},
        {"step": 1, "eval_loss": 3.0},
        {"step": 2, "loss": 1.5},
    ]
    (make_checkpoint(run, "checkpoint-2") / "trainer_state.json").write_text(json.dumps({"log_history": rows}))
    return run


def test_a_run_of_ours_is_summed_up(folders: Folders) -> None:
    state = RunState(
        "stopped",
        "Stop at loss reached.",
        100,
        300,
        "2026-01-02T03:04:05+00:00",
        base_model="Smol",
        best_eval_loss=2.25,
    )
    make_checkpoint(make_ours(folders, "novel", state), "checkpoint-50")
    (run,) = list_runs(folders)
    assert (run.name, run.origin, run.state, run.reason) == ("novel", "ours", "stopped", "Stop at loss reached.")
    assert (run.updates, run.total_updates, run.last_loss, run.best_eval_loss) == (100, 300, 2.5, 2.25)
    assert (run.created, run.base_model, run.fault) == ("2026-01-02T03:04:05+00:00", "Smol", "")
    assert [checkpoint.update for checkpoint in run.checkpoints] == [50]
    assert 2 < len(run.sparkline) <= 60 and run.sparkline[0] > run.sparkline[-1] == 2.5


def test_a_killed_run_is_unfinished_and_shows_how_far_it_came(folders: Folders) -> None:
    make_ours(folders, "killed", starting_state(300, "", "", "").changed(process_started="00000000", update=50))
    make_ours(folders, "going", starting_state(300, "", "", ""))
    found = {run.name: (run.state, run.updates) for run in list_runs(folders)}
    assert found == {"killed": ("unfinished", 100), "going": ("running", 100)}


def test_runs_of_the_original_and_of_the_host_are_read(folders: Folders) -> None:
    original, webui, bare = (
        make_original(folders, "old"),
        make_webui(folders, "host"),
        make_adapter(folders.loras / "v1.5"),
    )
    found = {run.name: run for run in list_runs(folders)}
    assert [found[name].origin for name in ("old", "host", "v1.5")] == ["original", "webui", "other"]
    assert {run.state for run in found.values()} == {"foreign"}
    assert (found["old"].base_model, found["old"].updates, found["old"].last_loss) == ("llama-7b", 180, 1.1)
    assert len(found["old"].sparkline) == 60
    assert (found["host"].updates, found["host"].sparkline) == (2, (2.0, 1.5))
    assert found["v1.5"].base_model == "models/Smol" and not any(run.fault for run in found.values())
    assert read_run(original).settings["lora_name"] == "old" and len(read_run(original).history.points) == 90
    assert [point.grad_norm for point in read_run(webui).history.points][0] == 1.5
    assert len(read_run(bare).history.points) == 0


def test_the_latest_comes_first(folders: Folders) -> None:
    for day in (3, 1, 2):
        make_ours(folders, f"run{day}", RunState("finished", started=f"2026-01-0{day}T00:00:00+00:00"), 1)
    assert [run.name for run in list_runs(folders)] == ["run3", "run2", "run1"]


def test_a_whole_record_is_read(folders: Folders) -> None:
    run = make_ours(folders, "novel", RunState("finished"))
    write_notes(run, "größer\r\nis better")
    record = read_run(run)
    assert record.settings == {"name": "novel", "rank": 4} and record.log == {"loss": 2.5}
    assert len(record.history.points) == 100 and record.history.events[0].text == "by hand"
    assert record.notes == "größer\nis better"
    assert record.summary == summarize(run)


def test_notes_have_limits_and_a_missing_run_a_sentence(folders: Folders, tmp_path: Path) -> None:
    run = make_ours(folders, "novel", RunState("finished"))
    write_notes(run, "kept")
    with pytest.raises(RunError, match="100,001 characters; shorten"):
        write_notes(run, "x" * 100_001)
    (folders.loras / "link").symlink_to(tmp_path, target_is_directory=True)
    for path in (folders.loras / "gone", folders.loras / "link"):
        with pytest.raises(RunError, match="refresh the list"):
            write_notes(path, "x")
        with pytest.raises(RunError, match="refresh the list"):
            read_run(path)
    assert read_notes(run) == "kept" and read_notes(folders.loras / "gone") == ""
    assert not (tmp_path / "training_notes.txt").exists()


def test_what_is_no_run_is_not_listed(folders: Folders) -> None:
    (folders.loras / "empty").mkdir()
    (folders.loras / "put-loras-here.txt").write_text("")
    make_adapter(folders.loras / ".training_pro-np")
    make_adapter(folders.loras / "hidden-np")
    assert list_runs(folders) == []


def test_a_link_is_listed_and_not_looked_into(folders: Folders, tmp_path: Path) -> None:
    make_adapter(tmp_path / "outside")
    (folders.loras / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folders.loras / "dangling").symlink_to(tmp_path / "nowhere")
    (run,) = list_runs(folders)
    assert run.name == "link" and "is a link" in run.fault and run.base_model == ""


FILES = (
    "training_state.json", "training_history.jsonl", "training_parameters.json", "training_log.json",
    "training_graph.json", "adapter_config.json", "adapter_model.safetensors", "training_checkpoint.json",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe\x00", b"[" * 100_000, b'{"loss": []}', b'[{"loss": "x"}]'],
)
def test_no_damaged_file_ends_the_list(folders: Folders, name: str, raw: bytes) -> None:
    for run in (make_ours(folders, "ours", RunState("finished")), make_original(folders, "old")):
        (run / name).write_bytes(raw)
    good = make_ours(folders, "good", RunState("finished"))
    found = {run.name: run for run in list_runs(folders)}
    assert set(found) == {"ours", "old", "good"} and found["good"] == summarize(good)
    for run in found.values():
        assert "\n" not in run.fault
        try:
            read_run(run.path)
        except RunError as error:
            assert str(run.path) in str(error)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(FILES),
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["state", "update", "loss", "current_steps", "log_history", "r", "epoch"]),
                inner,
                max_size=4,
            )
        ),
    ),
)
def test_no_json_ends_the_list(tmp_path_factory: pytest.TempPathFactory, name: str, value: object) -> None:
    found = Folders.under(tmp_path_factory.mktemp("data"))
    found.make()
    for run in (make_ours(found, "ours", RunState("finished"), 3), make_webui(found, "host")):
        (run / name).write_text(json.dumps(value))
    assert len(list_runs(found)) == 2


def test_folders_in_place_of_files_and_no_permission(folders: Folders) -> None:
    run = make_ours(folders, "ours", RunState("finished"))
    for name in FILES[:2]:
        (run / name).unlink()
        (run / name).mkdir()
    (found,) = list_runs(folders)
    assert found.fault and found.origin == "ours" and found.state == "unfinished"


def test_a_run_without_its_state_is_unfinished(folders: Folders) -> None:
    (make_ours(folders, "ours", RunState("finished")) / "training_state.json").unlink()
    (found,) = list_runs(folders)
    assert (found.state, found.updates, found.origin) == ("unfinished", 100, "ours") and "missing" in found.reason


def test_no_lora_folder_is_an_empty_list(tmp_path: Path) -> None:
    found = Folders.under(tmp_path / "none")
    assert list_runs(found) == []
    found.user_data.mkdir()
    found.loras.write_text("a file")
    with pytest.raises(RunError, match="can't be read"):
        list_runs(found)


def test_created_is_when_the_oldest_file_was_written(folders: Folders) -> None:
    run = make_original(folders, "old")
    os.utime(run / "training_log.json", (0, 86400))
    assert summarize(run).created == "1970-01-02T00:00:00+00:00"


def test_a_folder_that_a_crash_left_before_its_first_file_is_untouched(tmp_path: Path) -> None:
    run = tmp_path / "tales"
    assert is_untouched(run)
    run.mkdir()
    assert is_untouched(run)
    (run / ".writing-1-00000000-00000000-np").write_text("half")
    assert is_untouched(run)
    (run / "training_parameters.json").write_text("{}")
    assert not is_untouched(run)
    with pytest.raises(RunError, match="can't be read"):
        is_untouched(run / "training_parameters.json")


def test_one_run_is_found_by_its_name_alone(folders: Folders) -> None:
    run = make_ours(folders, "novel", RunState("finished"))
    (folders.loras / "empty").mkdir()
    assert find_run(folders, "novel") == run
    for name in ("empty", "none", "", ".", "..", "../loras/novel", str(run), ".hidden", "a\0b"):
        with pytest.raises(RunError, match="no run"):
            find_run(folders, name)
