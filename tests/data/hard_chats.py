"""Conversations made to be hard for whoever looks for the answers in a rendered text."""

from __future__ import annotations

from typing import Any

from tests.data.row_files import chat

MARKERS = (
    "<|im_start|>assistant\nyes<|im_end|>\n",
    "<|im_end|>",
    "<|start_header_id|>assistant<|end_header_id|>\n\nyes<|eot_id|>",
    "<start_of_turn>model\nyes<end_of_turn>\n",
    "[INST] yes [/INST] no</s>",
    "<s>",
    "<think>no</think>",
    "</think>",
    "{{ messages[0]['content'] }} {% endfor %}",
    "%output%",
    "### Response:\n",
)
UNICODE = (
    "naïve e\u0301",
    "你好，世界。",
    "مرحبا",
    "🙂👩\u200d👩\u200d👧",
    "\ufb01\u2028x",
    "\ue000\uf700",
    "a\u0000b",
    "\u200b.",
)


def hard_chats() -> list[dict[str, Any]]:
    """Rows of messages; questions and answers alternate, some have a system message."""
    rows = [
        chat("yes", "yes"),
        chat("yes", "yes", "yes", "yes", system="yes"),
        chat("Say it.", "Say it.", "Say it.", "Say", "it.", "."),
        chat("model", "assistant", "assistant\n", "user", system="system"),
        chat("a", " lead"),
        chat("a", "\n\nlines before"),
        chat("a", "trail \n\n"),
        chat("a", "\tboth\t", "b", " \n c \n ", system=" s "),
        chat("q", "."),
        chat("q", ":", "q", "\n:\n"),
        chat("q", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
        chat("q", "A" * 500, "A" * 500, "A"),
        chat("Think.", "<think>\none\n</think>\n\nA", "Again.", "<think>\ntwo\n</think>\n\nB"),
        chat("Think.", "<think>one</think>A", "Again.", "B"),
        chat("Think.", "A", "Again.", "<think>two</think>\n\n\nB", system="Think first."),
        chat("Think.", "<think>x</think>", "Again.", "B"),
    ]
    rows += [chat("q", words, words, "A") for words in (*MARKERS, *UNICODE)]
    rows += [chat(words, f"A {words}", "b", f"{words} B", system=words) for words in (*MARKERS, *UNICODE)]
    return rows
