"""Several processes train the same LoRA as one: shares, agreement, and two real processes over gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import two_processes as two
from tests.training.tiny import TinyOwner, adapter_bytes, finish, make_run, small_settings, train, weights
from tests.training.watched import after_updates
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.hosts.model_folder import load_model_folder
from training_pro.plan import make_plan
from training_pro.record.history import read_history
from training_pro.training.controls import Controls
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler, share_of
from training_pro.training.resume import Begin, check_same, differences
from training_pro.training.several.team import ALONE, LaunchedTeam, TeamLost, join

ROOT = Path(__file__).parents[3]
SAME_LOSS = 1e-5
SAME_WEIGHT = 1e-4


# -- whose block is whose ---------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))
def test_each_block_of_an_update_goes_to_one_process(
    blocks: int, batch: int, processes: int, accumulation: int
) -> None:
    update = list(range(100, 100 + min(blocks, batch * processes * accumulation)))
    shares = [share_of(update, batch * processes, rank, processes) for rank in range(processes)]
    assert sorted(sum(shares, [])) == update
    if len(update) == batch * processes * accumulation:
        assert {len(share) for share in shares} == {batch * accumulation}
        for first in range(0, batch * accumulation, batch):  # what is on the devices at once lies side by side
            at_once = sum((share[first : first + batch] for share in shares), [])
            assert sorted(at_once) == update[first * processes : (first + batch) * processes]


def test_two_processes_have_the_updates_of_one() -> None:
    lengths = two.data().train.lengths
    order = EpochSampler(lengths, 4, 3, True)
    one = list(UpdateSampler(order, 4, 8))
    shares = [list(UpdateSampler(order, 4, 8, rank, 2)) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == [sorted(update) for update in one]
    assert len(one) == len(UpdateSampler(order, 4, 8)) == 4


@given(st.integers(1, 500), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.floats(0.1, 4))
def test_the_plan_counts_the_blocks_of_all_processes(n: int, batch: int, steps: int, processes: int, e: float) -> None:
    plan, one = make_plan(n, batch, steps, e, processes=processes), make_plan(n, batch * processes, steps, e)
    assert (plan.updates_per_epoch, plan.total_updates) == (one.updates_per_epoch, one.total_updates)
    assert plan.blocks_per_update == one.blocks_per_update
    assert any("per device" in note for note in plan.notes) == (processes > 1)


# -- continuing in another number of processes ------------------------------------------------------------------------


def test_another_number_of_processes_may_go_on_with_the_same_blocks_per_update() -> None:
    before, halved = small_settings(batch_size=4), small_settings(batch_size=2)
    assert differences(before, halved, (1, 2)) == []
    assert differences(halved, before, (2, 1)) == []
    assert differences(before, halved, (1, 1)) != []
    (sentence,) = differences(before, before, (1, 2))
    assert "were 4 (True Batch Size 4 x Gradient Accumulation 1 x 1 process), are 8" in sentence
    with pytest.raises(RunError, match="x 2 processes"):
        check_same(before, before, (1, 2))


# -- agreement --------------------------------------------------------------------------------------------------------


class ThreadTeam(LaunchedTeam):
    """Processes played by threads."""

    def __init__(self, rank: int, size: int, table: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(rank, size, None)
        self._table, self._barrier = table, barrier

    def _exchange(self, word: dict[str, Any]) -> list[dict[str, Any]]:
        if self.lost:
            return super()._exchange(word)
        self._table[self.rank] = json.dumps(word)
        self._barrier.wait(60)
        words = [json.loads(text) for text in self._table]
        self._barrier.wait(60)
        return words


def together(*parts: Any) -> list[Any]:
    """Each part with its team, in a thread of its own; what they gave or raised."""
    barrier, table = threading.Barrier(len(parts)), [None] * len(parts)
    results: list[Any] = [None] * len(parts)

    def play(rank: int) -> None:
        try:
            results[rank] = parts[rank](ThreadTeam(rank, len(parts), table, barrier))
        except TeamLost as lost:
            results[rank] = lost

    threads = [threading.Thread(target=play, args=(rank,)) for rank in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_alone_everything_answers_at_once() -> None:
    controls = Controls(small_settings())
    assert join() is ALONE
    assert ALONE.main
    assert ALONE.gather(3) == ALONE.meet(3) == [3]
    assert ALONE.share(controls, small_settings()) is controls
    with ALONE.main_first(), ALONE.apart():
        assert ALONE.main_says(5) == 5
    ALONE.leave("failed", "no matter")
    assert not ALONE.lost


def test_live_values_of_the_main_process_count_and_anybodys_interrupt() -> None:
    outside = [Controls(small_settings()) for _ in range(3)]
    outside[0].set(stop_at_loss=1.5, learning_rate_scale=0.5)
    outside[0].ask_checkpoint()
    outside[0].pause()
    outside[1].set(stop_at_loss=9.0)
    outside[2].interrupt("ended by SIGTERM")

    def part(team: ThreadTeam) -> Any:
        agreed = team.share(outside[team.rank], small_settings())
        assert agreed.values.stop_at_loss == 0
        assert team.meet(team.rank * 10) == [0, 10, 20]
        return vars(agreed.values), agreed.take_checkpoint_request(), agreed.paused, agreed.interrupt_reason

    results = together(part, part, part)
    assert results[0] == results[1] == results[2]
    values, checkpoint, paused, reason = results[0]
    assert values["stop_at_loss"] == 1.5
    assert values["learning_rate_scale"] == 0.5
    assert checkpoint and paused
    assert reason == "ended by SIGTERM"
    assert outside[0].taken.stop_at_loss == 1.5


def test_a_pause_ends_for_all_when_the_main_process_ends_it() -> None:
    outside = [Controls(small_settings()), Controls(small_settings())]
    outside[0].pause()

    def part(team: ThreadTeam) -> int:
        agreed = team.share(outside[team.rank], small_settings())
        team.meet(None)
        rounds = 0
        while agreed.wait_while_paused(0.01):
            rounds += 1
            if team.main and rounds == 3:
                outside[0].resume()
        return rounds

    assert together(part, part) == [3, 3]


def test_who_leaves_tells_the_others_why() -> None:
    def leaving(team: ThreadTeam) -> str:
        team.leave("failed", "The disk is full.")
        return "left"

    def staying(team: ThreadTeam) -> Any:
        with pytest.raises(TeamLost) as caught:
            team.gather("anything")
        assert team.lost
        with pytest.raises(TeamLost):  # and says no more
            team.gather("anything")
        team.leave("failed", "me, too")
        assert team.main_says("own") == "own"
        return str(caught.value), caught.value.kind

    assert together(staying, leaving)[0] == ("Process 1 of this run has ended: The disk is full.", "failed")


def test_an_interrupted_process_interrupts_the_others() -> None:
    def leaving(team: ThreadTeam) -> None:
        team.leave("interrupted", "ended by SIGINT")

    lost = together(lambda team: team.gather(1), leaving)[0]
    assert (lost.kind, lost.reason) == ("interrupted", "ended by SIGINT")


def test_the_main_process_goes_first() -> None:
    done: list[int] = []

    def part(team: ThreadTeam) -> None:
        with team.main_first():
            done.append(team.rank)

    together(part, part, part)
    assert done[0] == 0
    assert sorted(done) == [0, 1, 2]


# -- two real processes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """What the two processes said and left behind."""

    folder: Path
    output: str
    owner: TinyOwner

    def said(self, scenario: str) -> list[dict[str, Any]]:
        return [json.loads((self.folder / f"{scenario}.{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]

    def lora(self, name: str) -> Path:
        return self.owner.folders.loras / name


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Launch]:
    """All scenarios of `two_processes`, in one start."""
    folder = tmp_path_factory.mktemp("two")
    owner = TinyOwner(Folders.under(folder / "user_data"), None)
    owner.folders.make()
    rows = "".join(json.dumps({"text": f"The lamp number {i} is lit. She counts the steps."}) + "\n" for i in range(9))
    (owner.folders.datasets / "rows.jsonl").write_text(rows, encoding="utf-8")
    settings = {**vars(two.SETTINGS), "name": "command", "text_file": "", "dataset": "rows.jsonl", "max_tokens": 32}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    load(owner, tiny_folder)
    run = make_run(owner, two.in_one_process(two.SETTINGS.changed(name="from_one")), two.data())
    with pytest.MonkeyPatch.context() as patch, after_updates({5: run.controls.interrupt}):
        patch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
        finish(run)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "tests.training.two_processes", str(folder), str(tiny_folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TRANSFORMERS_VERBOSITY": "error"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    yield Launch(folder, done.stdout + done.stderr, owner)


def load(owner: TinyOwner, tiny_folder: Path) -> None:
    owner.loaded = load_model_folder(tiny_folder, load_in_4bit=False, dtype="float32")


def largest_difference(one: Path, other: Path) -> float:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.slow
class TestTwoProcesses:
    def test_all_scenarios_were_played(self, launch: Launch) -> None:
        missing = [s.__name__ for s in two.SCENARIOS if not (launch.folder / f"{s.__name__}.0.json").is_file()]
        assert missing == [], launch.output[-3000:]

    def test_they_learn_what_one_process_learns(self, launch: Launch, tiny_folder: Path) -> None:
        load(launch.owner, tiny_folder)
        status = train(launch.owner, two.in_one_process(two.SETTINGS.changed(name="one")), two.data())
        points = read_history(status.folder / "training_history.jsonl").points
        main, other = launch.said("whole")
        assert main["kind"] == "finished"
        assert main["points"] == other["points"]
        assert len(main["points"]) == len(points) == 12
        for point, (loss, norm, eval_loss, tokens) in zip(points, main["points"], strict=True):
            assert loss == pytest.approx(point.loss, abs=SAME_LOSS)
            assert norm == pytest.approx(point.grad_norm, rel=1e-3)
            assert (eval_loss is None) == (point.eval_loss is None)
            assert eval_loss is None or eval_loss == pytest.approx(point.eval_loss, abs=SAME_LOSS)
            assert tokens == status.tokens
        assert largest_difference(status.folder, launch.lora("whole")) < SAME_WEIGHT
        assert any("True Batch Size 2 is per device" in note for note in main["notes"])

    @pytest.mark.parametrize("scenario", ["whole", "dropout"])
    def test_weights_are_equal_in_both(self, launch: Launch, scenario: str) -> None:
        main, other = launch.said(scenario)
        assert main["sums"] == other["sums"]
        assert len(main["sums"]) == 8

    def test_a_live_stop_and_a_checkpoint_reach_both(self, launch: Launch) -> None:
        main, other = launch.said("steered")
        assert main["kind"] == other["kind"] == "stopped"
        assert "reached the stop loss 9.5" in main["reason"]
        assert main["reason"] == other["reason"]
        assert main["update"] == other["update"] == 5
        assert 3 in main["checkpoints"]

    def test_an_interrupt_of_one_ends_both_and_the_run_goes_on_exactly(self, launch: Launch) -> None:
        main, other = launch.said("interrupted")
        assert main["first"]["kind"] == other["first"]["kind"] == "interrupted"
        assert main["first"]["update"] == other["first"]["update"] == 5
        assert main["second"]["kind"] == other["second"]["kind"] == "finished"
        assert adapter_bytes(launch.lora("interrupted")) == adapter_bytes(launch.lora("undisturbed"))

    def test_one_process_goes_on_where_two_were(self, launch: Launch, tiny_folder: Path) -> None:
        load(launch.owner, tiny_folder)
        settings = two.in_one_process(two.SETTINGS.changed(name="for_one"))
        status = train(launch.owner, settings, two.data(), Begin(continue_exactly=True))
        assert any("1 process instead of 2" in note for note in status.notes)
        assert largest_difference(status.folder, launch.lora("whole")) < SAME_WEIGHT

    def test_two_processes_go_on_where_one_was(self, launch: Launch) -> None:
        main, _ = launch.said("from_one_process")
        assert main["kind"] == "finished", main
        assert any("2 processes instead of 1" in note for note in main["notes"])
        assert largest_difference(launch.lora("from_one"), launch.lora("whole")) < SAME_WEIGHT

    def test_memory_that_runs_out_in_one_is_met_by_both(self, launch: Launch) -> None:
        main, other = launch.said("short_of_memory")
        assert main["kind"] == other["kind"] == "finished", main
        assert any("Out of memory with 2 blocks at once" in note for note in main["notes"])
        assert largest_difference(launch.lora("short"), launch.lora("whole")) < SAME_WEIGHT

    def test_a_fault_of_one_is_told_by_both_and_what_was_learned_is_kept(self, launch: Launch) -> None:
        main, other = launch.said("fault")
        assert main["kind"] == other["kind"] == "failed"
        assert other["reason"] == "Block 7 is torn."
        assert main["reason"] == "Process 1 of this run has ended: Block 7 is torn."
        assert max(main["checkpoints"]) == 3
        assert (launch.lora("fault") / "adapter_model.safetensors").is_file()

    def test_processes_that_differ_do_not_start(self, launch: Launch) -> None:
        main, other = launch.said("other_data")
        assert main["kind"] == other["kind"] == "failed"
        assert "another settings" in main["reason"]

    def test_the_command_line_talks_once(self, launch: Launch) -> None:
        main, other = launch.said("command")
        assert main["code"] == other["code"] == 0, main
        assert "Finished: all updates are done." in main["out"]
        assert other["out"] == ""
        assert "checkpoint at update" in main["err"]
        assert "checkpoint at update" not in other["err"]
        assert (launch.lora("command") / "training_log.json").is_file()

    def test_sharded_by_fsdp2_over_a_4_bit_base_they_learn_the_same(self, launch: Launch) -> None:
        main, other = launch.said("sharded")
        assert main["first"]["kind"] == other["first"]["kind"] == "interrupted", main
        assert main["second"]["kind"] == other["second"]["kind"] == "finished", main
        assert largest_difference(launch.lora("sharded"), launch.lora("copies")) < SAME_WEIGHT

    def test_a_process_that_dies_ends_the_other(self, launch: Launch) -> None:
        main = json.loads((launch.folder / "gone.0.json").read_text(encoding="utf-8"))
        assert main["kind"] == "failed"
        assert "is gone or does not answer" in main["reason"]
        assert (launch.lora("gone") / "adapter_model.safetensors").is_file()
