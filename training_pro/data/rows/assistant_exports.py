"""What the websites of assistants and characters export, as turns: ChatGPT, Claude, DeepSeek, Google AI Studio, Grok,
Gemini (Takeout), Copilot, Open WebUI, Character.AI, JanitorAI and RisuAI.

Of the branches of a chat the one that was shown last is taken; the messages of the others are counted. Pictures, calls
of the site's own tools and marks of citations are no words of a turn; what a turn brings of them stays in it under its
own name, to be counted as not used. Thoughts go where ``reasoning_content`` goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from training_pro.data.documents.html import html_text
from training_pro.data.rows.bad_rows import RowFault, beginning
from training_pro.packages import installed

# "\ue200cite\ue202turn0search1\ue201" and "【4†source】"
_CITATIONS = re.compile(" ?\ue200[^\ue201\n]{0,400}\ue201| ?【\\d{1,3}(?::\\d{1,3})?†[^】\n]{0,80}】")
_NO_BLOCK = "This block is not supported on your current device yet."
_WORDS = ("text", "multimodal_text")  # kinds of content that are what somebody said
_FLAGGED = ("msgs", "messages", "chatMessages")
_DONE = re.compile(  # what Google writes before a question; in German and French too
    r"^(?:(?:Prompted|Asked|Said)\s+|(?:Eingegebener Prompt|Prompt)\s*:\s*)"
)
_NO_QUESTION = re.compile(  # nor before other things that were done
    r"(?:Created|Used|Gave|Selected|Chose|Uploaded|Viewed|Visited|Shared|Searched|Opened|Generated|Deleted|Edited|"
    r"Started|Saved|Listened|Watched|Turned|Removed|Added|Changed|Updated|Exported|Published|Rated|Received)\b"
)
_MARKDOWN = ("markdownContent", "markdownVuln")
UNANSWERED = "thoughts without an answer"  # the field that has them counted as not used
OTHER_BRANCHES = "messages of other branches"  # the field of a row or turn with how many were left out beside it
_FRAGMENTS = {"REQUEST": "user", "RESPONSE": "assistant"}
_PLACE_IN_TREE = ("id", "parentId", "childrenIds")
Turns = list[dict[str, Any]]
Node = Mapping[str, Any]


def of_tree(row: Mapping[str, Any]) -> Turns:
    """A chat of ChatGPT or DeepSeek, whose messages are the nodes of a tree."""
    branch, others = _branch(row["mapping"], row.get("current_node"), ("parent", "children"))
    turns = joined_turns(with_thoughts([part for node in branch for part in _of_node(node.get("message"))]))
    return with_others(turns, sum("role" in part for node in others for part in _of_node(node.get("message"))))


def of_history(history: Mapping[str, Any]) -> Turns:
    """A chat of Open WebUI, whose messages are the nodes of a tree."""
    branch, others = _branch(history["messages"], history.get("currentId"), ("parentId", "childrenIds"))
    turns = [{name: value for name, value in node.items() if name not in _PLACE_IN_TREE} for node in branch]
    return with_others(turns, said_in(others))


def with_others(turns: Turns, count: int) -> Turns:
    """The turns, the last of them with the number of messages of other branches."""
    if count <= 0 or not turns or not isinstance(turns[-1], Mapping):
        return turns
    return [*turns[:-1], {**turns[-1], OTHER_BRANCHES: count}]


def said_in(messages: Iterable[Any], name: str = "content") -> int:
    """How many of these messages have words under this name."""
    return sum(isinstance(one, Mapping) and bool(str(one.get(name) or "").strip()) for one in messages)


def others_beside(holder: Any) -> int:
    """How many messages of other branches a row or turn says were left out."""
    count = holder.get(OTHER_BRANCHES) if isinstance(holder, Mapping) else None
    return max(0, count) if isinstance(count, int) else 0


def _branch(tree: Mapping[str, Any], place: Any, names: tuple[str, str]) -> tuple[list[Node], list[Node]]:
    """The nodes from the first one down to `place`, or to the last leaf where there is no such node, and all others;
    `names`: of a node's fields that have its parent and its children."""
    parent, children = names
    nodes = {name: node for name, node in tree.items() if isinstance(node, Mapping)}
    if not isinstance(place, str) or place not in nodes:
        leaves = [name for name, node in nodes.items() if not node.get(children)]
        place = leaves[-1] if leaves else None
    branch: dict[str, Mapping[str, Any]] = {}
    while isinstance(place, str) and place in nodes and place not in branch:
        branch[place] = nodes[place]
        place = nodes[place].get(parent)
    return list(branch.values())[::-1], [node for name, node in nodes.items() if name not in branch]


