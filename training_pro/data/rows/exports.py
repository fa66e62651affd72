"""What chat programs export, as turns: assistants on their websites, characters' sites, the WebUI's own chat logs, Open
WebUI, LM Studio, Agnai, KoboldAI, Discord, Telegram, Google Chat, Messenger and Instagram.

What is known and can't be trained (a character card, a lorebook) is named for what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training_pro.data.rows.assistant_exports import (
    OTHER_BRANCHES,
    inside,
    objects_in,
    of_ai_studio,
    of_character_ai,
    of_claude,
    of_copilot,
    of_flagged,
    of_grok,
    of_history,
    of_risu,
    of_takeout,
    of_tree,
    others_beside,
    said_in,
    with_others,
)
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.fields import filled, folded
from training_pro.data.rows.message_rows import best_thread, messages_in
from training_pro.data.rows.request_logs import refuse_half
from training_pro.data.rows.turns import ROLES

_PAIRS = (("human", "assistant"), ("user", "assistant"), ("input", "output"), ("prompt", "response"))
_PAIRS_MORE = (
    ("question", "answer"),
    ("query", "answer"),
    ("instruction", "output"),
    ("user", "bot"),
    ("human", "gpt"),
)
_CARD = {"first_mes", "mes_example", "char_persona", "char_greeting", "chara_card_v2"}
_NOTICES = {  # types of Discord's messages that nobody wrote
    *("RecipientAdd", "RecipientRemove", "Call", "ChannelNameChange", "ChannelIconChange", "ChannelPinnedMessage"),
    *("GuildMemberJoin", "ThreadCreated", "service"),
}
_CHANNELS = ("public_channel", "private_channel")
_START = "<|BEGIN-VISIBLE-CHAT|>"  # what the WebUI's logs have for the user where the character greets


@dataclass(frozen=True)
class Exported:
    """The turns of one exported chat and the row's fields that they come from."""

    turns: list[Any]
    fields: tuple[str, ...]

    @property
    def others(self) -> int:
        """How many messages of other branches were left out."""
        return sum(map(others_beside, self.turns))


def exported_turns(row: Mapping[str, Any]) -> Exported | None:
    """The turns of a row that a chat program exported, or None.

    Raises:
        RowFault: it is a known file that holds no chat.
    """
    of_assistant = _of_assistant(row)
    if of_assistant is not None:
        return of_assistant
    if isinstance(row.get("messages"), list) and _is_log(row):
        turns = (_of_log(turn) for turn in _in_order(row["messages"]))
        return Exported([turn for turn in turns if turn], ("messages",))
    chat = row.get("chat")
    said = chat.get("messages") if isinstance(chat, Mapping) else None
    tree = inside(chat, "history")
    if isinstance(said, list) and said:
        return Exported(with_others(said, said_in(inside(tree, "messages").values()) - said_in(said)), ("chat",))
    for name, held in (("chat", tree), ("history", row.get("history"))):
        if isinstance(held, Mapping) and isinstance(held.get("messages"), Mapping):
            return Exported(of_history(held), (name,))
    if said == []:
        return Exported([], ("chat",))
    if isinstance(row.get("internal"), list):
        said = with_others(_of_webui(row["internal"]), _other_versions(inside(row, "metadata")))
        return Exported(said, ("internal", "visible", "metadata"))
    _refuse_known(row)
    return None


