"""Ask a LoRA: the same prompt with it and without it; use it in chat, or stop using it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.record.adapter_files import CONFIG_FILE
from training_pro.record.runs import list_runs
from training_pro.session import Session
from training_pro.ui.fields import meant
from training_pro.ui.handlers import answering
from training_pro.ui.live import Follows, Shown, slot_area
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.markup import box, text

LAST = ""  # whichever run went last
LAST_CHOICE = ("The last run's", LAST)


class TryOut(Follows):
    """The panel. While a run holds the model, the host says so."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def build(self) -> None:
        with card("ask"):
            head("Ask it")
            self.prompt = gr.Textbox(
                label="Prompt", lines=2, max_lines=10, elem_id="tp-prompt", elem_classes=["tp-field"]
            )
            with gr.Row(elem_classes=["tp-g3"]):
                self.name = gr.Dropdown(
                    [LAST_CHOICE], value=LAST, label="LoRA", allow_custom_value=True, elem_id="tp-try-name",
                    elem_classes=["tp-field"],
                )  # fmt: skip
                self.tokens = gr.Number(
                    80, label="Length of the answer", precision=0, minimum=1, maximum=1000, elem_id="tp-try-tokens",
                    elem_classes=["tp-field", "tp-unit-tokens"],
                )  # fmt: skip
                self.chat = gr.Checkbox(
                    False, label="As a chat", info="As a user's turn, with the model's chat template.",
                    elem_classes=["tp-field"],
                )  # fmt: skip
            with button_row():
                self.ask = button("Ask with and without the LoRA", "ask-both", variant="primary")
                self.put_on = button("Use it in chat", "put-on")
                self.take_off = button("Stop using it", "take-off")
            self.state = slot_area("try-state")
            self.said = area("try-said")

    def connect(self) -> None:
        asked = [self.name, self.prompt, self.tokens, self.chat]
        self.ask.click(answering(self._ask, self.said, "asking the model"), asked, self.said, api_name=False)
        put_on = answering(self._put_on, self.said, "loading the LoRA")
        self.put_on.click(put_on, self.name, self.said, api_name=False)
        take_off = answering(self._take_off, self.said, "unloading the LoRA")
        self.take_off.click(take_off, None, self.said, api_name=False)

    @property
    def shown(self) -> list[Shown]:
        """Which LoRA the model uses, whoever loaded it."""
        return [Shown("try-state", lambda: tuple(self._session.host.loras_on()), self._on)]

    def _on(self) -> str:
        names = ", ".join(f'"{name}"' for name in self._session.host.loras_on())
        return box("good", f"The model now answers with {names}.") if names else ""

    def lists(self) -> dict[Any, Any]:
        """The LoRAs as they are now."""
        names = [run.name for run in list_runs(self._session.host.folders) if (run.path / CONFIG_FILE).is_file()]
        return {self.name: gr.update(choices=[LAST_CHOICE, *((name, name) for name in names)])}

    def _chosen(self, name: str | None) -> str:
        chosen = meant(name or LAST, [LAST_CHOICE])
        if chosen != LAST:
            return chosen
        run = self._session.run
        if run is None:
            raise RunError("There is no run yet. Choose a LoRA from the list.")
        return run.settings.name

    def _put_on(self, name: str | None) -> dict[Any, Any]:
        chosen = self._chosen(name)
        self._refuse_while_busy()
        self._session.host.put_lora_on(chosen)
        return {self.said: ""}

    def _take_off(self) -> dict[Any, Any]:
        self._refuse_while_busy()
        self._session.host.take_loras_off()
        return {self.said: ""}

    def _ask(self, name: str | None, prompt: str, tokens: float, chat: bool) -> dict[Any, Any]:
        """Both answers; afterwards the LoRAs that were on are on again."""
        chosen, host = self._chosen(name), self._session.host
        self._refuse_while_busy()
        asked = as_chat(host.loaded_model().tokenizer, prompt) if chat else prompt
        before = host.loras_on()
        if len(before) > 1:
            raise RunError(f"Several LoRAs are loaded ({', '.join(before)}). Stop using them first.")
        try:
            host.take_loras_off()
            without = host.generate(asked, int(tokens))
            host.put_lora_on(chosen)
            with_lora = host.generate(asked, int(tokens))
        finally:
            if before != host.loras_on():
                host.put_lora_on(before[0]) if before else host.take_loras_off()
        return {self.said: answers_view([("without", without), (f"with {chosen}", with_lora)])}

    def _refuse_while_busy(self) -> None:
        run = self._session.run
        if run is not None and run.status.running:
            raise RunError(run.sentence())


def as_chat(tokenizer: Any, prompt: str) -> str:
    """The prompt as one user's turn; without the BOS that the tokenizer adds itself."""
    if not getattr(tokenizer, "chat_template", None):
        raise RunError("The model has no chat template. Ask without As a chat.")
    messages = [{"role": "user", "content": prompt}]
    written = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    adds_bos = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return written.removeprefix(tokenizer.bos_token or "") if adds_bos else written


def answers_view(answers: list[tuple[str, str]]) -> str:
    """Answers side by side."""
    cards = "".join(
        f'<div class="tp-frame"><header><b>{text(who)}</b></header><p>{text(answer) or "<i>nothing</i>"}</p></div>'
        for who, answer in answers
    )
    return f'<div class="tp-film tp-answers">{cards}</div>'
