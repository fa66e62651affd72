"""A history that another process writes is read as it grows: nothing twice, nothing torn, anew when it was cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from training_pro.errors import RunError
from training_pro.record.followed_history import FollowedHistory
from training_pro.record.history import Event, History
from training_pro.record.points import Point


def losses(followed: FollowedHistory) -> list[float]:
    followed.look()
    return [point.loss for point in followed.points]


def test_it_grows_with_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    followed = FollowedHistory(path)
    assert losses(followed) == []
    history = History.open(path)
    for update in (1, 2, 3):
        history.add(Point(update, loss=float(update)))
        history.add_event(Event("note", update, f"at {update}"))
        assert losses(followed) == losses(followed) == [float(n) for n in range(1, update + 1)]
    history.add_eval(3, 0.5)
    followed.look()
    assert followed.points[-1].eval_loss == 0.5
    assert [event.text for event in followed.events] == ["at 1", "at 2", "at 3"]


def test_a_line_half_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history = History.open(path)
    history.add(Point(1, loss=1.0))
    history.close()
    whole = path.read_bytes()
    followed = FollowedHistory(path)
    path.write_bytes(whole + whole[:20].replace(b"1", b"2", 1))
    assert losses(followed) == [1.0]
    path.write_bytes(whole + whole.replace(b'"update": 1', b'"update": 2'))
    assert losses(followed) == [1.0, 1.0]


def test_a_history_that_was_cut_or_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history = History.open(path)
    for update in range(1, 6):
        history.add(Point(update, loss=float(update)))
    history.close()
    followed = FollowedHistory(path)
    assert len(losses(followed)) == 5
    History.open(path, resume_at=2).close()
    assert losses(followed) == [1.0, 2.0]
    path.rename(tmp_path / "old.jsonl")
    other = History.open(path)
    for update in range(1, 8):
        other.add(Point(update, loss=9.0))
    assert losses(followed) == [9.0] * 7


def test_it_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is closed"):
        FollowedHistory(tmp_path / "h.jsonl").add(Point(1, loss=1.0))