def _of_node(message: Any) -> Iterable[dict[str, Any]]:
    if not isinstance(message, Mapping):
        return
    if isinstance(message.get("fragments"), list):
        yield from _of_fragments(message["fragments"])
        return
    role, content = inside(message, "author").get("role"), inside(message, "content")
    kind = content.get("content_type", "text")
    if kind == "thoughts":
        yield {"thoughts": "\n".join(str(part.get("content") or "") for part in objects_in(content, "thoughts"))}
    elif role in ("user", "assistant") and kind in _WORDS and message.get("recipient") in (None, "", "all"):
        yield from _said(str(role), content)


def _said(role: str, content: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    parts = content["parts"] if isinstance(content.get("parts"), list) else [content.get("text")]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    text, cited = _CITATIONS.subn("", "\n".join(text for text in texts if isinstance(text, str)))
    media = sum(isinstance(part, Mapping) and not isinstance(part.get("text"), str) for part in parts)
    more = {"citations": cited or None, "media": media or None}
    if text.strip():
        yield {"role": role, "content": text, **{name: count for name, count in more.items() if count}}


def _of_fragments(fragments: list[Any]) -> Iterable[dict[str, Any]]:
    for fragment in (fragment for fragment in fragments if isinstance(fragment, Mapping)):
        kind, text = fragment.get("type"), str(fragment.get("content") or "")
        if kind == "THINK":
            yield {"thoughts": text}
        elif kind in _FRAGMENTS and text.strip():
            yield {"role": _FRAGMENTS[kind], "content": text}


def of_claude(row: Mapping[str, Any]) -> Turns:
    """A chat of Claude. What was pasted as a file is part of the message; what its tools did is not."""
    messages = [message for message in row["chat_messages"] if isinstance(message, Mapping)]
    branch = _last_branch(messages)
    said, every = ([turn for turn in map(_of_claude, some) if turn["content"].strip()] for some in (branch, messages))
    return with_others(joined_turns(said), len(every) - len(said))


def _last_branch(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The messages from the first one to the last one; all of them where they don't name what they answer."""
    by_id = {str(message.get("uuid")): message for message in messages}
    if len(by_id) < len(messages) or not all(message.get("parent_message_uuid") for message in messages):
        return messages
    branch: list[Mapping[str, Any]] = []
    here = messages[-1] if messages else None
    while here is not None and len(branch) < len(messages):
        branch.append(here)
        here = by_id.get(str(here["parent_message_uuid"]))
    return branch[::-1]


def _of_claude(message: Mapping[str, Any]) -> dict[str, Any]:
    parts = objects_in(message, "content")
    texts = [part["text"] for part in parts if part.get("type", "text") == "text" and isinstance(part.get("text"), str)]
    said = "\n\n".join(text.strip("\n") for text in texts if text.strip() and _NO_BLOCK not in text)
    files = [
        f"{str(file.get('file_name') or '')}\n{file['extracted_content']}".strip()
        for file in objects_in(message, "attachments")
        if isinstance(file.get("extracted_content"), str)
    ]
    turn = {"role": message.get("sender"), "content": "\n\n".join(filter(None, [said or _plain(message), *files]))}
    thoughts = [part["thinking"] for part in parts if isinstance(part.get("thinking"), str)]
    more = {
        "reasoning_content": "\n".join(thoughts),
        "files": message.get("files"),
        "tool_use": [part for part in parts if part.get("type") == "tool_use"],
    }
    return {**turn, **{name: value for name, value in more.items() if value}}


def _plain(message: Mapping[str, Any]) -> str:
    """The text of an older export, which has no parts."""
    text = message.get("text")
    return text.replace(f"```\n{_NO_BLOCK}\n```", "") if isinstance(text, str) else ""


def of_ai_studio(row: Mapping[str, Any]) -> Turns:
    """A chat that Google AI Studio saved to Drive."""
    turns: Turns = []
    for chunk in objects_in(row["chunkedPrompt"], "chunks"):
        text = chunk.get("text")
        if isinstance(text, str) and text.strip():
            turns.append({"thoughts": text} if chunk.get("isThought") else {"role": chunk.get("role"), "content": text})
    system = row.get("systemInstruction")
    texts = [part.get("text") for part in objects_in(system, "parts")] or [inside(row, "systemInstruction").get("text")]
    head = "\n".join(text for text in texts if isinstance(text, str) and text.strip())
    return joined_turns([*([{"role": "system", "content": head}] if head else []), *with_thoughts(turns)])


def of_grok(row: Mapping[str, Any]) -> Turns:
    """A chat of Grok."""
    said = [inside(response, "response") for response in objects_in(row, "responses")]
    return joined_turns(
        [
            {"role": str(one.get("sender")).lower(), "content": str(one["message"])}
            for one in said
            if str(one.get("message") or "").strip()
        ]
    )


def of_character_ai(row: Mapping[str, Any]) -> Turns:
    """A chat of Character.AI; of the answers to choose from the one that was chosen."""
    said = objects_in(row, "turns")
    if all(isinstance(turn.get("create_time"), str) for turn in said):
        said = sorted(said, key=lambda turn: turn["create_time"])  # the site hands out the newest first
    turns = [turn for turn in map(_of_candidates, said) if turn["content"].strip()]
    candidates = [one for turn in said for one in objects_in(turn, "candidates")]
    return with_others(joined_turns(turns), said_in(candidates, "raw_content") - len(turns))


def _of_candidates(turn: Mapping[str, Any]) -> dict[str, Any]:
    candidates = objects_in(turn, "candidates")
    chosen = turn.get("primary_candidate_id")
    shown = next((one for one in candidates if one.get("candidate_id") == chosen), candidates[0] if candidates else {})
    role = "user" if inside(turn, "author").get("is_human") else "assistant"
    return {"role": role, "content": str(shown.get("raw_content") or "")}


def of_flagged(row: Mapping[str, Any]) -> Turns:
    """A chat whose messages say by a flag who wrote them: older exports of Character.AI, JanitorAI."""
    turns: Turns = []
    others = 0
    for message in next(objects for name in _FLAGGED if (objects := objects_in(row, name))):
        other = message.get("is_alternative") or message.get("is_main") is False  # an answer that was not chosen
        human = message["src__is_human"] if "src__is_human" in message else not message.get("is_bot")
        text = str(message.get("text") or message.get("message") or "")
        others += bool(text.strip() and other)
        if text.strip() and not other:
            turns.append({"role": "user" if human else "assistant", "content": text})
    return with_others(joined_turns(turns), others)


def of_risu(row: Mapping[str, Any]) -> Turns:
    """A chat of RisuAI."""
    said = objects_in(row, "message")
    return joined_turns(
        [{"role": one.get("role"), "content": str(one["data"])} for one in said if str(one.get("data") or "").strip()]
    )


def of_copilot(row: Mapping[str, Any]) -> Turns:
    """A chat that Copilot exported from VS Code; what its tools did is left out."""
    turns: Turns = []
    for request in objects_in(row, "requests"):
        parts = objects_in(request, "response")
        said = "".join(_of_copilot(part) for part in parts if part.get("kind") != "thinking")
        thoughts = "\n".join(filter(None, (_thought(part) for part in parts if part.get("kind") == "thinking")))
        asked = inside(request, "message").get("text")
        if isinstance(asked, str) and asked.strip() and said.strip():
            more = {"reasoning_content": thoughts} if thoughts.strip() else {}
            turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": said, **more}]
    return turns


def _of_copilot(part: Mapping[str, Any]) -> str:
    """The words of a part of an answer; a link to a file or a name in the code is its name."""
    if part.get("kind") in _MARKDOWN:
        part = inside(part, "content")
    value = _reference(part) if part.get("kind") == "inlineReference" else part.get("value")
    return value if isinstance(value, str) else ""


def _reference(part: Mapping[str, Any]) -> str:
    target = inside(part, "inlineReference")
    place = inside(inside(target, "location"), "uri") or inside(target, "uri") or target
    return str(part.get("name") or target.get("name") or str(place.get("path") or "").rpartition("/")[2])


def _thought(part: Mapping[str, Any]) -> str:
    value = part.get("value")
    return "".join(str(piece) for piece in value) if isinstance(value, list) else str(value or "")


def of_takeout(row: Mapping[str, Any]) -> Turns:
    """A question to Gemini with its answer, as Google Takeout lists what was done; other things done are no turns.

    Raises:
        RowFault: its title is in an unknown language, or what reads the pages that the answers are is not installed.
    """
    pages = [item["html"] for item in objects_in(row, "safeHtmlItem") if isinstance(item.get("html"), str)]
    if not pages or _NO_QUESTION.match(row["title"]):
        return []
    if not _DONE.match(row["title"]):
        raise RowFault(
            f"its title ({beginning(row['title'], 60)}) does not begin with Prompted, Asked or Said, so it is unknown "
            "whether it is a question; set the Google account to English and export again"
        )
    if not installed("bs4"):
        raise RowFault("its answers are web pages, which beautifulsoup4 reads: pip install beautifulsoup4")
    answer = "\n\n".join(html_text(page, chapters=False).text for page in pages)
    return [{"role": "user", "content": _DONE.sub("", row["title"])}, {"role": "assistant", "content": answer}]


def with_thoughts(parts: Turns) -> Turns:
    """The turns; thoughts that stand alone go into the assistant's turn after them, and are counted where none is."""
    turns: Turns = []
    waiting: list[str] = []
    for part in parts:
        if "thoughts" in part:
            waiting += [part["thoughts"]] if part["thoughts"].strip() else []
            continue
        if waiting and part.get("role") in ("assistant", "model"):
            part = {**part, "reasoning_content": "\n".join(waiting)}
        elif waiting:
            part = {**part, UNANSWERED: len(waiting)}
        waiting = []
        turns.append(part)
    if waiting and turns:
        turns[-1] = {**turns[-1], UNANSWERED: len(waiting)}
    return turns


def joined_turns(turns: Turns) -> Turns:
    """The turns, those that one side says in a row as one."""
    found: Turns = []
    for turn in turns:
        last = found[-1] if found else None
        if last is None or last["role"] != turn["role"]:
            found.append(dict(turn))
            continue
        thoughts = [one["reasoning_content"] for one in (last, turn) if one.get("reasoning_content")]
        found[-1] = {**last, **turn, "content": f"{last['content']}\n\n{turn['content']}"}
        if thoughts:
            found[-1]["reasoning_content"] = "\n".join(thoughts)
    return found


def inside(value: Any, name: str) -> Mapping[str, Any]:
    """The object under a name of another object; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def objects_in(value: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects in the list under a name of an object."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in inner if isinstance(item, Mapping)] if isinstance(inner, list) else []
