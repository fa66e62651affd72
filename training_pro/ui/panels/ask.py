"""Ask it: one prompt to the base model, a LoRA, its checkpoints, at any strength; side by side, blind on wish.

The asking itself is the session's: a page that is reloaded shows the answers as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import gradio as gr

from training_pro.asking.question import MOST_TOKENS, Question, Sampling, voices_of
from training_pro.errors import Fault, RunError, SettingsError
from training_pro.session import Session
from training_pro.ui.fields import Choice, meant
from training_pro.ui.form import Values
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, answering
from training_pro.ui.live import Follows, Pulled, Shown
from training_pro.ui.lora_chooser import THE_BASE, THE_LAST, LoraChooser
from training_pro.ui.pieces import area, button, head
from training_pro.ui.views.answers import CANCEL, REVEAL, VOTE, answers_view

FRAMINGS: list[Choice] = [
    ("As it was trained", "trained"),
    ("The prompt as it is", "plain"),
    ("As a chat", "chat"),
]
CHARACTER: Choice = ("The Chat tab's character", "character")
_SLOT = "answers"


class Ask(Follows):
    """The panel. `place` is part of its ids: it stands on the page more than once."""

    def __init__(self, session: Session, place: str) -> None:
        self._session = session
        self._place = place
        self.chooser = LoraChooser(session, before=(THE_BASE, THE_LAST), several=True)
        self._framings = [*FRAMINGS, *([CHARACTER] if session.host.name == "webui" else [])]

    def build(self) -> None:
        with gr.Row(elem_classes=["tp-head"]):
            head("Ask it")
            self.blind = gr.Checkbox(
                False, label="Blind: hide whose answer is whose", elem_id=self._id("blind"), elem_classes=["tp-field"],
                container=False, min_width=240, scale=0,
            )  # fmt: skip
        with gr.Row(elem_classes=["tp-ask-row"]):
            self.prompt = gr.Textbox(
                label="Prompt", lines=2, max_lines=10, placeholder="Enter asks, Shift+Enter starts a new line",
                elem_id=self._id("prompt"), elem_classes=["tp-field"], scale=4,
            )  # fmt: skip
            self.ask = button("Ask", f"{self._place}-go", variant="primary", scale=0)
        with gr.Row(elem_classes=["tp-ask-who"]):
            self.chooser.build(f"{self._place}-who", "Who answers", "The base model, LoRAs and checkpoints.", scale=2)
            self.strength = gr.Textbox(
                "1", label="Strength of the LoRA", info="0 to 2. Several side by side: 0.5, 1, 1.5", max_lines=1,
                elem_id=self._id("strength"), elem_classes=["tp-field"], min_width=140,
            )  # fmt: skip
        more = gr.Accordion(
            "Length, temperature, framing", open=False, elem_id=self._id("more"), elem_classes=["tp-fold"]
        )
        with more, gr.Row(elem_classes=["tp-sampling"]):
            self._build_sampling()
        self.said = area(f"{self._place}-said")
        area(f"{self._place}-answers", f'<div class="tp-slot" data-slot="{_SLOT}"></div>')

    def _build_sampling(self) -> None:
        usual = Sampling()
        self.framing = gr.Dropdown(
            self._framings, value=FRAMINGS[0][1], label="Ask as", info="What the prompt is put into.",
            elem_id=self._id("framing"), elem_classes=["tp-field"], min_width=140,
        )  # fmt: skip
        self.tokens = self._number(
            "tokens", usual.tokens, "Length of the answer", precision=0, minimum=1, maximum=MOST_TOKENS
        )
        self.temperature = self._number("temperature", usual.temperature, "Temperature", info="0: always the likeliest")
        self.top_p = self._number("top-p", usual.top_p, "Top-p", info="Of use above temperature 0")
        self.penalty = self._number("penalty", usual.repetition_penalty, "Repetition penalty", info="1: off")
        self.seed = self._number("seed", usual.seed, "Seed of the answer", precision=0)

    def _number(self, name: str, value: float, label: str, **more: Any) -> Any:
        unit = ["tp-unit-tokens"] if name == "tokens" else []
        return gr.Number(
            value, label=label, elem_id=self._id(name), elem_classes=["tp-field", *unit], min_width=90,
            **{"step": 0.05, **more},
        )  # fmt: skip

    def _id(self, name: str) -> str:
        return f"tp-{self._place}-{name}"

    def connect(self) -> None:
        asked = {self.prompt, self.chooser.control, self.strength, self.framing, self.blind}
        asked |= {self.tokens, self.temperature, self.top_p, self.penalty, self.seed}
        ask = answering(self._ask, self.said, "asking the model")
        self.ask.click(ask, asked, self.said, **AT_ONCE)  # Enter presses it, too: assets/page.js

    @property
    def shown(self) -> list[Shown]:
        """The answers, in whichever places they stand."""
        return [Shown(_SLOT, self._stamp, lambda: answers_view(self._stamp()))]

    @property
    def pulled(self) -> list[Pulled]:
        """The prompt, when a run has ended that wrote samples: the first of what they were answers to."""
        return [Pulled(f"{self._place}-prompt", self._sampled, [self.prompt], self._prompted)]

    def _sampled(self) -> Any:
        run = self._session.run
        return (run, run.settings.sample_prompts) if run is not None and not run.status.running else None

    def _prompted(self) -> dict[Any, Any]:
        run = self._session.run
        lines = run.settings.sample_prompts.splitlines() if run is not None and not run.status.running else []
        prompt = next((line.strip() for line in lines if line.strip()), "")
        return {self.prompt: prompt or gr.update()}

    def _stamp(self) -> Any:
        job = self._session.asking
        return job.status if job is not None else None

    def about(self, loras: Iterable[str]) -> dict[Any, Any]:
        """Updates that make it ask these LoRAs beside the base model."""
        return {**self.chooser.choosing([THE_BASE[1], *loras]), self.said: ""}

    def _ask(self, data: Values) -> dict[Any, Any]:
        loras = self.chooser.chosen(data[self.chooser.control])
        self._session.ask(
            Question(
                prompt=str(data[self.prompt] or ""),
                voices=voices_of(loras, strengths_in(str(data[self.strength] or ""))),
                framing=meant(str(data[self.framing]), self._framings),  # type: ignore[arg-type]  # one of these literals
                sampling=self._sampling(data),
                blind=bool(data[self.blind]),
            )
        )
        return {self.said: ""}

    def _sampling(self, data: Values) -> Sampling:
        numbers = (self.tokens, self.temperature, self.top_p, self.penalty, self.seed)
        empty = [control.label for control in numbers if data[control] is None]
        if empty:
            raise SettingsError([Fault(f"{label} is empty. Type a number.") for label in empty])
        return Sampling(
            int(data[self.tokens]),
            float(data[self.temperature]),
            float(data[self.top_p]),
            float(data[self.penalty]),
            int(data[self.seed]),
        )


def connect_answers(session: Session, hand: Hand, asks: Sequence[Ask]) -> None:
    """Hook up the buttons among the answers: vote, reveal, cancel."""
    said = [ask.said for ask in asks]
    hand.connect(answering(partial(_act, session, said), said[0], "working on the answers"), said)


def _act(session: Session, said: Sequence[Any], wanted: str) -> dict[Any, Any]:
    act_on(session, wanted)
    return dict.fromkeys(said, "")


def act_on(session: Session, wanted: str) -> None:
    """Do what a button among the answers asks for.

    Raises:
        RunError: nothing has been asked, or it can't be done now.
    """
    job = session.asking
    if job is None:
        raise RunError("Nothing has been asked yet. Write a prompt and press Ask.")
    what, _, place = wanted.partition(" ")
    if what == CANCEL:
        job.cancel()
    elif what == REVEAL:
        job.reveal()
    elif what == VOTE:
        job.vote(int(place))


def strengths_in(typed: str) -> list[float]:
    """The strengths of a field like "0.5, 1".

    Raises:
        RunError: one of them is no number.
    """
    found = []
    for word in typed.replace(";", ",").split(","):
        try:
            found.append(float(word))
        except ValueError:
            raise RunError(f"Strength {word.strip()[:40]!r} is no number. Type 1, or several: 0.5, 1.") from None
    return found
