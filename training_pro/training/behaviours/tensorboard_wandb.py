"""Detailed logs for TensorBoard or W&B, where they are installed: the same numbers as the history, one per update.

Nothing here goes to the network: W&B writes offline (``wandb sync`` uploads) unless its own variable WANDB_MODE
says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from training_pro.errors import Fault, SettingsError
from training_pro.packages import installed
from training_pro.record.points import Point
from training_pro.settings import Settings, to_dict
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter

MEASURES = ("loss", "smoothed_loss", "learning_rate", "grad_norm", "tokens_per_s", "memory_mb")
TENSORBOARD_FOLDER = "tensorboard"


class Writer(Protocol):
    """Where scalars go."""

    def write(self, update: int, scalars: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class Scalars(Behaviour):
    """Opens its writer at the start, at the update where the run continues, and closes it at the end."""

    def __init__(self, meter: Meter, tool: str, open_writer: Callable[[int], Writer]) -> None:
        self.dispensable = f"writing logs for {tool}"
        self._meter = meter
        self._open = open_writer
        self._writer: Writer | None = None

    def on_run_begin(self) -> None:
        self._writer = self._open(self.trainer.update)

    def after_update(self) -> None:
        if self._writer is not None and self._meter.last is not None:
            self._writer.write(self.trainer.update, scalars_of(self._meter.last))

    def after_evaluation(self, loss: float) -> None:
        if self._writer is not None:
            self._writer.write(self.trainer.update, {"eval/loss": loss})

    def on_run_end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def scalars_of(point: Point) -> dict[str, float]:
    """The measures of an update under the names that the tools group by."""
    return {f"train/{name}": getattr(point, name) for name in MEASURES} | {"train/epoch": point.epoch}


class TensorBoardWriter:
    """Event files in ``tensorboard`` of the run's folder; what a crash wrote beyond `update` is hidden."""

    def __init__(self, folder: Path, update: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / TENSORBOARD_FOLDER), purge_step=update + 1)

    def write(self, update: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, update)

    def close(self) -> None:
        self._writer.close()


class WandbWriter:
    """A W&B run of the LoRA's name; a run that is continued adds another one in the same group."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        import wandb

        self._run: Any = wandb.init(
            project="training-pro",
            name=settings.name,
            group=settings.name,
            dir=str(folder),
            config=to_dict(settings),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(silent=True),  # its lines in the terminal: where it writes, and how to upload
        )

    def write(self, update: int, scalars: dict[str, float]) -> None:
        self._run.log(scalars, step=update)

    def close(self) -> None:
        self._run.finish()


def check_report(report_to: str) -> None:
    """Raises:
    SettingsError: what the logs need is not installed.
    """
    if report_to != "none" and not installed(report_to):
        text = (
            f"Save detailed logs with {report_to} needs the package {report_to}; run: pip install {report_to}, or "
            "choose none."
        )
        raise SettingsError([Fault(text, "report_to", ("--set report_to=none",))])


def scalars_behaviour(settings: Settings, folder: Path, meter: Meter) -> Scalars | None:
    """The behaviour for what the settings ask, None for none."""
    if settings.report_to == "tensorboard":
        return Scalars(meter, "tensorboard", lambda update: TensorBoardWriter(folder, update))
    if settings.report_to == "wandb":
        return Scalars(meter, "wandb", lambda update: WandbWriter(folder, settings))
    return None
