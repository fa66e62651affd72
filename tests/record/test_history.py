from __future__ import annotations

import errno
import json
import math
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_pro.errors import RunError
from training_pro.record.history import Event, History, HistoryData, read_history, sample_history
from training_pro.record.points import Point

NUMBERS = st.floats() | st.integers(-5, 5).map(float)
POINTS = st.builds(
    Point,
    update=st.integers(0, 2**53 - 1),
    epoch=NUMBERS,
    loss=NUMBERS,
    smoothed_loss=NUMBERS,
    learning_rate=NUMBERS,
    grad_norm=NUMBERS,
    tokens_per_s=NUMBERS,
    elapsed_s=NUMBERS,
    memory_mb=NUMBERS,
    eval_loss=st.none() | NUMBERS,
)
EVENTS = st.builds(
    Event,
    kind=st.text(max_size=9),
    update=st.integers(0, 99),
    text=st.text(max_size=30),
    at=st.text(min_size=1, max_size=5),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training_history.jsonl"


def write(path: Path, updates: range) -> None:
    history = History.open(path)
    for update in updates:
        history.add(Point(update, epoch=update / 10, loss=3.0 - update / 100, smoothed_loss=3.0))
        if update % 5 == 0:
            history.add_event(Event("checkpoint", update, "every 5 updates", {"folder": f"checkpoint-{update}"}))
    history.close()


def updates(data: HistoryData | History) -> list[int]:
    return [point.update for point in data.points]


@settings(max_examples=40)
@given(st.lists(POINTS | EVENTS, max_size=8))
def test_what_is_added_is_read_back_exactly(things: list[Point | Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h"
        history = History.open(path)
        for thing in things:
            if isinstance(thing, Point):
                history.add(thing)
            else:
                history.add_event(thing)
        written = history.data()
        history.close()
        read = read_history(path)
        assert read.points == written.points
        assert read.events == written.events == tuple(thing for thing in things if isinstance(thing, Event))
        assert read.torn_lines == 0
        for line in path.read_text("utf-8").split("\n")[:-1]:
            json.loads(line, parse_constant=pytest.fail)


def test_a_crash_at_any_byte_loses_only_the_line_being_written(path: Path) -> None:
    write(path, range(5, 7))
    history = History.open(path)
    history.add_event(Event("sample", 6, "größer — 文"))
    history.close()
    raw = path.read_bytes()
    whole = read_history(path)
    lines = raw.splitlines(keepends=True)
    for cut in range(len(raw) + 1):
        path.write_bytes(raw[:cut])
        kept = [json.loads(line) for line in raw[:cut].splitlines(keepends=True) if line.endswith(b"\n")]
        read = read_history(path)
        assert updates(read) == [line["update"] for line in kept if "event" not in line]
        assert len(read.events) == sum("event" in line for line in kept)
        history = History.open(path)
        history.add(Point(99, loss=1.0))
        history.close()
        again = read_history(path)
        assert again.torn_lines == 0 and updates(again) == [*updates(read), 99]
    assert len(whole.points) + len(whole.events) == len(lines)


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 10**6))
def test_any_bytes_anywhere_never_stop_the_reading(rubbish: bytes, place: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h"
        write(path, range(1, 6))
        raw = path.read_bytes()
        at = place % (len(raw) + 1)
        path.write_bytes(raw[:at] + rubbish + raw[at:])
        before = read_history(path)
        assert len(before.points) >= 3
        history = History.open(path)
        history.add(Point(7, loss=1.0))
        history.close()
        assert updates(read_history(path)) == [*updates(before), 7]


@pytest.mark.parametrize(
    "line",
    [
        b"[]", b"null", b'"x"', b"1", b"{}", b'{"update": true, "loss": 1}', b'{"update": -1, "loss": 1}',
        b'{"update": 1.5, "loss": 1}', b'{"update": 1e999, "loss": 1}', b'{"update": 9007199254740992, "loss": 1}',
        b'{"update": 1}', b'{"update": 1, "event": 5}', b"[" * 10000, b"\x00" * 50, b"\xff\xfe",
    ],
)  # fmt: skip
def test_lines_that_are_none_of_ours_are_counted_and_left_out(path: Path, line: bytes) -> None:
    write(path, range(1, 3))
    raw = path.read_bytes()
    path.write_bytes(line + b"\n" + raw)
    read = read_history(path)
    assert updates(read) == [1, 2] and read.torn_lines == 1


def test_wrong_or_missing_numbers_are_nan_and_unknown_keys_are_left(path: Path) -> None:
    path.write_text('{"update": 4, "loss": "much", "epoch": [], "grad_norm": true, "later": 1, "memory_mb": "NaN"}\n')
    (point,) = read_history(path).points
    assert point.update == 4 and point.eval_loss is None
    assert all(map(math.isnan, (point.loss, point.epoch, point.grad_norm, point.memory_mb, point.tokens_per_s)))


def test_going_on_from_a_checkpoint_cuts_what_will_happen_again(path: Path) -> None:
    write(path, range(1, 13))
    history = History.open(path, resume_at=5)
    assert updates(history) == [1, 2, 3, 4, 5]
    assert [event.update for event in history.events] == [5]
    for update in (6, 7):
        history.add(Point(update, loss=1.0))
    history.close()
    assert updates(read_history(path)) == [1, 2, 3, 4, 5, 6, 7]


def test_going_on_without_a_number_keeps_all_and_from_zero_nothing(path: Path) -> None:
    write(path, range(1, 4))
    history = History.open(path)
    assert updates(history) == [1, 2, 3]
    history.close()
    History.open(path, resume_at=0).close()
    assert path.read_bytes() == b""


def test_the_same_run_continued_leaves_the_same_points(path: Path, tmp_path: Path) -> None:
    write(path, range(1, 13))
    straight = read_history(path)
    other = tmp_path / "other"
    write(other, range(1, 10))
    with other.open("ab") as file:
        file.write(b'{"update": 10, "lo')
    history = History.open(other, resume_at=7)
    for point in straight.points[7:]:
        history.add(point)
    history.close()
    assert read_history(other).points == straight.points


def test_an_evaluation_belongs_to_its_update(path: Path) -> None:
    history = History.open(path)
    history.add_eval(0, 3.5)
    history.add(Point(1, loss=2.0))
    history.add_eval(1, 2.5)
    history.add(Point(2, loss=1.0))
    live = history.points
    history.close()
    assert [point.eval_loss for point in live] == [3.5, 2.5, None]
    assert read_history(path).points == live


def test_an_event_gets_its_time(path: Path) -> None:
    history = History.open(path)
    history.add_event(Event("stop", 3, "by hand", {"loss": math.nan}))
    history.close()
    (event,) = read_history(path).events
    assert event.at.startswith("2") and event.at.endswith("+00:00")
    assert event.details == {"loss": None}


def test_a_full_disk_in_mid_line_leaves_whole_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History.open(path)
    history.add(Point(1, loss=1.0))
    real, calls = os.write, iter([0, 1])

    def half_then_full(handle: int, data: bytes) -> int:
        if next(calls) == 0:
            return real(handle, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        with pytest.raises(RunError, match="disk is full; free some space"):
            history.add(Point(2, loss=1.0))
    assert updates(history) == [1]
    assert path.read_bytes().endswith(b"}\n")
    history.add(Point(2, loss=1.0))
    history.close()
    read = read_history(path)
    assert updates(read) == [1, 2] and read.torn_lines == 0


def test_a_slow_disk_that_takes_a_line_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    history = History.open(path)
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:7]))
    history.add(Point(1, loss=1.25))
    history.close()
    assert read_history(path).points[0].loss == 1.25


