"""The answers to sample prompts that were asked for from another process, as the run's history tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from training_pro.record.followed_history import FollowedHistory
from training_pro.record.history import HISTORY_FILE, Event
from training_pro.remote.snapshot import Live
from training_pro.training.behaviours.samples import sample_prompts

_Mark = tuple[str, int, str]


class AwaitedAnswers:
    """Made before the run is asked; `text` is the one prompt to be answered, "" stands for all of the run's own.

    A look reads what the run has written since the last one: the first reads its whole history.
    """

    def __init__(self, live: Live, text: str) -> None:
        self._text = text.strip()
        self._prompts = list(dict.fromkeys([self._text] if self._text else sample_prompts(live.settings)))
        self._history = FollowedHistory(live.status.folder / HISTORY_FILE)
        self._before = Counter(map(_mark, self._samples()))

    def found(self, live: Live) -> list[Event]:
        """The answers so far, at most one for each prompt, in the order of the prompts; the latest counts.

        A paused run does not answer its own prompts twice at one update: there the answers of before count.
        """
        old, answers = self._before.copy(), dict[str, Event]()
        paused = live.status.phase == "paused" and not self._text
        for event in self._samples():
            mark = _mark(event)
            known = old[mark] > 0
            old[mark] -= known
            if not known or (paused and event.update == live.status.update):
                answers[str(event.details.get("prompt"))] = event
        return [answers[prompt] for prompt in self._prompts if prompt in answers]

    def complete(self, live: Live) -> bool:
        """Whether every prompt is answered."""
        return len(self.found(live)) == len(self._prompts)

    def _samples(self) -> Iterator[Event]:
        self._history.look()
        return (event for event in self._history.events if event.kind == "sample")


def _mark(event: Event) -> _Mark:
    return event.at, event.update, str(event.details.get("prompt"))
