"""What `test_distributed` has two real processes do, all in one start of torchrun: for starting costs the most.

Each scenario is a function of the team; what it gives back is written to ``FOLDER/NAME.RANK.json``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny import TinyOwner, TinySamples, finish, prepared, small_settings
from tests.training.watched import after_updates, at_micro_batch
from training_pro.cli.main import main as command_line
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.hosts.model_folder import load_model_folder
from training_pro.record.checkpoints import checkpoints
from training_pro.settings import Settings
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.resume import Begin
from training_pro.training.run import Run
from training_pro.training.several.team import Team, TeamLost, join

SETTINGS = small_settings(
    batch_size=2, gradient_accumulation_steps=2, epochs=3.0, dropout=0.0, learning_rate=1e-3, save_steps=2, eval_steps=3
)
BLOCKS = 27  # 3 and a bit updates of 8 an epoch; the last one's 3 blocks are 2 for one process and 1 for the other
Scenario = Callable[["Place"], dict[str, Any]]


def data() -> Any:
    return prepared(TinySamples(BLOCKS, 24, mask=4), TinySamples(5, seed=9))


def in_one_process(settings: Settings) -> Settings:
    """The same blocks in each update."""
    return settings.changed(batch_size=settings.batch_size * 2)


class Place:
    """Where one process does its scenarios."""

    def __init__(self, team: Team, folder: Path, tiny_folder: Path) -> None:
        self.team, self.folder, self.tiny_folder = team, folder, tiny_folder
        self.folders = Folders.under(folder / "user_data")
        self.folders.make()

    def run(self, settings: Settings, begin: Begin | None = None, load_in_4bit: bool = False) -> Run:
        loaded = load_model_folder(self.tiny_folder, load_in_4bit=load_in_4bit, dtype="float32")
        owner = TinyOwner(self.folders, loaded)
        found = data()
        return Run(owner, settings, self.folders.loras / settings.name, lambda *_: found, begin or Begin(), self.team)

    def again(self) -> None:
        """A run ends its part in the team; the next one begins with a new one."""
        self.team = join()


def told(run: Run) -> dict[str, Any]:
    """How the run ended in this process; the weights are those in this process's own memory."""
    status = run.status
    assert status.ending is not None
    return {"kind": status.ending.kind, "reason": status.ending.reason, "update": status.update, "notes": status.notes}


@contextlib.contextmanager
def weights_kept(into: list[float]) -> Any:
    """The sums of all trained tensors, in float64, after the last update of a run in this process."""
    from training_pro.training.loop.trainer import LoraTrainer

    real = LoraTrainer.settle

    def keeping(self: Any) -> None:
        into[:] = [float(p.detach().double().abs().sum()) for p in self.model.parameters() if p.requires_grad]
        real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoraTrainer, "settle", keeping)
        yield


def whole(place: Place) -> dict[str, Any]:
    sums: list[float] = []
    with weights_kept(sums):
        run = place.run(SETTINGS.changed(name="whole"))
        finish(run)
    losses = [[p.loss, p.grad_norm, p.eval_loss, run.status.tokens] for p in run.history.points] if run.history else []
    return {**told(run), "sums": sums, "points": losses}


def dropout(place: Place) -> dict[str, Any]:
    sums: list[float] = []
    with weights_kept(sums):
        run = place.run(SETTINGS.changed(name="dropout", dropout=0.3, neftune_noise_alpha=5.0, epochs=1.0))
        finish(run)
    return {**told(run), "sums": sums}


def steered(place: Place) -> dict[str, Any]:
    """The main process is asked for a checkpoint in update 3 and for another stop in update 5."""
    run = place.run(SETTINGS.changed(name="steered", save_steps=0))
    controls = run.controls
    if not place.team.main:
        finish(run)
    else:
        with after_updates({2: controls.ask_checkpoint, 4: lambda: controls.set(stop_at_loss=9.5)}):
            finish(run)
    return {**told(run), "checkpoints": [c.update for c in checkpoints(run.folder)]}


def interrupted(place: Place) -> dict[str, Any]:
    """By a signal that only the second process got, in the middle of update 6; then the same again, to the end."""
    settings = SETTINGS.changed(name="interrupted", dropout=0.2)
    run = place.run(settings)
    with at_micro_batch(10, run.controls.interrupt) if not place.team.main else contextlib.nullcontext():
        finish(run)
    first = told(run)
    place.again()
    continued = place.run(settings, Begin(continue_exactly=True))
    finish(continued)
    place.again()
    undisturbed = place.run(settings.changed(name="undisturbed"))
    finish(undisturbed)
    return {"first": first, "second": told(continued)}