def test_faults_are_sentences(path: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="folder is gone"):
        History.open(tmp_path / "gone" / "h")
    path.mkdir()
    for attempt in (lambda: History.open(path), lambda: read_history(path), lambda: sample_history(path)):
        with pytest.raises(RunError, match="training_history"):
            attempt()
    assert read_history(tmp_path / "absent").points == History.open(tmp_path / "new").points


def test_a_closed_history_takes_nothing_more(path: Path) -> None:
    history = History.open(path)
    history.close()
    history.close()
    with pytest.raises(RunError, match="closed"):
        history.add(Point(1))


def test_a_line_is_on_disk_when_add_returns(path: Path) -> None:
    history = History.open(path)
    history.add(Point(1, loss=1.0))
    assert updates(read_history(path)) == [1]
    history.close()


def test_reading_from_other_threads_while_writing(path: Path) -> None:
    history = History.open(path)
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            data = history.data()
            if updates(data) != list(range(1, len(data.points) + 1)) or len(data.events) > len(data.points):
                faults.append("a reader saw half a history")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for update in range(1, 1500):
        history.add(Point(update, loss=1.0))
        history.add_event(Event("note", update))
    done.set()
    for reader in readers:
        reader.join()
    history.close()
    assert not faults


def test_an_update_takes_less_than_300_bytes(path: Path) -> None:
    history = History.open(path)
    for update in range(1, 101):
        history.add(Point(update, 0.123456789, 2.3456789, 2.3, 3e-4, 1.23456, 1234.5, 12.25, 2048.5))
    history.close()
    assert 10_000 < path.stat().st_size < 30_000


