"""What a picture needs of a long history: nothing that would be seen in it is lost."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_pro.errors import RunError
from training_pro.record import thinned_history
from training_pro.record.history import Event, History, read_history
from training_pro.record.points import Point
from training_pro.record.thinned_history import read_thinned

MOST = 8
# What comes with an update: its loss, whether a checkpoint is written, whether it is evaluated.
UPDATES = st.tuples(st.floats(0, 50) | st.just(math.nan), st.sampled_from((True, *[False] * 9)), st.booleans())


def write(path: Path, updates: list[tuple[float, bool, bool]]) -> None:
    history = History.open(path)
    for update, (loss, checkpoint, evaluated) in enumerate(updates, 1):
        history.add(Point(update, update / 10, loss, loss, 1e-4, 1.0, 100.0, float(update), 500.0))
        if checkpoint:
            history.add_event(Event("checkpoint", update, 'every "few" updates', {"series": "event", "loss": 1.0}))
        if evaluated and update % 7 == 0:
            history.add_eval(update, loss / 2)
    history.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(UPDATES, min_size=60, max_size=400), st.integers(200, 40_000))
def test_the_outermost_losses_and_all_else_that_happened_are_there(
    updates: list[tuple[float, bool, bool]], block_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinned_history, "BLOCK_BYTES", block_bytes)
        path = Path(folder) / "h.jsonl"
        write(path, updates)
        whole, thinned = read_history(path), read_thinned(path, MOST)
        assert thinned.events == whole.events and thinned.points.evaluated() == whole.points.evaluated()
        numbers = set(whole.points.column("update").tolist())
        kept = thinned.points.column("update").tolist()
        assert kept == sorted(set(kept)) and set(kept) <= numbers
        assert (thinned.points[0], thinned.points[-1]) == (whole.points[0], whole.points[-1]) or math.isnan(
            whole.points[0].loss + whole.points[-1].loss
        )
        losses, shown = whole.points.column("loss").tolist(), thinned.points.column("loss").tolist()
        known = [loss for loss in losses if not math.isnan(loss)]
        assert not known or {min(known), max(known)} <= set(shown)


def test_a_long_history_is_thinned(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    write(path, [(3.0 if n != 1234 else 9.0, n % 100 == 0, False) for n in range(5000)])
    found = read_thinned(path, 50)
    assert len(found.points) < 300 and len(found.events) == 50 and found.points.column("loss").max() == 9.0


def test_a_short_or_damaged_one_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    write(path, [(3.0, False, False)] * 2000)
    assert read_thinned(path) == read_history(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"loss": 3.0, ', b'"loss": "inf", ', 1) + whole[:30])
    found = read_thinned(path, 50)
    assert found.torn_lines == 1 and found.points[0].loss == math.inf


def test_none_is_empty_and_one_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert len(read_thinned(tmp_path / "none").points) == 0
    with pytest.raises(RunError, match="can't be read"):
        read_thinned(tmp_path)


def test_a_loss_that_is_no_number_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    write(path, [(3.0, False, False)] * 200)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[100] = lines[100].replace('"loss": 3.0, "smoothed', '"loss": null, "smoothed')
    path.write_text("".join(lines), encoding="utf-8")
    found, whole = read_thinned(path, MOST), read_history(path)
    assert found.torn_lines == whole.torn_lines
    assert len(found.points) == len(whole.points)