def _of_assistant(row: Mapping[str, Any]) -> Exported | None:
    """The turns of a chat with an assistant on its own website, or of OpenAssistant."""
    if isinstance(row.get("mapping"), Mapping):
        return Exported(of_tree(row), ("mapping", "current_node"))
    if isinstance(row.get("chat_messages"), list):
        return Exported(of_claude(row), ("chat_messages",))
    found = next(((name, read) for name, (read, wanted) in _BY_FIELD.items() if _holds(row.get(name), wanted)), None)
    if found is not None:
        return Exported(found[1](row), (found[0],))
    if {"header", "products", "time"} <= row.keys() and isinstance(row.get("title"), str):
        return Exported(of_takeout(row), ("header", "title", "time", "products", "safeHtmlItem", "activityControls"))
    if isinstance(row.get("chunkedPrompt"), Mapping):
        return Exported(of_ai_studio(row), ("chunkedPrompt", "systemInstruction"))
    if isinstance(row.get("responses"), list) and isinstance(row.get("conversation"), Mapping):
        return Exported(of_grok(row), ("responses", "conversation"))
    prompt = row.get("prompt")
    if isinstance(prompt, Mapping) and isinstance(prompt.get("replies"), list):
        turns = best_thread(prompt)
        return Exported(with_others(turns, messages_in(prompt) - len(turns)), ("prompt",))
    return None


