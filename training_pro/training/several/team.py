"""Several processes that train one LoRA together: who is the main one, and how all of them agree.

Started by torchrun or accelerate launch, each process runs the same command over its own share of the blocks;
gradients are exchanged by torch's DDP. Here is the talk beside that: short messages over gloo, in which every process
says something and hears all. A few a second; each costs some tenth of a millisecond on one machine.

In one process (`ALONE`) everything here answers at once and costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Literal

from training_pro.errors import RunError
from training_pro.settings import Settings
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.several.sharding import check_spread
from training_pro.words import reason_of

PATIENCE_S = 1800.0  # how long a process waits for another that lives and says nothing
_LEFT = "left"


class TeamLost(RunError):
    """Another process of the run has ended, so this one must; `kind` as of an `Ending`, `reason` what it said."""

    def __init__(self, sentence: str, kind: Literal["interrupted", "failed"], reason: str) -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(sentence)


class Team:
    """The processes of a run; this class itself is the team of one."""

    rank = 0
    size = 1
    lost = False

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """What each process gave, in order of rank; JSON values. All processes must call it.

        Raises:
            TeamLost: a process has ended, or said nothing for `PATIENCE_S`.
        """
        return [value]

    def main_says(self, value: Any) -> Any:
        """The main process's value; after the team is lost, one's own."""
        return value if self.lost else self.gather(value)[0]

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process does the body before the others: they find made what it has made."""
        if not self.main:
            self.gather(None)
        yield
        if self.main:
            self.gather(None)

    def share(self, controls: Controls, settings: Settings) -> Controls:
        """The controls for the trainer: in each process the same at the same update."""
        return controls

    def meet(self, report: Any) -> list[Any]:
        """`gather` of a report; afterwards the shared controls are in all processes those of the main one."""
        return [report]

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Nothing is gathered in the body: the others are not there."""
        yield

    @contextmanager
    def no_way_back(self) -> Iterator[None]:
        """Around what the others wait for elsewhere: who fails here can't say so any more."""
        try:
            yield
        except BaseException:
            self.lost = self.size > 1
            raise

    def leave(self, kind: str, reason: str) -> None:
        """Say why this process ends, wait for the others' word, and be no part of the team any more."""


ALONE = Team()


class LaunchedTeam(Team):
    """The processes that a launcher has started, over a process group of their own."""

    def __init__(self, rank: int, size: int, group: Any) -> None:
        self.rank = rank
        self.size = size
        self._group = group
        self._shared: AgreedControls | None = None

    def gather(self, value: Any) -> list[Any]:
        words = self._exchange({"said": value})
        for rank, word in enumerate(words):
            if _LEFT in word:
                self.lost = True
                raise _lost(f"Process {rank} of this run has ended: {word['reason']}", word)
        return [word["said"] for word in words]

    def _exchange(self, word: dict[str, Any]) -> list[dict[str, Any]]:
        if self.lost:
            raise TeamLost("The other processes of this run have ended.", "failed", "")
        try:
            return [json.loads(text) for text in _all_gather(json.dumps(word).encode(), self.size, self._group)]
        except RuntimeError as error:  # torch has no finer class for a peer that is gone
            self.lost = True
            what = reason_of(error, 160)
            raise TeamLost(
                f"Another process of this run is gone or does not answer ({what}); see its own messages, then start "
                "the same command again: it resumes from the last checkpoint.",
                "failed",
                what,
            ) from error

    def share(self, controls: Controls, settings: Settings) -> Controls:
        self._shared = AgreedControls(settings, controls, self)
        return self._shared

    def meet(self, report: Any) -> list[Any]:
        assert self._shared is not None, "share the controls before meeting over them"
        words = self.gather([report, self._shared.wishes()])
        self._shared.follow([wishes for _, wishes in words])
        return [said for said, _ in words]

    @contextmanager
    def apart(self) -> Iterator[None]:
        before, self.lost = self.lost, True
        try:
            yield
        finally:
            self.lost = before

    def leave(self, kind: str, reason: str) -> None:
        if self.lost:
            return
        with suppress(TeamLost):
            self._exchange({_LEFT: kind, "reason": reason})
        self.lost = True


def _lost(sentence: str, word: dict[str, Any]) -> TeamLost:
    return TeamLost(sentence, "interrupted" if word[_LEFT] == "interrupted" else "failed", word["reason"])


class AgreedControls(Controls):
    """The controls that the trainer of one process looks at; `outside` are those that people and signals set.

    They change only when all processes meet: live values, checkpoint requests and pauses are the main process's, an
    interrupt anybody's.
    """

    def __init__(self, settings: Settings, outside: Controls, team: Team) -> None:
        super().__init__(settings)
        self._outside = outside
        self._team = team

    def wishes(self) -> dict[str, Any]:
        """What is wanted outside in this process, to be told to the others."""
        outside = self._outside
        return {
            "values": vars(outside.take()),
            "checkpoint": outside.take_checkpoint_request(),
            "paused": outside.paused,
            "interrupt": outside.interrupt_reason,
        }

    def follow(self, wishes: list[dict[str, Any]]) -> None:
        """Take over what the processes want; `wishes` in order of rank."""
        first = wishes[0]
        super().restore(LiveValues(**first["values"]))
        if first["checkpoint"]:
            self.ask_checkpoint()
        if first["paused"] != self.paused:
            self.pause() if first["paused"] else self.resume()
        reasons = [each["interrupt"] for each in wishes if each["interrupt"]]
        if reasons:
            self.interrupt(reasons[0])

    def restore(self, values: LiveValues) -> None:
        self._outside.restore(values)
        super().restore(values)

    def end(self, reason: str) -> None:
        self._outside.end(reason)
        super().end(reason)

    def wait_while_paused(self, seconds: float) -> bool:
        self._outside.wait_while_paused(seconds)
        self._team.meet(None)
        return self.paused and not self.interrupt_reason


def launched_size() -> int:
    """How many processes the launcher says it has started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def join() -> Team:
    """This process's team, as torchrun or accelerate launch describe it in the environment.

    Raises:
        RunError: the others can't be reached, or the launcher wants what can't be done here.
    """
    if launched_size() < 2:
        return ALONE
    import torch
    import torch.distributed as dist
    from accelerate import PartialState

    check_spread(torch.cuda.is_available())
    patience = timedelta(seconds=PATIENCE_S)
    try:
        PartialState(cpu=not torch.cuda.is_available(), timeout=patience)
        group = dist.new_group(backend="gloo", timeout=patience)
    except (RuntimeError, ValueError, ImportError) as error:
        reason = reason_of(error)
        raise RunError(
            f"The {launched_size()} processes of this run can't reach each other ({reason}); check the launcher's "
            "address and port, or start one process without it."
        ) from error
    return LaunchedTeam(dist.get_rank(), dist.get_world_size(), group)


def _all_gather(own: bytes, size: int, group: Any) -> list[bytes]:
    """Every process's bytes, in order of rank."""
    import torch
    import torch.distributed as dist

    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(size)]
    dist.all_gather(sizes, torch.tensor([len(own)]), group=group)
    padded = torch.zeros(max(int(n) for n in sizes), dtype=torch.uint8)
    padded[: len(own)] = torch.frombuffer(bytearray(own), dtype=torch.uint8)
    pieces = [torch.empty_like(padded) for _ in range(size)]
    dist.all_gather(pieces, padded, group=group)
    return [piece[: int(n)].numpy().tobytes() for piece, n in zip(pieces, sizes, strict=True)]
