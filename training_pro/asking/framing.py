"""What the model really gets for a prompt: the prompt itself, or what a format, a chat template or a character adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training_pro.asking.question import BASE, Question
from training_pro.data.rendering.formats import USUAL_FORMAT, Format, load_format, prompt_in, reading_of
from training_pro.data.rendering.templates import has_template, make_template
from training_pro.data.rows.bad_rows import RowFault
from training_pro.errors import DataError, RunError
from training_pro.folders import Folders
from training_pro.record.lora_choices import chosen_lora
from training_pro.settings import Settings
from training_pro.training.resume import stored_settings


@dataclass(frozen=True)
class Framed:
    """The text that the model continues, how it is called on the page ("as a chat"), and what ends the answer."""

    text: str
    way: str
    stops: tuple[str, ...] = ()


def framed(question: Question, tokenizer: Any, folders: Folders) -> Framed:
    """The prompt in the form that is asked for, "character" excepted, which only the host knows.

    Raises:
        DataError: no such format or template, or it refuses the prompt.
    """
    if question.framing == "chat":
        return _as_chat(question.prompt, tokenizer, "", folders)
    if question.framing == "trained":
        return _as_trained(question, tokenizer, folders)
    return Framed(question.prompt, "as it is")


def _as_trained(question: Question, tokenizer: Any, folders: Folders) -> Framed:
    """As the first LoRA that is there has seen prompts while it was trained."""
    settings = next(filter(None, (_settings_of(voice.lora, folders) for voice in question.voices)), None)
    if settings is None or not settings.dataset or settings.dataset_kind == "text rows":
        return Framed(question.prompt, "as it is")
    format_ = _format_of(settings, tokenizer, folders)
    if format_ is not None:
        return Framed(prompt_in(format_, question.prompt), f"in the format {format_.name}")
    return _as_chat(question.prompt, tokenizer, settings.chat_template, folders)


def _settings_of(lora: str, folders: Folders) -> Settings | None:
    try:
        return stored_settings(chosen_lora(folders, lora).run) if lora != BASE else None
    except RunError:  # its own answer says that it is not there
        return None


def _format_of(settings: Settings, tokenizer: Any, folders: Folders) -> Format | None:
    """The format file that instruction rows of these settings go through; None: the chat template."""
    if settings.dataset_kind not in ("auto", "alpaca"):
        return None
    chosen = reading_of(settings, folders.formats).format
    if chosen is not None and chosen.entries:
        return chosen
    if has_template(tokenizer, settings.chat_template):
        return None
    return load_format(USUAL_FORMAT, folders.formats)


def _as_chat(prompt: str, tokenizer: Any, template: str, folders: Folders) -> Framed:
    """The prompt as one user's turn."""
    made = make_template(tokenizer, template, folders.instruction_templates)
    try:
        written = made.text([{"role": "user", "content": prompt}], prompt=True)
    except RowFault as error:
        raise DataError(f"The prompt can't be asked as a chat: {error}. Ask it as it is.") from None
    return Framed(without_second_bos(written, tokenizer), "as a chat")


def without_second_bos(text: str, tokenizer: Any) -> str:
    """`text` without the BOS that the tokenizer adds itself."""
    adds_bos = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return text.removeprefix(tokenizer.bos_token or "") if adds_bos else text