def for_one_process(place: Place) -> dict[str, Any]:
    """Stopped in mid-epoch, for another number of processes to go on with."""
    run = place.run(SETTINGS.changed(name="for_one"))
    with after_updates({5: run.controls.interrupt}):
        finish(run)
    return told(run)


def from_one_process(place: Place) -> dict[str, Any]:
    """Goes on with what the test has trained in one process."""
    run = place.run(SETTINGS.changed(name="from_one"), Begin(continue_exactly=True))
    finish(run)
    return told(run)


def short_of_memory(place: Place) -> dict[str, Any]:
    """Memory runs out in the second process alone, with two blocks at once."""
    real = UpdateRunner._micro_batch

    def failing(self: UpdateRunner, model: Any, piece: Any, count: float) -> Any:
        if len(piece) > 1 and not place.team.main:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, model, piece, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UpdateRunner, "_micro_batch", failing)
        run = place.run(SETTINGS.changed(name="short"))
        finish(run)
    return told(run)


def fault(place: Place) -> dict[str, Any]:
    """The second process can't read a block."""

    def raising() -> None:
        raise DataError("Block 7 is torn.")

    run = place.run(SETTINGS.changed(name="fault"))
    with at_micro_batch(7, raising) if not place.team.main else contextlib.nullcontext():
        finish(run)
    return {**told(run), "checkpoints": [c.update for c in checkpoints(run.folder) if c.complete]}


def other_data(place: Place) -> dict[str, Any]:
    run = place.run(SETTINGS.changed(name="other", seed=place.team.rank))
    finish(run)
    return told(run)


FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "ACCELERATE_TORCH_DEVICE": "cpu",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "LlamaDecoderLayer",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}


@contextlib.contextmanager
def sharded_on_processors() -> Any:
    """accelerate shards on GPUs only: it is told that these are some. All else is its own and torch's."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    with pytest.MonkeyPatch.context() as patch:
        for name, value in FSDP2.items():
            patch.setenv(name, value)
        patch.setattr("training_pro.training.several.team.check_spread", lambda *_: None)
        patch.setattr(PartialState, "_prepare_backend", lambda *_: ("gloo", DistributedType.MULTI_GPU))
        yield


def sharded(place: Place) -> dict[str, Any]:
    """A base in 4-bit, as copies and sharded by FSDP2; the latter interrupted and gone on with."""
    finish(place.run(SETTINGS.changed(name="copies"), load_in_4bit=True))
    settings = SETTINGS.changed(name="sharded")
    with sharded_on_processors():
        place.again()
        run = place.run(settings, load_in_4bit=True)
        with after_updates({5: run.controls.interrupt}):
            finish(run)
        place.again()
        continued = place.run(settings, Begin(continue_exactly=True), load_in_4bit=True)
        finish(continued)
    return {"first": told(run), "second": told(continued)}


def command(place: Place) -> dict[str, Any]:
    """The real command, with a data set of rows."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(
            ["train", str(place.folder / "settings.json"), "--model", str(place.tiny_folder), "--no-4bit"]
            + ["--user-data", str(place.folders.datasets.parents[1])]
        )
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def gone(place: Place) -> dict[str, Any]:
    """The second process dies without a word; comes last."""
    run = place.run(SETTINGS.changed(name="gone"))
    with at_micro_batch(9, lambda: os._exit(0)) if not place.team.main else contextlib.nullcontext():
        finish(run)
    with contextlib.suppress(TeamLost):
        place.team.gather(None)
    return told(run)


SCENARIOS: tuple[Scenario, ...] = (
    whole,
    dropout,
    steered,
    interrupted,
    for_one_process,
    from_one_process,
    short_of_memory,
    fault,
    other_data,
    command,
    sharded,
    gone,
)


def main(folder: Path, tiny_folder: Path) -> None:
    torch.set_num_threads(1)
    for scenario in SCENARIOS:
        place = Place(join(), folder, tiny_folder)
        result = scenario(place)
        (folder / f"{scenario.__name__}.{place.team.rank}.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as no_picture:
        no_picture.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
        main(Path(sys.argv[1]), Path(sys.argv[2]))
