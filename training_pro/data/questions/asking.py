"""What a model is shown of a passage, so that it writes the question which the passage answers.

Through the model's own chat template, first with examples, which small models need, then once without, so that it
doesn't write in the language of the examples. A model without a template continues a list of examples.
Costs a rendering each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.rendering.templates import ChatTemplate, has_template, make_template

MOST_TOKENS = 60  # of a question
PLACE = "%text%"  # where the passage stands in a wish of one's own
WISHES = (  # the second is tried where the answer to the first was of no use
    "%text%\n\nWrite one short question that the text above answers. Ask about what it says, in its own language. "
    "Write only the question.",
    "%text%\n\nSomebody asked a question, and the text above was the answer. What was the question? Write only the "
    "question, in the language of the text.",
)
_NO_THOUGHTS = "<think>\n\n</think>\n\n"  # what templates with a switch for thoughts write where it is off
_SWITCH = "enable_thinking"
_EXAMPLES = (
    ("The ferry leaves at seven. In winter it leaves at eight, because the captain likes to see the rocks.",
     "Why does the ferry leave later in winter?"),
    ("Marta kept bees for forty years and was stung eleven times. She remembered each of them by name.",
     "How often was Marta stung in her forty years with bees?"),
    ("To clean the lamp, open the small brass door first. Then take out the glass with both hands, and wipe it dry.",
     "How is the lamp cleaned?"),
)  # fmt: skip


@dataclass(frozen=True)
class Prompts:
    """Makes the prompts for one model. `template` is None for a model without a chat template; `wishes` hold `PLACE`
    where the passage stands."""

    template: ChatTemplate | None
    without_thoughts: bool
    wishes: tuple[str, ...] = WISHES
    start: str = ""  # what a text without a template begins with

    @classmethod
    def of(cls, tokenizer: Any, templates: Path, wish: str = "") -> Prompts:
        """For the model of `tokenizer`; `wish`: one's own words in place of ours.

        Raises:
            DataError: the model's template can't be used.
        """
        own = str(getattr(tokenizer, "chat_template", None) or "")
        template = make_template(tokenizer, "", templates) if has_template(tokenizer, "") else None
        wishes = (wish if PLACE in wish else f"{PLACE}\n\n{wish}",) if wish.strip() else WISHES
        return cls(template, _SWITCH in own, wishes, _start(tokenizer))

    def prompt(self, passage: str, attempt: int) -> str:
        """The prompt for one passage; `attempt` counts from 0.

        Raises:
            RowFault: the template refuses it.
        """
        if self.template is None:
            return self.start + _continued(passage)
        wish = self.wishes[attempt]
        shown = [*_EXAMPLES, (passage, "")] if wish == WISHES[0] else [(passage, "")]
        turns = [
            {"role": role, "content": content}
            for text, question in shown
            for role, content in (("user", wish.replace(PLACE, text)), ("assistant", question))
        ]
        text = self.template.text(turns[:-1], prompt=True)
        return text + _NO_THOUGHTS if self.without_thoughts and not text.endswith(_NO_THOUGHTS) else text

    @property
    def attempts(self) -> int:
        return 1 if self.template is None else len(self.wishes)


def _start(tokenizer: Any) -> str:
    """The BOS, where the tokenizer writes one before a text."""
    bos = getattr(tokenizer, "bos_token", None)
    return str(bos) if bos and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id] else ""


def _continued(passage: str) -> str:
    examples = "".join(f"Text: {text}\nQuestion: {question}\n\n" for text, question in _EXAMPLES)
    return f"{examples}Text: {passage}\nQuestion:"
