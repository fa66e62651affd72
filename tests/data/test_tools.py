import json
from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.data.tools import DatasetTools, cleaned_words
from training_pro.errors import Cancelled, DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

TASKS: list[dict[str, Any]] = [{"instruction": f"q {i}", "input": "", "output": f"ä {i}"} for i in range(20)]


def lines(folders: Folders, name: str) -> list[Any]:
    return [json.loads(line) for line in (folders.datasets / name).read_text(encoding="utf-8").splitlines()]


def test_splitting_puts_each_row_on_one_side_as_it_was(folders: Folders):
    write_rows(folders, "a.json", TASKS)
    train, evaluation = DatasetTools(folders).split("a.json", 25)
    assert (train, evaluation) == ("a_train.jsonl", "a_eval.jsonl")
    parts = [lines(folders, train), lines(folders, evaluation)]
    assert [len(part) for part in parts] == [15, 5]
    assert sorted((row for part in parts for row in part), key=lambda row: TASKS.index(row)) == TASKS
    assert parts[1] != TASKS[15:]


def test_splitting_is_the_seeds(folders: Folders):
    write_rows(folders, "a.json", TASKS)
    first = lines(folders, DatasetTools(folders).split("a.json", 25, seed=1)[1])
    assert lines(folders, DatasetTools(folders, overwrite=True).split("a.json", 25, seed=1)[1]) == first
    assert lines(folders, DatasetTools(folders, overwrite=True).split("a.json", 25, seed=2)[1]) != first


@pytest.mark.parametrize("percent", [0.001, 99.999])
def test_both_sides_get_a_row(percent: float, folders: Folders):
    write_rows(folders, "a.jsonl", TASKS[:2])
    assert [len(lines(folders, name)) for name in DatasetTools(folders).split("a.jsonl", percent)] == [1, 1]


@pytest.mark.parametrize("percent", [0, 100, -1, float("nan")])
def test_a_share_that_is_none_is_refused(percent: float, folders: Folders):
    write_rows(folders, "a.json", TASKS)
    with pytest.raises(DataError, match="between 0 and 100"):
        DatasetTools(folders).split("a.json", percent)


def test_no_file_is_replaced_unasked(folders: Folders):
    write_rows(folders, "a.json", TASKS)
    (folders.datasets / "a_eval.jsonl").write_text("mine")
    with pytest.raises(DataError, match=r"a_eval\.jsonl already exists"):
        DatasetTools(folders).split("a.json", 25)
    assert (folders.datasets / "a_eval.jsonl").read_text() == "mine"
    assert not (folders.datasets / "a_train.jsonl").exists()


def test_a_bad_row_leaves_nothing_behind(folders: Folders):
    path = write_rows(folders, "a.jsonl", TASKS)
    path.write_text(path.read_text() + "\n{")
    before = sorted(folders.datasets.iterdir())
    for work in (
        lambda: DatasetTools(folders).split("a.jsonl", 25),
        lambda: DatasetTools(folders).rows_to_chats("a.jsonl", ""),
    ):
        with pytest.raises(DataError, match="row 21"):
            work()
    assert sorted(folders.datasets.iterdir()) == before


def test_instructions_become_chats_with_their_input(folders: Folders):
    write_rows(folders, "a.json", [{"instruction": "sum", "input": "1 2", "output": "3"}, TASKS[0]])
    assert DatasetTools(folders).rows_to_chats("a.json", " Be brief. ") == ("a.jsonl", [])
    assert lines(folders, "a.jsonl") == [
        chat("sum\n\n1 2", "3", system="Be brief."),
        chat("q 0", "ä 0", system="Be brief."),
    ]


def test_chats_keep_their_own_system_message(folders: Folders):
    write_rows(folders, "a.jsonl", [chat("a", "b", system="own"), chat("c", "d")])
    assert DatasetTools(folders).rows_to_chats("a.jsonl", "Be brief.") == ("a_chat.jsonl", [])
    assert lines(folders, "a_chat.jsonl") == [chat("a", "b", system="own"), chat("c", "d", system="Be brief.")]


def test_chats_keep_their_tools(folders: Folders):
    with_tools = {**chat("a", "b"), "tools": [{"name": "look"}]}
    write_rows(folders, "a.jsonl", [with_tools, chat("c", "d")])
    DatasetTools(folders).rows_to_chats("a.jsonl", "")
    assert lines(folders, "a_chat.jsonl") == [with_tools, chat("c", "d")]


def test_what_is_in_none_of_the_chats_is_said(folders: Folders):
    swipes = [
        {"name": "Ann", "is_user": True, "mes": "a"},
        {"name": "Bob", "is_user": False, "mes": "b", "swipes": ["b", "c", "d"]},
    ]
    write_rows(folders, "a.jsonl", [{"user_name": "Ann", "character_name": "Bob"}, *swipes])
    write_rows(folders, "b.jsonl", [{**chat("a", "b"), "topic": "x"}, {**chat("c", "d"), "weight": 0}])
    _, branches = DatasetTools(folders).rows_to_chats("a.jsonl", "")
    _, others = DatasetTools(folders).rows_to_chats("b.jsonl", "")
    assert ["Left out: 2 messages of other branches" in note for note in branches] == [True]
    assert "Left out: 1 row " in others[0] and '"topic" (1)' in others[1] and len(others) == 2


