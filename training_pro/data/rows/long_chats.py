"""A chat that is too long for the context, in pieces that fit: nothing of it is lost.

Pieces end where an exchange ends and begin with the chat's system text. An exchange that is too long alone stays a
piece. Costs a trial for each exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training_pro.data.rows.chats import Chat
from training_pro.data.rows.turns import Message


def pieces_of(chat: Chat, fits: Callable[[Chat], bool]) -> list[Chat]:
    """The chat's pieces in order; `[chat]` where it fits, or has no turn to be split at.

    What follows the last answer is in no piece: nothing of it would be learned.
    """
    if chat.segments or fits(chat):
        return [chat]
    head = 1 if chat.messages[0]["role"] == "system" else 0
    borders = _borders(chat.messages, head)
    pieces: list[Chat] = []
    first = 0
    for last in range(1, len(borders)):
        is_end = last == len(borders) - 1
        if is_end or not fits(_part(chat, head, borders[first], borders[last + 1])):
            pieces.append(_part(chat, head, borders[first], borders[last]))
            first = last
    return pieces or [chat]


def _borders(messages: list[Message], head: int) -> list[int]:
    """Where exchanges start, and where the last one ends; each has an answer."""
    starts = [head]
    for place in range(head + 1, len(messages)):
        if messages[place]["role"] == "user" and messages[place - 1]["role"] == "assistant":
            starts.append(place)
    end = max((place + 1 for place, message in enumerate(messages) if message["role"] == "assistant"), default=head)
    return [*(start for start in starts if start < end), end]


def _part(chat: Chat, head: int, start: int, end: int) -> Chat:
    silent = frozenset(place - start + head for place in chat.silent if start <= place < end)
    return replace(chat, messages=[*chat.messages[:head], *chat.messages[start:end]], silent=silent)
