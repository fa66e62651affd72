"""Chat logs of each kind as conversations."""

from __future__ import annotations

import json

import pytest

from training_pro.data.chat_logs import chat_log, conversations
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError
from training_pro.folders import Folders

WORDS = [
    ("Otter", "is the lock open"),
    ("Wren", "yes"),
    ("Wren", "since noon"),
    ("Otter", "thanks: really"),
    ("Wren", "ok"),
]
LONG = WORDS * 3


def whatsapp(form: str) -> str:
    return "\n".join(form.format(n, who=who, what=what) for n, (who, what) in enumerate(LONG))


LOGS = {
    "android": whatsapp("12/03/2024, 10:{0:02} - {who}: {what}"),
    "android, American": whatsapp("3/12/24, 9:{0:02}\u202fPM - {who}: {what}"),
    "android, German": whatsapp("12.03.24, 10:{0:02} - {who}: {what}"),
    "android, Spanish": whatsapp("20/6/2017 8:{0:02}\u00a0p.\u00a0m. - {who}: {what}"),
    "iOS, thin space": whatsapp("[14/10/2021, 3:{0:02}:09\u2009PM] {who}: {what}"),
    "iOS, year first": whatsapp("[22-01-20 10:{0:02}:00] {who}: {what}"),
    "iOS, a.m.": whatsapp("[31/12/2019, 2:{0:02}:40 a.m.] {who}: {what}"),
    "older": whatsapp("2016-06-27, 8:{0:02}:08 AM: {who}: {what}"),
    "older, 24 hours": whatsapp("09/12/2012 17:{0:02}:48: {who}: {what}"),
    "iOS": whatsapp("\u200e[12/03/2024, 10:{0:02}:11] {who}: {what}"),
    "Telegram": whatsapp("{who}, [12.03.2024 10:{0:02}]\n{what}\n"),
    "Discord": whatsapp("[01-Jan-24 10:{0:02} AM] {who}#1234\n{what}\n"),
    "French": whatsapp("01/02/2024 à 10:{0:02} - {who} : {what}"),
    "Korean": whatsapp("2024. 2. 1. 오전 10:{0:02}, {who} : {what}"),
    "Chinese": whatsapp("2024/2/1 上午10:{0:02} - {who}: {what}"),
    "Arabic": whatsapp("\u200f1\u200f/2\u200f/2024، 10:{0:02} م - {who}: {what}"),
    "with the day's name": whatsapp("Thu, Feb 1, 2024, 10:{0:02}:11 AM - {who}: {what}"),
    "Telegram, English": whatsapp("{who}, [Feb 1, 2024 at 10:{0:02}:00 AM]:\n{what}\n"),
    "Discord, copied": whatsapp("{who} — Today at 10:{0:02} AM\n{what}"),
    "Slack, copied": whatsapp("{who}  [10:{0:02} AM]\n{what}"),
    "Teams": whatsapp("[Thursday 10:{0:02} AM] {who}\n{what}"),
    "Steam": whatsapp("[1 Feb @ 10:{0:02}am] {who}: {what}"),
    "KakaoTalk": whatsapp("[{who}] [오전 10:{0:02}] {what}"),
    "HexChat": whatsapp("Feb 01 10:{0:02}:11 <{who}>\t{what}"),
    "WeChat": whatsapp("{who} 2024-02-01 10:{0:02}:00\n{what}\n"),
    "QQ": whatsapp("2024-02-01 10:{0:02}:00 {who}\n{what}\n"),
    "Zoom": whatsapp("10:{0:02}:11 From  {who}  to  Everyone:\n\t{what}"),
    "a transcript": whatsapp("{who} (00:{0:02}:11): {what}"),
    "headings": whatsapp("### {who}:\n{what}\n"),
    "said": whatsapp("{who} said:\n{what}\n"),
    "bold names": whatsapp("**{who}**: {what}"),
    "IRC": whatsapp("<{who}> {what}"),
    "IRC with times": whatsapp("[10:{0:02}] <@{who}> {what}"),
    "a dialogue": whatsapp("{who}: {what}"),
}


@pytest.mark.parametrize("text", LOGS.values(), ids=LOGS)
def test_every_manner_gives_the_same_turns(text: str) -> None:
    log = chat_log(text)
    assert log is not None and log.names() == [("Wren", 9), ("Otter", 6)]
    (turns,) = conversations(log, "Wren")
    assert turns[:2] == [
        {"role": "user", "content": "is the lock open"},
        {"role": "assistant", "content": "yes\nsince noon"},
    ]
    assert len(turns) == 12 and turns[-1] == {"role": "assistant", "content": "ok"}


def test_lines_of_a_message_stay_together_and_media_and_notices_are_counted() -> None:
    text = (
        "12/03/2024, 10:00 - Messages are end-to-end encrypted.\n" + LOGS["android"] + "\nand a second line\n"
        "12/03/2024, 10:40 - Otter: <Media omitted>\n12/03/2024, 10:41 - Wren: This message was deleted"
    )
    log = chat_log(text)
    assert log is not None
    assert log.removed == {"notices of the program": 1, "messages without words": 2}
    assert log.messages[-1].text == "ok\nand a second line"


def test_a_long_pause_begins_a_conversation() -> None:
    text = LOGS["android"] + "\n" + LOGS["android"].replace("12/03/2024", "13/03/2024")
    log = chat_log(text)
    assert log is not None
    assert len(list(conversations(log, "Wren"))) == 2
    assert len(list(conversations(log, "Wren", pause_hours=48))) == 1