def test_a_field_without_a_name_is_no_row_that_is_left_out(folders: Folders):
    write_rows(folders, "a.jsonl", [{**chat("a", "b"), "": "x"}])
    _, notes = DatasetTools(folders).rows_to_chats("a.jsonl", "")
    assert len(notes) == 1 and '"" (1)' in notes[0]


def test_without_a_system_message_none_is_added(folders: Folders):
    write_rows(folders, "a.json", TASKS[:1])
    DatasetTools(folders).rows_to_chats("a.json", "")
    assert lines(folders, "a.jsonl") == [chat("q 0", "ä 0")]


@pytest.mark.parametrize("row", [{"instruction": "a"}, {"instruction": "a", "output": ["b", "c"]}, {"output": "b"}])
def test_rows_that_are_no_instructions_are_named(row: dict[str, Any], folders: Folders):
    write_rows(folders, "a.json", [TASKS[0], row])
    with pytest.raises(DataError, match=r"a\.json, row 2"):
        DatasetTools(folders).rows_to_chats("a.json", "")


def test_text_becomes_chats_at_the_hard_cut(folders: Folders):
    (folders.datasets / "a.txt").write_text("One.\n\nStill one.\n\n\n  Two.\n\n\n\n\n\n")
    assert DatasetTools(folders).text_to_chats("a.txt", "\\n\\n\\n", "S", "Tell me.") == "a.jsonl"
    assert lines(folders, "a.jsonl") == [
        chat("Tell me.", "One.\n\nStill one.", system="S"),
        chat("Tell me.", "Two.", system="S"),
    ]


@pytest.mark.parametrize(("text", "prompt"), [("One.", " "), (" \n", "Tell me.")])
def test_text_without_prompt_or_sections_is_refused(text: str, prompt: str, folders: Folders):
    (folders.datasets / "a.txt").write_text(text)
    with pytest.raises(DataError):
        DatasetTools(folders).text_to_chats("a.txt", "\\n\\n\\n", "", prompt)
    assert not (folders.datasets / "a.jsonl").exists()


@pytest.mark.parametrize("with_ends", [True, False])
def test_the_prepared_blocks_can_be_written_down(with_ends: bool, folders: Folders):
    (folders.datasets / "a.txt").write_text("The fox ran.\n\n\nThe hen sat.")
    write_rows(folders, "a.jsonl", [chat("a", "b")])
    settings = Settings(text_file="a.txt", dataset="a.jsonl", hybrid=True)
    samples = prepare(settings, tiny_tokenizer(CHATML), folders).train
    DatasetTools(folders).write_blocks(samples, folders.datasets / "dump.jsonl", with_ends)
    dumped = lines(folders, "dump.jsonl")
    begin, end = ("<s>", "</s>") if with_ends else ("", "")
    assert [row["text"] for row in dumped[:2]] == [f"{begin}The fox ran.{end}", f"{begin}The hen sat.{end}"]
    assert dumped[2]["text"].endswith("<|im_start|>assistant\nb<|im_end|>\n")
    assert [row["kind"] for row in dumped] == ["packed", "packed", "row"]
    assert [row["tokens"] for row in dumped] == samples.lengths.tolist()
    assert [row["trained"] for row in dumped] == samples.trained_counts.tolist()
    assert "learned" not in dumped[0] and dumped[2]["row"] == 1


@pytest.mark.parametrize("with_ends", [True, False])
def test_what_is_trained_of_a_row_is_seen_in_what_is_written(with_ends: bool, folders: Folders):
    (folders.datasets / "a.txt").write_text("The fox ran.\n\n\nThe hen\nsat.")
    write_rows(folders, "a.jsonl", [chat("a", "b")])
    settings = Settings(text_file="a.txt", dataset="a.jsonl", hybrid=True, loss_on="assistant")
    samples = prepare(settings, tiny_tokenizer(CHATML), folders).train
    for name in ("dump.jsonl", "dump.txt"):
        DatasetTools(folders).write_blocks(samples, folders.datasets / name, with_ends)
    assert lines(folders, "dump.jsonl")[2]["learned"] == ["b<|im_end|>"]
    said = (folders.datasets / "dump.txt").read_text(encoding="utf-8")
    begin, end = ("<s>", "</s>") if with_ends else ("", "")
    lengths, trained = samples.lengths, samples.trained_counts
    assert (
        f"=== 2: packed of a.txt, {lengths[1]} tokens, {trained[1]} trained ===\n{begin}The hen\nsat.{end}\n\n" in said
    )
    row = said.partition("=== 3: row 1 of a.jsonl, ")[2]
    assert row.endswith("<|im_start|>assistant\n\u27e6b<|im_end|>\u27e7\n\n\n")
    assert said.startswith("The blocks as they are trained.") and said.count("=== ") == 3


