"""Answers side by side, while they are written and after; in a blind comparison without their names."""

from __future__ import annotations

import string

from training_pro.asking.job import Answer, Asked
from training_pro.record.votes import Tally
from training_pro.ui.views.markup import box, hand_button, icon, text

HAND = "answers"
VOTE, REVEAL, CANCEL = "vote", "reveal", "cancel"


def answers_view(asked: Asked | None) -> str:
    """The last question's answers; "" for none."""
    if asked is None:
        return ""
    frames = "".join(_frame(asked, place) for place in range(len(asked.answers)))
    busy = str(asked.running).lower()
    return (
        f'<div class="tp-asked" data-running="{busy}" aria-busy="{busy}">'
        f'<div class="tp-film tp-answers">{frames}</div>'
        f"{box('error', asked.fault)}{_below(asked)}</div>"
    )


def tally_words(tally: Tally) -> str:
    """ "8 blind votes: holmes 5, base model 2, no difference 1." """
    counts = sorted(zip(tally.wins, tally.voices, strict=True), key=lambda count: -count[0])
    parts = [f"{name} {wins}" for wins, name in counts] + [f"no difference {tally.same}"]
    return f"{tally.votes} blind vote{'s' if tally.votes != 1 else ''}: {', '.join(parts)}."


def _frame(asked: Asked, place: int) -> str:
    answer = asked.answers[place]
    name = f"Answer {_letter(place)}" if asked.hidden else answer.voice.label
    chosen = " tp-best" if asked.voted == place else ""
    facts = text(_facts(answer, asked.hidden))
    return (
        f'<div class="tp-frame{chosen}"><header><b>{text(name)}</b><span>{facts}</span></header>'
        f'<p><span class="tp-soft">{text(asked.question.prompt)}</span>{_words(answer)}</p>'
        f"{box('info', _why_nothing(answer, asked.way))}{box('error', answer.fault)}{_vote_button(asked, place)}</div>"
    )


def _words(answer: Answer) -> str:
    between = " " if answer.text and not answer.text[0].isspace() else ""
    written = between + text(answer.text)
    if answer.state == "writing":
        return f'{written}<span class="tp-caret" aria-hidden="true"></span>'
    return " <i>nothing</i>" if _is_nothing(answer) else written


def _is_nothing(answer: Answer) -> bool:
    return answer.state == "done" and not answer.text.strip()


def _why_nothing(answer: Answer, way: str) -> str:
    """What to do about an answer without words; "" for one that has some."""
    if not _is_nothing(answer):
        return ""
    happened = "It ended at once." if answer.tokens <= 1 else "It wrote only blanks."
    if way == "as it is":
        return f'{happened} Write the beginning of a line for it to continue, or set "Ask as" to "As a chat".'
    return f'{happened} Ask in other words, or set "Ask as" to "The prompt as it is" and write the beginning.'


def _facts(answer: Answer, hidden: bool) -> str:
    if answer.state != "done":
        return {"waiting": "waits", "writing": "writing", "cancelled": "cancelled", "failed": "no answer"}[answer.state]
    tokens = f"{answer.tokens:,} token{'s' if answer.tokens != 1 else ''}"
    return tokens if hidden else f"{tokens} · {answer.seconds:.1f} s"


def _vote_button(asked: Asked, place: int) -> str:
    if not _can_vote(asked):
        return ""
    better = "better" if len(asked.answers) == 2 else "best"
    return hand_button(f"{_letter(place)} is {better}", HAND, f"{VOTE} {place}")


def _below(asked: Asked) -> str:
    """What can be done next, and what there is to know."""
    if asked.running:
        return f'<div class="tp-row">{hand_button("Cancel", HAND, CANCEL)}</div>'
    said = [f"Asked {asked.way}."] if asked.way else []
    if asked.hidden:
        vote = hand_button("The same", HAND, f"{VOTE} -1") if _can_vote(asked) else ""
        counted = _counted() if asked.voted is not None else ""
        return f'<div class="tp-row">{vote}{hand_button("Reveal", HAND, REVEAL)}{counted}</div>'
    if asked.question.blind:
        said.append(tally_words(asked.tally) if asked.tally else "No vote between these has been counted yet.")
    return f'<p class="tp-soft tp-small">{text(" ".join(said))}</p>' if said else ""


def _counted() -> str:
    said = "Counted. Ask the next question, or reveal whose answers these are."
    return f'<span class="tp-good">{icon("check")}</span><span>{said}</span>'


def _can_vote(asked: Asked) -> bool:
    done = [answer for answer in asked.answers if answer.state == "done"]
    return asked.hidden and not asked.running and asked.voted is None and len(done) == len(asked.answers)


def _letter(place: int) -> str:
    return string.ascii_uppercase[place]
