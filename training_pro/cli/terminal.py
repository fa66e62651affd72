"""Everything that is written to the terminal: sentences, a progress bar for long work, a run's own line."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

from training_pro.training.run import Run
from training_pro.training.status import RunStatus
from training_pro.training.wording import time_words

_LOOK_AGAIN_S = 0.2
_LINE_EVERY_S = 10.0


def say(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Bar:
    """A `Progress` that draws a bar on standard error; a new one for each kind of work."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._what = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._bar is None or what != self._what:
            self._close()
            self._what = what
            self._bar = tqdm(total=total, desc=what, leave=False, file=sys.stderr, dynamic_ncols=True)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def clear(self) -> None:
        """Take the bar off the line, for something else to be written there; the next call draws it anew."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def watch(run: Run) -> RunStatus:
    """Draw the run until it has ended; what it had to say is printed as it comes up."""
    seen_notes = seen_checkpoints = 0
    with Bar() as preparing, _run_bar() as bar:
        while True:
            status = run.status
            for note in status.notes[seen_notes:]:
                bar.write(f"  {note}", file=sys.stderr)
            for checkpoint in status.checkpoints[seen_checkpoints:]:
                bar.write(f"  checkpoint at update {checkpoint.update}: {checkpoint.reason}", file=sys.stderr)
            seen_notes, seen_checkpoints = len(status.notes), len(status.checkpoints)
            if status.plan is None and status.progress[1]:
                preparing(*status.progress)
            elif status.plan is not None:
                _draw(bar, status)
            if not status.running:
                return status
            time.sleep(_LOOK_AGAIN_S)


def _run_bar() -> tqdm[NoReturn]:
    """A bar that is drawn over itself in a terminal, and line by line, now and then, in a file."""
    live = sys.stderr.isatty()
    return tqdm(
        total=0,
        file=sys.stderr if live else _Lines(),
        dynamic_ncols=live,
        mininterval=0.1 if live else _LINE_EVERY_S,
        bar_format="{desc}: {n_fmt}/{total_fmt} |{bar:20}| {elapsed}{postfix}",  # tqdm begins the postfix with a comma
        desc="waiting",
    )


class _Lines:
    """Standard error for a bar that can't be drawn over: each drawing is a line of its own."""

    def write(self, text: str) -> None:
        line = text.strip("\r\n")
        if line.strip():
            complain(line)

    def flush(self) -> None:
        sys.stderr.flush()


def _draw(bar: tqdm[NoReturn], status: RunStatus) -> None:
    bar.total = status.total_updates
    bar.set_description_str(status.phase if status.running else "done", refresh=False)
    point = status.point
    if point is not None:
        bar.set_postfix_str(
            f"loss {point.loss:.3f} (smoothed {point.smoothed_loss:.3f}), rate {point.learning_rate:.2e}, "
            f"{status.tokens_per_s:.0f} tokens/s, {time_words(status.remaining_s)} left",
            refresh=False,
        )
    bar.update(status.update - bar.n)
    if not status.running:
        bar.refresh()