def test_blocks_are_not_written_over_a_file_unasked(folders: Folders):
    (folders.datasets / "a.txt").write_text("The fox ran.")
    samples = prepare(Settings(text_file="a.txt"), tiny_tokenizer(), folders).train
    target = folders.datasets / "mine.jsonl"
    target.write_text("mine")
    with pytest.raises(DataError, match=r"mine\.jsonl already exists"):
        DatasetTools(folders).write_blocks(samples, target, True)
    assert target.read_text() == "mine"
    DatasetTools(folders, overwrite=True).write_blocks(samples, target, True)
    assert len(lines(folders, "mine.jsonl")) == 1


def test_half_a_character_stays_what_it_was(folders: Folders):
    rows = [{"instruction": "a", "output": "\ud800 ä"}, {"instruction": "b", "output": "ä"}]
    (folders.datasets / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parts = DatasetTools(folders).split("a.jsonl", 50)
    assert sorted((row for name in parts for row in lines(folders, name)), key=lambda row: row["instruction"]) == rows


def test_a_number_that_json_has_no_word_for_becomes_null(folders: Folders):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a", "b"], "score": [1.5, float("nan")]}), folders.datasets / "a.parquet")
    parts = DatasetTools(folders).split("a.parquet", 50)
    scores = {row["text"]: row["score"] for name in parts for row in lines(folders, name)}
    assert scores == {"a": 1.5, "b": None}


def test_texts_and_rows_are_not_taken_for_each_other(folders: Folders):
    (folders.datasets / "a.txt").write_text("The fox ran.")
    write_rows(folders, "b.json", TASKS)
    tools = DatasetTools(folders)
    for work in (lambda: tools.split("a.txt", 10), lambda: tools.rows_to_chats("a.txt", "")):
        with pytest.raises(DataError, match=r"a\.txt holds running text"):
            work()
    with pytest.raises(DataError, match=r"b\.json holds rows"):
        tools.text_to_chats("b.json", "", "", "Tell me.")


def test_a_folder_of_texts_becomes_one_file_named_after_it(folders: Folders):
    place = folders.datasets / "my.books"
    place.mkdir()
    (place / "2.txt").write_text("Two.")
    (place / "10.txt").write_text("Ten.")
    assert DatasetTools(folders).text_to_chats("my.books", "", "", "Tell me.") == "my.books.jsonl"
    assert lines(folders, "my.books.jsonl") == [chat("Tell me.", "Two."), chat("Tell me.", "Ten.")]


@pytest.mark.parametrize("job", ["split", "rows", "text", "blocks"])
def test_every_job_can_be_cancelled_and_leaves_nothing(job: str, folders: Folders):
    write_rows(folders, "a.json", TASKS)
    (folders.datasets / "b.txt").write_text("The fox ran.")
    samples = prepare(Settings(text_file="b.txt"), tiny_tokenizer(), folders).train
    before = sorted(folders.datasets.iterdir())
    tools = DatasetTools(folders, progress=cancel)
    jobs: dict[str, Any] = {
        "split": lambda: tools.split("a.json", 25),
        "rows": lambda: tools.rows_to_chats("a.json", ""),
        "text": lambda: tools.text_to_chats("b.txt", "", "", "Tell me."),
        "blocks": lambda: tools.write_blocks(samples, folders.datasets / "blocks.jsonl", True),
    }
    with pytest.raises(Cancelled):
        jobs[job]()
    assert sorted(folders.datasets.iterdir()) == before


def cancel(done: int, total: int, what: str) -> None:
    if what != "Counting rows":
        raise Cancelled


def test_a_text_is_cleaned_of_what_is_in_it_by_accident(folders: Folders):
    (folders.datasets / "odd.txt").write_text(
        "&ldquo;Well,&rdquo; said Ada.<br>She &amp; he\x00 left.\x1a", encoding="utf-8"
    )
    name, count = DatasetTools(folders).clean("odd.txt")
    assert (folders.datasets / name).read_text(encoding="utf-8") == "\u201cWell,\u201d said Ada.\nShe & he left."
    assert name == "odd_clean.txt" and count.total() == 6
    said = cleaned_words(count)
    assert "2 control characters" in said and "3 HTML entities" in said and "1 HTML tag," in said
    assert "Gutenberg" not in said and "Nothing" in cleaned_words({})


def test_scene_breaks_become_hard_cuts(folders: Folders):
    (folders.datasets / "scenes.txt").write_text("The fox ran.\n\n* * *\n\nThe hen sat.\n")
    name, count = DatasetTools(folders).cut("scenes.txt")
    assert count == 1 and "\n\n\n" in (folders.datasets / name).read_text()
