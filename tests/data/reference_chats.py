"""What each template family makes of a conversation, written down by hand: pieces of text and whether each is trained.

Nothing here knows how the answers are found; a renderer that trains other pieces than these is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.data import chat_templates as templates

Messages = list[dict[str, Any]]
Pieces = list[tuple[str, bool]]


@dataclass(frozen=True)
class Family:
    """A template, and its reference. `stop` ends every turn of the assistant."""

    template: str
    pieces: Callable[[Messages], Pieces]
    stop: str


def chatml(messages: Messages) -> Pieces:
    pieces = [] if messages[0]["role"] == "system" else [("<|im_start|>system\nBe kind.<|im_end|>\n", False)]
    for message in messages:
        pieces += _turn(f"<|im_start|>{message['role']}\n", message, message["content"], "<|im_end|>")
        pieces += [("\n", False)]
    return pieces


def llama3(messages: Messages) -> Pieces:
    pieces = [("<s>", False)]
    for message in messages:
        head = f"<|start_header_id|>{message['role']}<|end_header_id|>\n\n"
        pieces += _turn(head, message, message["content"].strip(), "<|eot_id|>")
    return pieces


def mistral(messages: Messages) -> Pieces:
    """The system text goes before the last question."""
    system = messages[0]["content"] + "\n\n" if messages[0]["role"] == "system" else ""
    turns = messages[1:] if system else messages
    last = max(place for place, turn in enumerate(turns) if turn["role"] == "user")
    pieces = [("<s>", False)]
    for place, turn in enumerate(turns):
        if turn["role"] == "user":
            pieces += [(f"[INST] {system if place == last else ''}{turn['content']}[/INST]", False)]
        else:
            pieces += [(" ", False), (turn["content"], True), ("</s>", True)]
    return pieces


def gemma(messages: Messages) -> Pieces:
    """Without a system role: its text goes before the first question."""
    system = messages[0]["content"].strip() + "\n\n" if messages[0]["role"] == "system" else ""
    pieces = [("<s>", False)]
    for place, turn in enumerate(messages[1:] if system else messages):
        role = "model" if turn["role"] == "assistant" else turn["role"]
        content = ((system if place == 0 else "") + turn["content"]).strip()
        pieces += [*_turn(f"<start_of_turn>{role}\n", turn, content, "<end_of_turn>"), ("\n", False)]
    return pieces


def strips_earlier_thinking(messages: Messages) -> Pieces:
    last = max(place for place, turn in enumerate(messages) if turn["role"] == "user")
    pieces: Pieces = []
    for place, turn in enumerate(messages):
        head, content = f"<|im_start|>{turn['role']}\n", turn["content"]
        if turn["role"] == "assistant" and place > last:
            thought, said = _parted(content)
            # What the turn does not hold itself, the template writes for it: nobody said that.
            pieces += [(head, False), (f"<think>\n{thought}\n", "<think>" in content)]
            pieces += [("</think>\n\n", "</think>" in content), (said.lstrip("\n"), True)]
            pieces += [("<|im_end|>", True), ("\n", False)]
        else:
            said = _parted(content)[1] if turn["role"] == "assistant" else content
            pieces += [*_turn(head, turn, said, "<|im_end|>"), ("\n", False)]
    return pieces


def _parted(content: str) -> tuple[str, str]:
    if "</think>" not in content:
        return "", content
    thought = content.split("</think>")[0].split("<think>")[-1].strip("\n")
    return thought, content.split("</think>")[-1].lstrip("\n")


def _turn(head: str, message: dict[str, Any], said: str, stop: str) -> Pieces:
    """A turn that is all thinking, of which nothing is left, teaches nothing: not even to stop."""
    is_answer = message["role"] == "assistant"
    return [(head, False), (said, is_answer), (stop, is_answer and bool(said.strip()))]


FAMILIES = {
    "chatml": Family(templates.CHATML, chatml, "<|im_end|>"),
    "llama3": Family(templates.LLAMA3, llama3, "<|eot_id|>"),
    "mistral": Family(templates.MISTRAL, mistral, "</s>"),
    "gemma": Family(templates.GEMMA, gemma, "<end_of_turn>"),
    "strips_earlier_thinking": Family(templates.STRIPS_EARLIER_THINKING, strips_earlier_thinking, "<|im_end|>"),
}