def _holds(value: Any, wanted: str) -> bool:
    """Whether it is a list whose first object has this field."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and wanted in value[0]


_BY_FIELD = {  # a list of this name, by a field of what is in it
    "turns": (of_character_ai, "candidates"),
    "msgs": (of_flagged, "src__is_human"),
    "messages": (of_flagged, "src__is_human"),
    "chatMessages": (of_flagged, "is_bot"),
    "message": (of_risu, "data"),
    "requests": (of_copilot, "response"),
}


def _refuse_known(row: Mapping[str, Any]) -> None:
    """Names what is known and holds no chat.

    Raises:
        RowFault: the row is such a thing.
    """
    if _CARD & row.keys() or str(row.get("spec")).startswith("chara_card"):
        raise RowFault("it is a character card, which describes a character and holds no chat; choose its chat logs")
    if isinstance(row.get("entries"), Mapping) and all(
        isinstance(entry, Mapping) and {"key", "keys"} & entry.keys() for entry in row["entries"].values()
    ):
        raise RowFault("it is a lorebook (world info), which holds no chat; choose chat logs")
    refuse_half(row)


def pairs_to_turns(turns: list[Any]) -> list[Any]:
    """Turns, where each item is a question with its answer: two, and one more for a system text in it."""
    if len(turns) > 1 and all(isinstance(item, str) for item in turns):
        return [{"role": ("user", "assistant")[place % 2], "content": said} for place, said in enumerate(turns)]
    if all(isinstance(item, list | tuple) and len(item) == 2 for item in turns):
        return [turn for asked, said in turns for turn in _pair(asked, said)]
    first = turns[0] if isinstance(turns[0], Mapping) else {}
    own = {folded(name) for name in first}
    pair = next((pair for pair in (*_PAIRS, *_PAIRS_MORE) if set(pair) <= own), None)
    if pair is None:
        return turns
    return [made for item in turns for made in _of_pair(item, pair)]


def _of_pair(item: Any, pair: tuple[str, str]) -> list[Any]:
    if not isinstance(item, Mapping):
        return [item]
    own = {folded(name): value for name, value in item.items()}
    system = [{"role": "system", "content": own["system"]}] if filled(own.get("system")) else []
    return [*system, *_pair(own.get(pair[0]), own.get(pair[1]), own)]


def _pair(asked: Any, said: Any, flags: Mapping[str, Any] | None = None) -> list[Any]:
    kept = {name: value for name, value in (flags or {}).items() if name in ("weight", "train", "loss_mask", "loss")}
    user = [{"role": "user", "content": asked}] if filled(asked) else []
    return [*user, {"role": "assistant", "content": said, **kept}]


def _is_log(row: Mapping[str, Any]) -> bool:
    """Whether it is a chat of Discord, Telegram, Messenger, Instagram, LM Studio or Agnai."""
    first = next((turn for turn in row["messages"] if isinstance(turn, Mapping)), {})
    if {"role", "lc"} & first.keys() or folded(first.get("type")) in ROLES:
        return False
    marks = ({"id", "type"}, {"sender_name"}, {"senderName"}, {"versions"}, {"_id", "msg"}, {"creator", "created_date"})
    return isinstance(first.get("author"), Mapping) or any(mark <= first.keys() for mark in marks)


def _in_order(messages: list[Any]) -> list[Any]:
    """The messages as they were written; Messenger and Instagram export the newest first."""
    for name in ("timestamp_ms", "timestamp"):
        if all(isinstance(turn, Mapping) and isinstance(turn.get(name), int) for turn in messages):
            return sorted(messages, key=lambda turn: turn[name])
    return messages


def _of_log(turn: Any) -> dict[str, Any]:
    """Who says what; {} for joins, pinned messages and pictures without words."""
    if not isinstance(turn, Mapping):
        return {}
    if "versions" in turn:
        return _of_lm_studio(turn)
    if "msg" in turn:
        role = "user" if turn.get("userId") else "assistant"
        return {"role": role, "content": turn["msg"]} if str(turn["msg"]).strip() else {}
    if str(turn.get("type", "Default")) in _NOTICES:
        return {}
    author = turn.get("author") or turn.get("creator")
    who = (
        author.get("nickname") or author.get("name")
        if isinstance(author, Mapping)
        else turn.get("from") or turn.get("from_id")
    )
    if "senderName" in turn:
        who = turn["senderName"]
    if "sender_name" in turn:
        who, turn = _as_utf8(turn["sender_name"]), {"content": _as_utf8(turn.get("content"))}
    said = turn.get("content") if "content" in turn else turn.get("text")
    if isinstance(said, list):
        said = "".join(part if isinstance(part, str) else str(_text_in(part)) for part in said)
    if not isinstance(said, str) or not said.strip() or not isinstance(who, str) or not who.strip():
        return {}
    return {"speaker": who, "content": said}


def _as_utf8(text: Any) -> Any:
    """Messenger and Instagram write each byte of UTF-8 as a character of its own."""
    try:
        return text.encode("latin-1").decode("utf-8") if isinstance(text, str) else text
    except UnicodeError:
        return text


def _of_lm_studio(turn: Mapping[str, Any]) -> dict[str, Any]:
    """The version of a message that is chosen; an answer has its text in steps."""
    place = turn.get("currentlySelected")
    versions = turn["versions"] if isinstance(turn["versions"], list) else []
    chosen = versions[place] if isinstance(place, int) and 0 <= place < len(versions) else None
    if not isinstance(chosen, Mapping):
        return {}
    steps = chosen.get("steps") if isinstance(chosen.get("steps"), list) else [chosen]
    parts = [part for step in steps or [] for part in objects_in(step, "content")]
    text = "".join(str(part.get("text") or "") for part in parts)
    others = {OTHER_BRANCHES: len(versions) - 1} if len(versions) > 1 else {}
    return {"role": chosen.get("role"), "content": text, **others} if text.strip() else {}


def story_of(story: Mapping[str, Any]) -> str:
    """What KoboldAI saved: its beginning and every action after it."""
    return "".join(part for part in (story.get("prompt"), *story["actions"]) if isinstance(part, str))


def posts_of(whole: Mapping[str, Any]) -> list[str] | None:
    """The posts of a channel of Telegram, in which one side speaks; None for anything else."""
    if whole.get("type") not in _CHANNELS or not isinstance(whole.get("messages"), list):
        return None
    return [turn["content"] for turn in map(_of_log, whole["messages"]) if turn]


def _text_in(part: Any) -> Any:
    return part.get("text", "") if isinstance(part, Mapping) else ""


def _other_versions(metadata: Mapping[str, Any]) -> int:
    """How many versions the WebUI's messages have beside those that are shown."""
    return sum(max(0, len(objects_in(about, "versions")) - 1) for about in metadata.values())


def _of_webui(pairs: list[Any]) -> list[Any]:
    good = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    return [turn for asked, said in good for turn in _pair("" if asked == _START else asked, said) if turn["content"]]
