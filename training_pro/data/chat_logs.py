"""Chat logs that are texts (WhatsApp, Telegram, Discord, IRC, "Name: ..." lines) as conversations of turns.

A log is read line by line: a line that begins with a name, in the manner of the log, begins a message; what follows
belongs to it. Messages of one person in a row are one turn; a long pause ends a conversation. Costs some 3 MB a second.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from training_pro.errors import DataError

PAUSE_HOURS = 6.0
MOST_TURNS = 40  # of a conversation
_FEWEST_MESSAGES = 6
_MOSTLY = 0.5  # of the lines that are not blank begin a message, in a log with a message a line
_LEAST_SHARE = 0.02
_THIN_SPACES = re.compile("[\u00a0\u2009\u202f]")
_INVISIBLE = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_HALF = r"(?:[AaPp]\.? ?[Mm]\.?|[صم])"  # of the day; before the time in Chinese, Japanese and Korean
_TIME = rf"(?:(?:上午|下午|午前|午後|오전|오후) ?)?\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?: ?{_HALF})?"
_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{4}\. \d{1,2}\. \d{1,2}\."
    r"|(?:[^\W\d_]{2,9}\.?, )?[^\W\d_]{3,9}\.? \d{1,2},? \d{4})"
)
_WHEN = rf"(?:{_DATE}[,\u060c]?(?: à| um| at| a las)? {_TIME}|{_TIME}, {_DATE})"
_NAME = r"[^\n:<>\[\]]{1,60}?"
_MANNERS = {
    "WhatsApp": re.compile(rf"(?P<when>{_WHEN})(?: [-\u2013]|,) (?:(?P<name>{_NAME}) ?: )?(?P<text>.*)"),
    "WhatsApp (iOS)": re.compile(rf"\[(?P<when>{_WHEN})\] (?:(?P<name>{_NAME}) ?: ?)?(?P<text>.*)"),
    "WhatsApp (older)": re.compile(rf"(?P<when>{_WHEN}): (?P<name>{_NAME}): (?P<text>.*)"),
    "Telegram": re.compile(rf"(?P<name>[^\n\[\]]{{1,60}}?), \[(?P<when>{_WHEN})\]:?(?P<text>)"),
    "Discord": re.compile(
        rf"\[(?P<when>(?:{_DATE}|\d{{1,2}}-\w{{3}}-\d{{2,4}}|[^\W\d_]{{3,10}}),? {_TIME})\] "
        r"(?P<name>[^\n:<]{1,60}?)(?P<text>)"
    ),
    "Discord (copied)": re.compile(
        rf"(?P<name>[^\n:\u2014]{{1,60}}?) \u2014 (?P<when>[^\n:]{{0,20}}?{_TIME})(?P<text>)"
    ),
    "IRC": re.compile(
        rf"(?:\[?(?P<when>(?:(?:{_DATE}|[^\W\d_]{{3}} \d{{1,2}})[ T])?{_TIME})Z?\]? )?"
        r"<[ @+%~&]?(?P<name>[^\s<>]{1,40})>[ \t](?P<text>.*)"
    ),
    "a log with tabs": re.compile(
        rf"(?P<when>(?:{_DATE}[ T])?{_TIME})\t[ @+%~&]?(?P<name>[^\t\n]{{1,60}})\t(?P<text>.*)"
    ),
    "KakaoTalk": re.compile(rf"\[(?P<name>[^\]\n]{{1,40}})\] \[(?P<when>{_TIME})\] (?P<text>.*)"),
    "a log with times": re.compile(rf"\[(?P<when>(?:[^\]\n:]{{1,16}} )?{_TIME})\] ?(?P<name>{_NAME}): ?(?P<text>.*)"),
    "a transcript with times": re.compile(
        rf"(?P<name>{_NAME}) [\[(](?P<when>(?:{_DATE},? )?{_TIME})[\])]:? ?(?P<text>.*)"
    ),
    "Zoom": re.compile(
        rf"(?P<when>{_TIME})\s+From\s+(?P<name>{_NAME})(?:\s+[Tt]o\s+[^:\n]{{1,60}})?\s*:\s*(?P<text>.*)"
    ),
    "a log with bare times": re.compile(rf"(?P<when>{_TIME}) (?:- )?(?P<name>{_NAME}): ?(?P<text>.*)"),
    "a log with headings": re.compile(
        rf"(?P<name>[^\n\[\]:]{{1,60}}?)(?: {{2,}}\[?(?P<when>{_TIME})\]?| {_DATE} {_TIME})[ \t]*(?P<text>)"
    ),
    "QQ": re.compile(rf"(?P<when>{_DATE} {_TIME}) (?P<name>[^\n:]{{1,60}}?)(?P<text>)"),
    "turns with headings": re.compile(r"(?P<when>)(?:#{1,4} )?(?P<name>[^\W\d_][\w ]{0,30}?)(?: said)?:(?P<text>)"),
    "speakers by number": re.compile(r"(?P<when>)\[(?P<name>[A-Z][A-Za-z_ ]*\d{1,2})\]:? (?P<text>.*)"),
    "a dialogue": re.compile(r"(?P<when>)\*{0,2}(?P<name>[^\W\d_][\w .'-]{0,30})(?::\*{0,2}|\*{1,2}:) (?P<text>.+)"),
}
_ALONE = re.compile(  # a day that has a line of its own
    rf"[-=_\u2500\u2014 ]*(?:[^\W\d_]{{2,12}}\.?,? )?(?:{_DATE}"
    r"|\d{4}[年년] ?\d{1,2}[月월] ?\d{1,2}[日일]"
    rf"|\d{{1,2}}\.? [^\W\d_]{{3,9}}\.? \d{{4}})[ (]*(?:[^\W\d_]{{1,12}}\)?)?[-=_\u2500\u2014 ]*"
)
_DAY = re.compile(rf"{_DATE}|\d{{1,2}}-\w{{3}}-\d{{2,4}}")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})[:.](\d{2})(?:[:.]\d{2})?(?![.\d/])")
# The name has a line of its own.
_WITH_HEADINGS = {"Telegram", "Discord", "Discord (copied)", "Zoom", "a log with headings", "QQ", "turns with headings"}
_GUESSED = (
    "a log with bare times",
    "a dialogue",
    "a log with headings",
    "QQ",
    "turns with headings",
    "Zoom",
)  # by names that come again
_FIELDS = {"From", "To", "Cc", "Sent", "Date", "Subject", "Type", "Title", "Author", "Note", "Time", "Ingredients"}
_SOMEBODY = re.compile(r"\w")  # a program has arrows and stars for a name
_NOTICE = "\x01"  # what the program itself wrote, which WhatsApp marks on iOS
_LEAST_MESSAGES_A_NAME = 4
_NO_TEXT = re.compile(
    r"<[^<>]{3,40}>|\W*(?:image|video|audio|sticker|GIF|document|Contact card) omitted|"
    r"(?:this message was deleted|you deleted this message|null)\.?|<attached: [^>]+>|\S+ \(file attached\)|"
    r"\S+ \((?:Datei angehängt|fichier joint|archivo adjunto|file allegato|arquivo anexado)\)|"
    r"(?:Bild|Video|Audio|Sticker|GIF|Dokument) weggelassen|(?:image|vidéo|audio) omise?|"
    r"(?:imagen|sticker|audio|video) omitid[ao]|(?:immagine|video|audio) omess[ao]|(?:imagem|áudio|vídeo) ocultad[ao]",
    re.IGNORECASE,
)
_FORMATS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d"),
    *("%d/%b/%y", "%d/%b/%Y", "%y/%m/%d", "%b %d %Y", "%B %d %Y"),
)


@dataclass(frozen=True)
class Message:
    """What one person wrote; `at` is its time, as far as the log says it."""

    name: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True)
class ChatLog:
    """`manner` is the kind of log. `removed` counts what is no message of a person, and media without words."""

    manner: str
    messages: list[Message]
    removed: dict[str, int] = field(default_factory=dict)

    def names(self) -> list[tuple[str, int]]:
        """Who wrote, and how many messages, the busiest first."""
        return Counter(message.name for message in self.messages).most_common()


def chat_log(text: str) -> ChatLog | None:
    """The log in `text`; None where it is none."""
    marked = text.replace(": \u200e", f": {_NOTICE}")
    lines = _THIN_SPACES.sub(" ", _INVISIBLE.sub("", marked)).split("\n")
    manner = _manner(lines)
    if manner is None:
        return None
    found = _read(lines, manner)
    if len(found.names()) < 2 or len(found.messages) < _FEWEST_MESSAGES:
        return None
    return found


def conversations(log: ChatLog, assistant: str, pause_hours: float = PAUSE_HOURS) -> Iterator[list[dict[str, str]]]:
    """The turns of each conversation, from the first of another person to the last of `assistant`.

    Where more than two people write, the others' turns begin with their name.

    Raises:
        DataError: nobody of that name writes.
    """
    names = dict(log.names())
    if assistant not in names:
        raise DataError(not_there(assistant, log), option=f'--assistant "{log.names()[0][0]}"')
    by_pause = list(_talks(log, assistant, pause_hours * 3600))
    if 2 * sum(len(talk.messages) for talk in by_pause) >= len(log.messages):
        yield from (talk.turns for talk in by_pause)
        return
    # Where nearly each message stands alone, the pauses end no conversations: they are how these people write.
    yield from (talk.turns for talk in _talks(log, assistant, math.inf))


@dataclass(frozen=True)
class _Talk:
    """The messages of one conversation that are in its turns."""

    messages: list[Message]
    turns: list[dict[str, str]]


def _talks(log: ChatLog, assistant: str, pause_s: float) -> Iterator[_Talk]:
    in_group = len(log.names()) > 2
    for part in _parts(log.messages, pause_s):
        written = [place for place, message in enumerate(part) if message.name == assistant]
        asked = next((place for place, message in enumerate(part) if message.name != assistant), len(part))
        used = part[asked : written[-1] + 1] if written else []
        turns: list[dict[str, str]] = []
        for message in used:
            role = "assistant" if message.name == assistant else "user"
            shown = f"{message.name}: {message.text}" if in_group and role == "user" else message.text
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += f"\n{shown}"
            else:
                turns.append({"role": role, "content": shown})
        if turns:
            yield _Talk(used, turns)


def log_note(name: str, log: ChatLog) -> str:
    """What to say of a text that is a chat log."""
    who = " and ".join(name for name, _ in log.names()[:2])
    return (
        f"{name} is a chat log ({log.manner}) of {who}: it is learned as running text, with its times and "
        'names. To learn to answer like one of them, make chats of it: "log-to-jsonl" under Tools.'
    )


def not_there(assistant: str, log: ChatLog) -> str:
    """The sentence that lists who writes in the log."""
    listed = ", ".join(f"{name} ({count:,})" for name, count in log.names()[:12])
    who = f"Nobody called {assistant!r} writes" if assistant else "Choose who is the assistant"
    return f"{who} in this log; messages by name: {listed}."


def _manner(lines: Sequence[str]) -> str | None:
    filled = [line for line in lines[:4000] if line.strip()]
    for manner, pattern in _MANNERS.items():
        found = [match for match in map(pattern.fullmatch, filled) if match is not None]
        enough = _MOSTLY / 3 if manner in _WITH_HEADINGS or manner.startswith("WhatsApp") else _MOSTLY
        if len(found) < max(_FEWEST_MESSAGES, enough * len(filled)):
            continue
        names = Counter(match["name"] for match in found if match["name"])
        if 2 * names.total() < len(found):
            continue  # the log of another program, whose names stand elsewhere
        if manner not in _GUESSED or _are_speakers(names):
            return manner
    return None


def _are_speakers(names: Counter[str]) -> bool:
    """Whether these stand at the lines' starts because they speak. Prose and lists have such lines too; where people
    talk, a few names come again and again."""
    total = names.total()
    often = [name for name, count in names.items() if count >= max(2, _LEAST_SHARE * total)]
    few = len(names) == 2 or total >= _LEAST_MESSAGES_A_NAME * len(often)
    fields = sum(names[name] for name in _FIELDS & names.keys())
    return len(often) >= 2 and sum(names[name] for name in often) >= 0.8 * total and few and 3 * fields < total


def _read(lines: Sequence[str], manner: str) -> ChatLog:
    pattern, messages, removed = _MANNERS[manner], [], Counter[str]()
    current: Message | None = None
    for line in [*lines, None]:
        match = pattern.fullmatch(line) if line is not None else None
        if match is None and line is not None:
            if _ALONE.fullmatch(line):
                removed["lines with the day"] += 1
            elif current is not None:
                current = replace(current, text=f"{current.text}\n{line}")
            continue
        if current is not None:
            text = current.text.strip().replace(_NOTICE, "")
            if current.name and (not text or _NO_TEXT.fullmatch(text)):
                removed["messages without words"] += 1
            elif not _SOMEBODY.search(current.name) or current.text.startswith(_NOTICE):
                removed["notices of the program"] += 1
            else:
                messages.append(replace(current, text=text))
        if match is not None:
            name = (match["name"] or "").strip()
            current = Message(re.sub(r"#\d{4}$", "", name), match["text"], _time(match["when"] or ""))
    return ChatLog(manner, messages, dict(removed))


def _time(when: str) -> datetime | None:
    """The time as the log writes it; day and month may be the wrong way round, which does not matter for a pause."""
    date, clock = _DAY.search(when), _CLOCK.search(when)
    if date is None or clock is None:
        return None
    in_half = re.search(rf"{_HALF}|[上下]午|午[前後]|오[전후]", when)
    hour = int(clock[1]) % 12 if in_half else int(clock[1])
    hour += 12 * bool(re.search("[Pp]\\.? ?[Mm]|下午|午後|오후|م", when))
    day_text = re.sub(r"\. ?|-", "/", date[0]).replace(",", "").strip("/")
    for form in _FORMATS:
        try:
            day = datetime.strptime(day_text, form)
            return day.replace(hour=min(hour, 23), minute=min(int(clock[2]), 59))
        except ValueError:
            continue
    return None


def _parts(messages: Sequence[Message], pause_s: float) -> Iterator[list[Message]]:
    """The messages between two long pauses, and at most `MOST_TURNS` turns at a time."""
    part: list[Message] = []
    turns = 0
    for message in messages:
        if part:
            changes = part[-1].name != message.name
            if _seconds_between(part[-1], message) >= pause_s or turns + changes >= MOST_TURNS:
                yield part
                part, turns = [], 0
            else:
                turns += changes
        part.append(message)
    if part:
        yield part


def _seconds_between(one: Message, other: Message) -> float:
    """0 where a time is missing."""
    return abs((other.at - one.at).total_seconds()) if one.at is not None and other.at is not None else 0.0
