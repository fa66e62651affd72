"""The queue over a session whose runs end when the test says so."""

from __future__ import annotations

import json
import time

import filelock
import pytest

from tests.queue.fake_session import FakeRun, FakeSession, make_run
from tests.queue.two_processes import add_runs, in_two_processes, work_off
from training_pro.errors import RunError, SettingsError
from training_pro.folders import Folders
from training_pro.queue.entry import Entry
from training_pro.queue.kept_list import KeptList
from training_pro.queue.run_queue import RunQueue
from training_pro.record.process import ProcessMark
from training_pro.record.state import starting_state
from training_pro.settings import Settings

GONE = ProcessMark(2**22 + 1, "00000000", "")


@pytest.fixture
def session(folders: Folders) -> FakeSession:
    return FakeSession(folders)


@pytest.fixture
def queue(session: FakeSession, folders: Folders) -> RunQueue:
    return RunQueue(session, KeptList(folders.queue))


def settings(name: str, **more: object) -> Settings:
    return Settings(name=name, text_file="a.txt", **more)


def there(session: FakeSession, run: Settings, state: str) -> None:
    """A run of an earlier day."""
    make_run(session.folders.loras / run.name, run, starting_state(9, "", "", "").ended(state, ""))


def names(queue: RunQueue, state: str = "") -> list[str]:
    return [entry.name for entry in queue.view().entries if state in ("", entry.state)]


def keys(queue: RunQueue) -> dict[str, str]:
    return {entry.name: entry.key for entry in queue.view().entries}


