"""What became of a run that was begun from a place of the page, said there for as long as it is true."""

from __future__ import annotations

from typing import Any

from training_pro.session import Session
from training_pro.training.run import Run
from training_pro.ui.live import Pulled
from training_pro.ui.views.markup import box


class Began:
    """The run begun last from one place; `elsewhere`: its status is not in sight from there."""

    def __init__(self, session: Session, place: str, *, elsewhere: bool = False) -> None:
        self._session = session
        self._place = place
        self._elsewhere = elsewhere
        self._run: Run | None = None
        self._words = ""

    def said(self, run: Run, words: str) -> str:
        """`words` about the run that has just begun, and what it notes."""
        self._run, self._words = run, f"{words} It is shown under Train." if self._elsewhere else words
        return self._now()

    def pulled(self, said: Any) -> Pulled:
        """The message `said`, for every page: until the run ends, and then why it failed, if it did."""
        return Pulled(f"{self._place}-began", self._stamp, [said], lambda: {said: self._now()})

    def _stamp(self) -> Any:
        run = self._run
        return run and (run, run is self._session.run, run.status.running)

    def _now(self) -> str:
        run = self._run
        if run is None or run is not self._session.run:
            return ""
        status = run.status
        if status.ending is None:
            return box("info", [self._words, *status.notes])
        how = {"failed": "failed", "wrong": "went wrong"}.get(status.ending.kind, "") if self._elsewhere else ""
        return box("error", f"{status.name} {how}. {status.ending.reason}") if how else ""
