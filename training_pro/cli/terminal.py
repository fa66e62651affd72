"""Everything that is written to the terminal: sentences, a progress bar for long work, a run's own line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from training_pro.record.whole_files import strict_json
from training_pro.words import time_words

if TYPE_CHECKING:
    from tqdm import tqdm

    from training_pro.training.run import Run
    from training_pro.training.status import RunStatus

_LOOK_AGAIN_S = 0.2
_LINE_EVERY_S = 10.0


def say(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(values: dict[str, Any]) -> None:
    """One line on standard output for programs; numbers that JSON has no word for are null."""
    say(json.dumps(strict_json(values), ensure_ascii=False))


def complain(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def with_options(line: str, options: Collection[str], takes: Collection[str] | None = None) -> str:
    """The line, followed by what to type to solve the problem.

    Of `options` those that the command takes (None: all), as "--set NAME=VALUE", and that the line doesn't already
    name.
    """
    shown = [o for o in options if o not in line and (takes is None or o.split()[0] in takes)]
    return f"{line} (command line: {', '.join(shown)})" if shown else line


class Bar:
    """A `Progress` that draws a bar on standard error; a new one for each kind of work.

    Where it can't be drawn over (a file, a pipe), a line for each kind of work, one now and then, and one at the
    end: `ending` is what it says.
    """

    def __init__(self) -> None:
        self.ending = "done"
        self._bar: tqdm[NoReturn] | None = None
        self._what = ""
        self._live = sys.stderr.isatty()
        self._line_at = 0.0
        self._unsaid = False  # whether the last line was not that of the end

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if kind is None:
            self.finish()

    def finish(self) -> None:
        """Print how the work ended, if its last line did not say so."""
        self._close()
        if self._unsaid:
            complain(f"{self._what}: {self.ending}")
        self._unsaid = False

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._live:
            self._draw(done, total, what)
            return
        self._unsaid = True
        if what != self._what or time.monotonic() - self._line_at >= _LINE_EVERY_S:
            self._what, self._line_at = what, time.monotonic()
            complain(f"{what}: {done:,} of {total:,}" if total else what)
            self._unsaid = done < total

    def _draw(self, done: int, total: int, what: str) -> None:
        from tqdm import tqdm

        if self._bar is None or what != self._what:
            self._close()
            self._what = what
            self._bar = tqdm(total=total, desc=what, leave=False, file=sys.stderr, dynamic_ncols=True)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def clear(self) -> None:
        """Remove the bar, so that something else can be written on the line; the next call draws it again."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def watch(run: Run) -> RunStatus:
    """Draw the run until it has ended; its notes are printed as they come."""
    seen_notes = seen_checkpoints = seen_warnings = 0
    with Bar() as preparing, _DrawnRun() if sys.stderr.isatty() else _WrittenRun() as drawn:
        while True:
            status = run.status
            for note in status.notes[seen_notes:]:
                drawn.note(note)
            for warning in status.warnings[seen_warnings:]:
                drawn.note(f"Warning: {warning}")
            for checkpoint in status.checkpoints[seen_checkpoints:]:
                drawn.note(f"checkpoint at update {checkpoint.update}: {checkpoint.reason}")
            seen_notes, seen_checkpoints = len(status.notes), len(status.checkpoints)
            seen_warnings = len(status.warnings)
            if status.plan is None and status.progress[1]:
                preparing(*status.progress)
            elif status.plan is not None:
                preparing.finish()
                drawn.show(status)
            if not status.running:
                preparing.ending = "done" if status.plan is not None else _doing(status)
                return status
            time.sleep(_LOOK_AGAIN_S)


class _WrittenRun:
    """A run in a file or a pipe: a line now and then where there is a new update, at each change of what it does, and
    when it has ended."""

    def __init__(self) -> None:
        self._shown = ("", -1)  # phase and update
        self._line_at = 0.0

    def __enter__(self) -> _WrittenRun:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, sentence: str) -> None:
        complain(f"  {sentence}")

    def show(self, status: RunStatus) -> None:
        due = time.monotonic() - self._line_at >= _LINE_EVERY_S and status.update != self._shown[1]
        if status.point is None or (status.phase == self._shown[0] and not due):
            return
        self._shown, self._line_at = (status.phase, status.update), time.monotonic()
        complain(f"{_doing(status)}: {status.update}/{status.total_updates}, {_numbers(status)}")


class _DrawnRun:
    """A run in a terminal: one line that is drawn over itself, notes above it."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar: tqdm[NoReturn] = tqdm(
            total=0,
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{desc}: {n_fmt}/{total_fmt} |{bar:20}| {elapsed}{postfix}",
            desc="waiting",
        )

    def __enter__(self) -> _DrawnRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def note(self, sentence: str) -> None:
        self._bar.write(f"  {sentence}", file=sys.stderr)

    def show(self, status: RunStatus) -> None:
        bar = self._bar
        bar.total = status.total_updates
        bar.set_description_str(_doing(status), refresh=False)
        if status.point is not None:
            bar.set_postfix_str(_numbers(status), refresh=False)
        bar.update(status.update - bar.n)
        if not status.running:
            bar.refresh()


def _doing(status: RunStatus) -> str:
    """What the run does, or how it has ended."""
    if status.running or status.ending is None:
        return status.phase
    return {"finished": "done", "wrong": "went wrong"}.get(status.ending.kind, status.ending.kind)


def _numbers(status: RunStatus) -> str:
    point = status.point
    if point is None:
        return ""
    words = (
        f"loss {point.loss:.3f} (smoothed {point.smoothed_loss:.3f}), rate {point.learning_rate:.2e}, "
        f"{status.tokens_per_s:.0f} tokens/s"
    )
    return words if not status.running else f"{words}, {time_words(status.remaining_s)} left"