@pytest.mark.parametrize("count", [0, 1, 59, 60, 61, 3000])
def test_a_sample_is_spread_over_the_whole_run(path: Path, count: int) -> None:
    write(path, range(1, count + 1))
    sample = [point.update for point in sample_history(path, 60)]
    assert sample == sorted(set(sample)) and len(sample) == min(count, 60)
    if count:
        assert sample[0] == 1 and sample[-1] == count
        gaps = [later - earlier for earlier, later in zip(sample, sample[1:], strict=False)]
        assert max(gaps, default=0) <= 2 * count / 60 + 1


@pytest.mark.parametrize("count", [40, 2000])
def test_a_sample_ends_with_the_last_point_whatever_follows_it(path: Path, tmp_path: Path, count: int) -> None:
    write(path, range(1, count + 1))
    history = History.open(path)
    history.add_eval(count, 2.0)
    history.add_event(Event("stop", count, 'a "loss" of 2 was reached', {"loss": 2.0}))
    history.close()
    with path.open("ab") as file:
        file.write(b'{"update": 2001, "loss": 1.0}')
    assert sample_history(path)[-1].update == count
    assert sample_history(tmp_path / "absent") == []


def test_torn_lines_that_would_make_sense_together_are_torn_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b'{"update": 1, "loss": 1.0}\n{"update": 2, "loss": [2.0\n3.0]}\n{"update": 4, "loss": 4.0}\n')
    read = read_history(path)
    assert updates(read) == [1, 4] and read.torn_lines == 2


def test_an_event_s_kind_is_text_whatever_a_file_says(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"update": 1, "event": 2, "loss": 1.0}\n', encoding="utf-8")
    assert [event.kind for event in read_history(tmp_path / "a.jsonl").events] == ["2"]


@pytest.mark.parametrize("value", ["true", "null", "[1]", '"x"', "1e999", str(10**400)])
def test_a_measure_that_is_no_number_is_not_measured(path: Path, value: str) -> None:
    write(path, range(1, 4))
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:1], lines[1].replace('"loss": 2.98', f'"loss": {value}'), *lines[2:]]), "utf-8")
    found = read_history(path)
    assert [point.update for point in found.points] == [1, 2, 3] and found.torn_lines == 0
    assert not math.isfinite(found.points[1].loss) and found.points[2].loss == 2.97


@pytest.mark.parametrize("update", ["1.0", "-1", "true", str(2**53)])
def test_an_update_that_is_no_whole_number_is_torn(path: Path, update: str) -> None:
    write(path, range(1, 4))
    path.write_text(path.read_text("utf-8").replace('"update": 2', f'"update": {update}'), "utf-8")
    assert (updates(read_history(path)), read_history(path).torn_lines) == ([1, 3], 1)