def test_where_each_message_stands_alone_pauses_end_nothing() -> None:
    text = "\n".join(
        f"{day}/{month}/24, 10:00 - {who}: hello {day}"
        for month in range(1, 5)
        for day, who in enumerate(["Otter", "Wren"] * 5, 1)
    )
    log = chat_log(text)
    assert log is not None
    assert sum(len(turns) for turns in conversations(log, "Wren")) > 30


def test_in_a_group_the_others_turns_begin_with_their_names() -> None:
    log = chat_log("\n".join(f"<{who}> words {n}" for n, who in enumerate(["a1", "b1", "c1"] * 4)))
    assert log is not None
    turns = next(conversations(log, "c1"))
    assert turns[0] == {"role": "user", "content": "a1: words 0\nb1: words 1"}
    assert turns[1] == {"role": "assistant", "content": "words 2"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One line.",
        "He said: go.\nShe came.\n" * 40,
        "Chapter 1: The lock\n\nWords.\n" * 9,
        "Ingredients: flour, water\nMethod: mix it\nTime: 20 minutes\nNote: warm\n" * 3,
        "".join(f"{name}: a thing of the fen\n" for name in ("Otter", "Wren", "Lock", "Pond", "Reed") * 2),
        "From: Otter\nSent: today\nSubject: the pond\n\nIt is deep.\n" * 6,
        "".join(f"2024-02-01 10:{number:02}:11 INFO main: request {number} done\n" for number in range(30)),
        "".join(f"1:{number} In the beginning the lamp was lit.\n" for number in range(30)),
    ],
)
def test_prose_is_no_log(text: str) -> None:
    assert chat_log(text) is None


def test_the_tool_writes_chats_and_lists_the_names_where_none_is_chosen(folders: Folders) -> None:
    (folders.datasets / "chat.txt").write_text(LOGS["iOS"], encoding="utf-8")
    with pytest.raises(DataError, match=r"Wren \(9\), Otter \(6\)") as refused:
        DatasetTools(folders).log_to_chats("chat.txt", "")
    assert refused.value.options == ('--assistant "Wren"',)
    name, log = DatasetTools(folders).log_to_chats("chat.txt", "Otter")
    rows = [json.loads(line) for line in (folders.datasets / name).read_text().splitlines()]
    assert len(rows) == 1 and len(log.messages) == 15
    assert rows[0]["messages"][-1] == {"role": "assistant", "content": "thanks: really"}


def test_a_text_that_is_none_is_refused(folders: Folders) -> None:
    (folders.datasets / "story.txt").write_text("The fox ran. " * 50)
    with pytest.raises(DataError, match="no chat log"):
        DatasetTools(folders).log_to_chats("story.txt", "Otter")


@pytest.mark.parametrize(
    "heading",
    ["[3/12/2024 10:{:02} AM] {}\n{}", "10:{:02}\t{}\t{}", "2024-03-12 10:{:02}:00\t{}\t{}"],
    ids=["heading with a time", "tabs", "tabs with a date"],
)
def test_logs_of_other_programs(heading: str) -> None:
    lines = [heading.format(number, ("Otter", "Wren")[number % 2], f"line {number}") for number in range(12)]
    log = chat_log("\n".join(lines))
    assert log is not None
    assert [(message.name, message.text) for message in log.messages[:2]] == [("Otter", "line 0"), ("Wren", "line 1")]


def test_notices_that_whatsapp_marks_on_ios_are_no_words_of_a_person() -> None:
    notice = "[01.02.24, 10:00:00] Otter: \u200eNachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.\n"
    picture = "[01.02.24, 10:00:01] Otter: \u200eBild weggelassen\n"
    log = chat_log(notice + picture + LOGS["iOS"])
    assert log is not None and log.removed == {"notices of the program": 1, "messages without words": 1}


@pytest.mark.parametrize(
    "form",
    [
        "[10:{0:02}, 3/12/2024] {who}: {what}",
        "10:{0:02} {who}: {what}",
        "00:{0:02}:05 - {who}: {what}",
        "{who} (12/03/2024 10:{0:02}): {what}",
        "[2024-03-12 10:{0:02}:05] <{who}> {what}",
        "2024-03-12T10:{0:02}:05Z <{who}> {what}",
    ],
    ids=["copied from WhatsApp Web", "bare times", "a transcript", "name and date", "IRC with a date", "IRC, ISO"],
)
def test_logs_with_times_in_other_places(form: str) -> None:
    log = chat_log(whatsapp(form))
    assert log is not None
    assert [(message.name, message.text) for message in log.messages] == LONG


@pytest.mark.parametrize(
    "day", ["2024.03.12 화요일", "2024年3月12日(火)", "--- Tuesday, March 12, 2024 ---", "12 March 2024"]
)
def test_lines_with_the_day_belong_to_no_message(day: str) -> None:
    lines = [f"10:{n:02}\t{who}\t{what}" for n, (who, what) in enumerate(LONG)]
    log = chat_log("\n".join([*lines[:7], day, *lines[7:]]))
    assert log is not None
    assert [message.text for message in log.messages] == [what for _, what in LONG]
    assert log.removed == {"lines with the day": 1}


def test_a_name_without_letters_is_the_programs() -> None:
    log = chat_log("10:00\t-->\tWren has joined\n" + "\n".join(f"10:01\t{who}\t{what}" for who, what in LONG))
    assert log is not None
    assert dict(log.names()) == {"Wren": 9, "Otter": 6} and log.removed == {"notices of the program": 1}