def test_runs_go_one_after_another_and_a_failed_one_stops_nothing(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue"), settings("cyan")])
    session.refuse["blue"] = RunError("The text is gone; put it back.")
    queue.start()
    assert session.next_run().settings.name == "red"
    assert names(queue, "running") == ["red"]
    session.run.end()
    session.next_run().end("stopped", "reached the stop loss")
    assert queue.wait(30)
    assert [(e.state, e.reason) for e in queue.view().entries] == [
        ("finished", "all updates are done"),
        ("failed", "The text is gone; put it back."),
        ("stopped", "reached the stop loss"),
    ]
    last = queue.view().entries[-1]
    assert (last.updates, last.total_updates, last.last_loss) == (10, 10, 1.5)
    assert not queue.view().going


def test_even_a_defect_at_the_start_is_an_outcome(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    session.refuse["red"] = ZeroDivisionError("oh")
    queue.start()
    session.next_run().end()
    assert queue.wait(30)
    assert [entry.state for entry in queue.view().entries] == ["failed", "finished"]
    assert "unexpected" in queue.view().entries[0].reason


def test_all_faults_of_all_runs_at_once_and_none_is_added(session: FakeSession, queue: RunQueue) -> None:
    make_run(
        session.folders.loras / "there", settings("there", rank=8), starting_state(1, "", "", "").ended("finished", "")
    )
    session.faults["blue"] = ["No data is chosen.", "It is all warmup."]
    queue.add([settings("waits")])
    with pytest.raises(SettingsError) as caught:
        queue.add([settings(name) for name in ("red", "blue", "red", "x.y", "there", "Waits")])
    said = "\n".join(map(str, caught.value.faults))
    for words in (
        "blue: No data",
        "blue: It is all warmup",
        "red: A run named",
        "x.y: The name",
        "LoRA Rank was 8",
        "Waits: A",
    ):
        assert words in said
    assert len(caught.value.faults) == 6
    assert names(queue) == ["waits"]


def test_a_run_at_its_end_is_a_fault_or_left_out(session: FakeSession, queue: RunQueue) -> None:
    there(session, settings("done"), "finished")
    with pytest.raises(SettingsError, match="already finished"):
        queue.add([settings("done")])
    added = queue.add([settings("done"), settings("new")], skip_done=True)
    assert added.done == ("done",) and [e.name for e in added.entries] == ["new"]


def test_an_unfinished_run_of_that_name_is_gone_on_with(session: FakeSession, queue: RunQueue) -> None:
    make_run(
        session.folders.loras / "midway", settings("midway"), starting_state(9, "", "", "").ended("interrupted", "")
    )
    make_run(
        session.folders.loras / "old", settings("old", rank=8), starting_state(9, "", "", "").ended("finished", "")
    )
    queue.add([settings("midway"), settings("old", override=True)])
    queue.start()
    session.next_run().end()
    session.next_run().end()
    assert queue.wait(30)
    assert session.begun == [("midway", "continue"), ("old", "replace")]


def test_waiting_runs_are_moved_and_taken_off(queue: RunQueue) -> None:
    queue.add([settings(name) for name in ("red", "blue", "cyan", "dune")])
    at = keys(queue)
    queue.move(at["dune"], -2)
    assert names(queue) == ["red", "dune", "blue", "cyan"]
    queue.move(at["red"], 99)
    queue.remove(at["blue"])
    assert names(queue) == ["dune", "cyan", "red"]
    with pytest.raises(RunError, match="no longer in the queue"):
        queue.remove(at["blue"])


def test_a_running_entry_is_neither_moved_nor_removed(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue"), settings("cyan")])
    queue.start()
    run = session.next_run()
    key = keys(queue)["red"]
    with pytest.raises(RunError, match="is in progress"):
        queue.remove(key)
    with pytest.raises(RunError, match="no longer waiting"):
        queue.move(key, 1)
    with pytest.raises(RunError, match="only a run that has ended"):
        queue.again(key)
    queue.move(keys(queue)["cyan"], -1)
    assert names(queue) == ["red", "cyan", "blue"]
    queue.interrupt()
    assert run.wait(30).ending is not None and queue.wait(30)


def test_it_stops_after_the_present_run_and_goes_on_later(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    queue.start()
    run = session.next_run()
    queue.start()  # a second time changes nothing
    queue.stop()
    assert queue.view().stopping
    run.end()
    assert queue.wait(30)
    assert names(queue, "waiting") == ["blue"]
    queue.start()
    session.next_run().end()
    assert queue.wait(30)
    with pytest.raises(RunError, match="No run is waiting"):
        queue.start()


def test_interrupting_ends_the_present_run_and_starts_no_other(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    queue.start()
    session.next_run()
    queue.interrupt()
    assert queue.wait(30)
    assert [(e.state, e.reason) for e in queue.view().entries] == [
        ("interrupted", "interrupted with the queue"),
        ("waiting", ""),
    ]
    queue.again(keys(queue)["red"])
    assert names(queue, "waiting") == ["blue", "red"]
    queue.start()
    session.next_run().end()
    session.next_run().end()
    assert queue.wait(30)
    assert session.begun[-1] == ("red", "continue")


def test_a_run_interrupted_by_hand_leaves_the_queue_going(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    queue.start()
    session.next_run().controls.interrupt()
    session.next_run().end()
    assert queue.wait(30)
    assert [entry.state for entry in queue.view().entries] == ["interrupted", "finished"]


def test_it_begins_after_the_run_that_goes(session: FakeSession, queue: RunQueue) -> None:
    session.run = other = FakeRun(settings("other"), session.folders.loras / "other")
    with pytest.raises(SettingsError, match="other.*already"):
        queue.add([settings("other")])
    queue.add([settings("red")])
    queue.start()
    assert queue.going and not session.begun
    with pytest.raises(RunError, match='"red"'):
        queue.check_free()
    other.end()
    session.next_run().end()
    assert queue.wait(30)
    queue.check_free()


def test_stopping_while_it_waits_for_another_run_leaves_that_alone(session: FakeSession, queue: RunQueue) -> None:
    session.run = other = FakeRun(settings("other"), session.folders.loras / "other")
    queue.add([settings("red")])
    queue.start()
    queue.interrupt()
    assert queue.wait(30)
    assert other.status.running and names(queue, "waiting") == ["red"]


def test_the_list_outlives_the_process_and_starts_nothing(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red", rank=7), settings("blue")], experiment="study")
    again = RunQueue(session, KeptList(session.folders.queue))
    assert again.view().entries == queue.view().entries
    assert again.view().entries[0].settings.rank == 7 and again.view().entries[0].experiment == "study"
    assert not again.going and session.begun == []


@pytest.mark.parametrize(
    ("ended", "now"), [("finished", "finished"), ("failed", "failed"), ("", "waiting"), ("older", "waiting")]
)
def test_what_ran_when_the_process_died_is_found_out(
    session: FakeSession, folders: Folders, ended: str, now: str
) -> None:
    one = settings("red")
    entry = Entry(one).starting(GONE)
    state = starting_state(9, "tiny", "", "").changed(pid=GONE.pid, process_started=GONE.started)
    if ended == "older":
        state = state.changed(started="2001-01-01T00:00:00+00:00").ended("finished", "")
    elif ended:
        state = state.ended(ended, "so it was")
    make_run(folders.loras / "red", one, state)
    old = KeptList(folders.queue)
    old.write((entry,))
    found = RunQueue(session, KeptList(folders.queue)).view().entries[0]
    assert found.state == now
    assert found.reason == ("so it was" if now == ended else "")


def test_two_processes_on_one_list_see_each_others_changes(session: FakeSession, queue: RunQueue) -> None:
    other = RunQueue(session, KeptList(session.folders.queue))
    queue.add([settings("red")])
    other.add([settings("blue")])
    assert names(queue) == ["red", "blue"]


def test_two_processes_that_add_at_once_lose_no_entry(queue: RunQueue, folders: Folders) -> None:
    added = in_two_processes(add_runs, folders.user_data)
    assert sorted(names(queue)) == sorted(name for theirs in added for name in theirs)


def test_two_processes_that_work_one_list_off_run_each_entry_once(queue: RunQueue, folders: Folders) -> None:
    listed = [f"run-{at}" for at in range(24)]
    queue.add([settings(name) for name in listed])
    begun = in_two_processes(work_off, folders.user_data)
    assert sorted(name for theirs in begun for name in theirs) == sorted(listed)
    assert names(queue, "finished") == listed


def test_the_lock_is_free_while_a_run_trains(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red")])
    queue.start()
    run = session.next_run()
    with filelock.FileLock(f"{session.folders.queue}.lock", timeout=0):
        assert names(queue, "running") == ["red"]
    run.end()
    assert queue.wait(30)


def test_a_lock_that_can_not_be_written_is_lived_without(session: FakeSession, queue: RunQueue) -> None:
    session.folders.queue.with_name("queue.json.lock").mkdir()
    queue.add([settings("red")])
    queue.start()
    session.next_run().end()
    assert queue.wait(30) and names(queue, "finished") == ["red"]


def test_a_process_that_does_not_let_go_of_the_list_is_a_sentence_and_ends_no_queue(
    session: FakeSession, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_pro.record.lock._MOST_S", 0.05)
    queue = RunQueue(session, KeptList(folders.queue))
    queue.add([settings("red"), settings("blue")])
    queue.start()
    run = session.next_run()
    with filelock.FileLock(f"{folders.queue}.lock"):
        with pytest.raises(RunError, match="has held .* for 0.05 s"):
            queue.add([settings("cyan")])
        run.end()
        while names(queue, "finished") != ["red"]:
            time.sleep(0.01)
        assert "has held" in queue.view().fault
    session.next_run().end()
    assert queue.wait(30)
    assert names(queue, "finished") == ["red", "blue"] and queue.view().fault == ""


def test_a_damaged_list_is_kept_aside_and_the_good_entries_stay(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    file = session.folders.queue
    written = json.loads(file.read_text(encoding="utf-8"))
    written["entries"][0]["settings"]["rank"] = "many"
    file.write_text(json.dumps(written), encoding="utf-8")
    found = RunQueue(session, KeptList(file)).view()
    assert [entry.name for entry in found.entries] == ["blue"]
    assert "LoRA Rank" in found.fault and "kept in" in found.fault
    assert len(list(file.parent.glob("queue-*.json"))) == 1


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"entries": 3}', '{"entries": [3]}', '{"entries": [{"settings": {}, "state": "odd"}]}']
)
def test_nonsense_in_the_file_is_a_sentence(session: FakeSession, text: str) -> None:
    session.folders.queue.write_text(text, encoding="utf-8")
    queue = RunQueue(session, KeptList(session.folders.queue))
    assert queue.view().entries == () and "queue" in queue.view().fault
    queue.add([settings("red")])
    assert names(queue) == ["red"]


def test_a_disk_that_refuses_ends_no_queue(
    session: FakeSession, queue: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.add([settings("red"), settings("blue")])

    def full(*_: object) -> None:
        raise RunError("queue.json couldn't be written: the disk is full.")

    monkeypatch.setattr("training_pro.queue.kept_list.write_json_whole", full)
    queue.start()
    session.next_run().end()
    session.next_run().end()
    assert queue.wait(30)
    assert [entry.state for entry in queue.view().entries] == ["finished", "finished"]
    assert "disk is full" in queue.view().fault
    with pytest.raises(RunError, match="disk is full"):
        queue.add([settings("cyan")])
    assert names(queue) == ["red", "blue"]


def test_what_has_ended_is_cleared(session: FakeSession, queue: RunQueue) -> None:
    queue.add([settings("red"), settings("blue")])
    queue.start()
    run = session.next_run()
    queue.stop()
    run.end()
    assert queue.wait(30)
    assert queue.clear_ended() == 1 and names(queue) == ["blue"]
    assert (session.folders.loras / "red").is_dir()


def test_a_list_without_a_file_lives_in_memory(session: FakeSession) -> None:
    queue = RunQueue(session, KeptList(None))
    queue.add([settings("red")])
    assert names(queue) == ["red"] and not session.folders.queue.exists()


def test_an_entry_of_an_earlier_version_is_read_as_its_settings_meant_it(
    session: FakeSession, folders: Folders
) -> None:
    kept = KeptList(folders.queue)
    RunQueue(session, kept).add([settings("red")])
    written = json.loads(folders.queue.read_text(encoding="utf-8"))
    (values,) = written["entries"]
    del values["options"]  # there was none
    values["settings"]["gradient_checkpointing"] = True  # it was a switch
    folders.queue.write_text(json.dumps(written), encoding="utf-8")
    (entry,) = kept.read()
    assert (entry.name, entry.options, kept.fault) == ("red", (), "")
    older = Settings(gradient_checkpointing=True)  # type: ignore[arg-type]  # as older files have it
    assert entry.settings.gradient_checkpointing == older.gradient_checkpointing
