"""A run's memory: made to fit on the CPU, learned from its first updates, remembered for the next forecast."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.behaviours.moments import Moments
from tests.training.memory.test_forecast import work
from tests.training.tiny import TinyOwner, prepared, small_settings, train
from training_pro.errors import ModelError
from training_pro.training.behaviours import meter
from training_pro.training.behaviours.meter import MEASURED_UPDATES, MemoryPeak
from training_pro.training.memory.forecast import forecast, ways_out
from training_pro.training.memory.run_memory import FILE, LEAST, MOST, Kind, RunMemory, correction, factor, keep

KIND = Kind("tiny", "4-bit", "cpu", "q-v", "bfloat16")


def memory_of(cache: Path, free_gb: float, device: str = "cpu", **settings: Any) -> RunMemory:
    return RunMemory(work(free_gb, device, **settings), KIND, cache)


# -- made to fit ------------------------------------------------------------------------------------------------------


def test_what_fits_is_left_alone(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, 1000)
    assert memory.begin(8, 512) == ""
    assert memory.at_once == 8


def test_on_the_cpu_a_batch_too_large_is_taken_in_parts_and_it_is_said(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, 100)
    said = memory.begin(64, 512)
    assert 1 < memory.at_once < 64
    assert memory.forecast(memory.at_once, 512).fits
    assert not memory.forecast(memory.at_once + 1, 512).fits
    assert "64 blocks of up to 512 tokens" in said and f"takes {memory.at_once} at a time" in said


def test_between_the_share_and_all_a_single_block_is_tried_and_it_is_said(tmp_path: Path) -> None:
    needed = memory_of(tmp_path, 1).forecast(1, 512).needed_bytes
    memory = memory_of(tmp_path, 1.1 * needed / 1024**3)
    said = memory.begin(1, 512)
    assert memory.at_once == 1
    assert "80%" in said and "To need less" in said


def test_on_the_cpu_a_run_that_can_t_fit_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="One block of 512 tokens ") as refused:
        memory_of(tmp_path, 0.2).begin(4, 512)
    assert "--set gradient_checkpointing=auto" in refused.value.options


def test_on_a_card_it_is_tried_and_it_is_said(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, 0.2, "cuda")
    said = memory.begin(4, 512)
    assert "0.20 GB" in said and "is tried" in said
    assert memory.at_once == 4


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_layers_are_checkpointed_before_the_batch_is_cut(tmp_path: Path, device: str) -> None:
    memory = memory_of(tmp_path, 10, device, gradient_checkpointing="auto")
    said = memory.begin(10, 256)
    assert memory.at_once == 10 and 0 < memory.checkpointed < 32
    assert f"{memory.checkpointed} of 32 layers" in said
    short = memory_of(tmp_path, 1.5, device, gradient_checkpointing="auto")
    short.begin(64, 512)
    assert short.checkpointed > memory.checkpointed
    assert short.at_once == (64 if device == "cuda" else short.at_once)
    assert short.at_once < 64 or device == "cuda"


# -- learned ----------------------------------------------------------------------------------------------------------


@dataclass
class Updates:
    micro_batch_size: int
    largest: tuple[int, int]


def taken(memory: RunMemory, blocks: int, tokens: int, times: float) -> int:
    expected = forecast(memory.work, blocks, tokens)
    return int((expected.activations + expected.loss) * times) + expected.gradients + expected.optimizer


def test_the_next_forecast_is_what_was_measured(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, 100)
    memory.begin(4, 512)
    for number, (tokens, times) in enumerate([(200, 3.0), (512, 1.5), (300, 1.0), (511, 1.4), (64, 7.0)], start=1):
        memory.learn(Updates(4, (4, tokens)), number, taken(memory, 4, tokens, times))
    found = correction(tmp_path, KIND)
    assert found == pytest.approx(1.5, abs=0.001), "the largest update counts"
    after = replace(memory.work, correction=found)
    assert forecast(after, 4, 512).needed_bytes == pytest.approx(
        taken(memory, 4, 512, 1.5) + forecast(after, 4, 512).adapter, rel=0.001
    )


def test_an_update_that_ran_out_of_memory_teaches_nothing(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, 100)
    memory.begin(4, 512)
    memory.learn(Updates(2, (2, 512)), 1, taken(memory, 4, 512, 2.0))
    memory.learn(Updates(2, (2, 512)), 2, taken(memory, 2, 512, 1.25))
    assert correction(tmp_path, KIND) == pytest.approx(1.25, abs=0.001)


def test_too_little_to_tell(tmp_path: Path) -> None:
    tiny = forecast(work(), 1, 8)
    assert factor(replace(tiny, activations=1000, loss=1000), 1 << 30) is None
    assert factor(forecast(work(), 4, 512), 1000) is None
    assert factor(forecast(work(), 4, 512), 1 << 50) == MOST


def test_kinds_of_runs_are_kept_apart(tmp_path: Path) -> None:
    keep(tmp_path / "new", KIND, 1.5)
    keep(tmp_path / "new", replace(KIND, device="cuda"), 0.9)
    assert correction(tmp_path / "new", KIND) == 1.5
    assert correction(tmp_path / "new", replace(KIND, device="cuda")) == 0.9
    assert correction(tmp_path / "new", replace(KIND, targets="all")) == 1.0
    assert correction(tmp_path / "new", replace(KIND, dtype="float16")) == 1.0


def test_a_run_is_of_another_kind_with_other_targets_or_another_type(owner: TinyOwner, tmp_path: Path) -> None:
    def key(**changes: Any) -> str:
        return RunMemory.of(owner.loaded, small_settings(**changes), tmp_path).kind.key

    keys = [key(), key(targets="all"), key(targets="own list", target_modules="q_proj")]
    owner.loaded.model.to(torch.bfloat16)
    assert len({*keys, key()}) == 4


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a": 1}', "\x00", json.dumps({KIND.key: "x"}), json.dumps({KIND.key: True})]
)
def test_a_broken_file_is_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    assert correction(tmp_path, KIND) == 1.0
    keep(tmp_path, KIND, 2.0)
    assert correction(tmp_path, KIND) == 2.0


@pytest.mark.parametrize(("kept", "used"), [(1e9, MOST), (-3, LEAST)])
def test_no_kept_factor_is_believed_beyond_reason(kept: float, used: float, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({KIND.key: kept}))
    assert correction(tmp_path, KIND) == used


def test_a_cache_that_can_t_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file", KIND, 2.0)
    assert correction(tmp_path / "file", KIND) == 1.0


def test_only_the_first_updates_are_measured_above_one_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[Any] = []

    class Peak:
        def __init__(self, device: torch.device, above: int | None) -> None:
            self.above, self.start, self.bytes = above, 7, 100 + len(made)
            made.append(self)

        def __enter__(self) -> Peak:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(meter, "PeakMemory", Peak)
    told: list[tuple[int, int]] = []
    moments = Moments(tmp_path)
    behaviour = MemoryPeak(torch.device("cpu"), lambda runner, number, size: told.append((number, size)))
    moments.with_these(behaviour)
    for _ in range(MEASURED_UPDATES + 3):
        moments.train(1.0)
    assert told == [(n, 99 + n) for n in range(1, MEASURED_UPDATES + 1)]
    assert [peak.above for peak in made] == [None, 7, 7, 7, 7]


# -- what becomes of freed memory ----------------------------------------------------------------------------------


def test_freed_memory_is_kept_only_where_there_is_plenty(tmp_path: Path) -> None:
    plenty, short, card = memory_of(tmp_path, 1000), memory_of(tmp_path, 1000), memory_of(tmp_path, 1000, "cuda")
    for memory in (plenty, short, card):
        memory.begin(8, 512)
    needed = plenty.forecast(8, 512).needed_bytes
    assert plenty.plentiful(512)
    short.work = replace(short.work, free_bytes=round(needed * 3))
    assert short.forecast(8, 512).fits and not short.plentiful(512)
    assert not card.plentiful(512)


@pytest.mark.parametrize("plenty", [True, False])
def test_a_run_keeps_freed_memory_where_there_is_plenty_and_measures_where_not(
    plenty: bool, owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("training_pro.training.job.keep_freed_memory", lambda: asked.append("keep"))
    monkeypatch.setattr("training_pro.training.job.give_freed_memory_back", lambda: asked.append("give back"))
    monkeypatch.setattr(RunMemory, "plentiful", lambda *_: plenty)
    monkeypatch.setattr(RunMemory, "learn", lambda *_: asked.append("measured"))
    train(owner, small_settings())
    assert asked[0] == ("keep" if plenty else "give back")
    assert asked[1:] == ([] if plenty else ["measured"] * MEASURED_UPDATES)


# -- in a whole run ---------------------------------------------------------------------------------------------------


def test_a_run_takes_fewer_at_once_where_memory_is_short_and_learns_the_same(
    owner: TinyOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(owner, small_settings(name="whole", batch_size=4, dropout=0.0))
    monkeypatch.setattr("training_pro.training.memory.run_memory.largest_that_fits", lambda *_: 3)
    monkeypatch.setattr("training_pro.training.memory.run_memory.free_bytes", lambda _: 1)
    monkeypatch.setattr(
        RunMemory,
        "forecast",
        lambda self, size, longest: forecast(work(0.01 if size > 3 else 1e5, "cpu"), size, longest),
    )
    parted = train(owner, small_settings(name="parted", batch_size=4, dropout=0.0))
    assert any("takes 3 at a time" in note for note in parted.notes)
    assert parted.point.loss == pytest.approx(whole.point.loss, rel=1e-4)


def test_a_run_that_can_t_fit_ends_before_its_first_update(owner: TinyOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.training.tiny import finish, make_run

    monkeypatch.setattr("training_pro.training.memory.run_memory.free_bytes", lambda _: 1000)
    status = finish(make_run(owner, small_settings(), prepared()))
    assert status.ending.kind == "failed" and status.update == 0
    assert "To need less" in status.ending.reason or "Close other programs, or: " in status.ending.reason


def test_where_one_block_is_too_much_a_smaller_batch_is_no_way_out() -> None:
    assert "lower the True Batch Size" in ways_out(work(), 512, at_once=4)[0]
    assert "True Batch Size" not in ways_out(work(), 512, at_once=1)[0]
