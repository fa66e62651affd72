import json
from typing import Any

import pytest

from tests.attack.refusing import unclear
from tests.data.row_files import write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.data.rendering.formats import (
    SHIPPED,
    InstructionRenderer,
    list_formats,
    load_format,
    make_format,
    ship_formats,
)
from training_pro.data.rendering.rendering import RenderedRow
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

PLAIN = make_format(
    "plain",
    {
        "instruction,output": "Q: %instruction%\nA: %output%",
        "instruction,input,output": "Q: %instruction% (%input%)\nA: %output%",
    },
)


def renderer(format_: Any = PLAIN, **ends: bool) -> InstructionRenderer:
    return InstructionRenderer(format_, RowTokenizer(tiny_tokenizer()), **{"add_bos": True, "add_eos": True, **ends})


def answers(row: RenderedRow) -> list[str]:
    return [row.text[start:end] for start, end in row.answers]


def test_the_fields_that_are_filled_choose_the_entry():
    assert renderer().render({"instruction": "a", "input": " ", "output": "b"}).text == "Q: a\nA: b"
    assert renderer().render({"instruction": "a", "input": "c", "output": "b"}).text == "Q: a (c)\nA: b"


def test_the_answer_is_marked_where_it_stands():
    row = renderer().render({"instruction": "same", "output": "same"})
    assert row.answers == ((len("Q: same\nA: "), len(row.text)),)


def test_a_field_that_holds_placeholders_changes_nothing():
    row = renderer().render({"instruction": "write %output% and %input%", "output": "%instruction%"})
    assert row.text == "Q: write %output% and %input%\nA: %instruction%"
    assert answers(row) == ["%instruction%"]


def test_other_per_cent_signs_stay():
    format_ = make_format("f", {"a,output": "100% sure %b% %a%: %output%"})
    assert renderer(format_).render({"a": "x", "output": "y"}).text == "100% sure %b% x: y"


def test_fields_that_no_entry_uses_are_said():
    seen = renderer()
    for _ in range(3):
        seen.render({"instruction": "a", "output": "b", "source": "web"})
    (note,) = seen.notes()
    assert '"source" (3)' in note


def test_the_name_of_an_unused_field_is_shown_short_and_on_one_line():
    made = renderer()
    made.render({"instruction": "a", "output": "b", "c\nd" + "x" * 1000: "e"})
    assert not unclear(made.notes()[0])


def test_numbers_become_text():
    assert renderer().render({"instruction": "1 + 1", "output": 2}).text == "Q: 1 + 1\nA: 2"
    assert renderer().render({"instruction": "a", "output": "b", "id": 10**400}).text == "Q: a\nA: b"  # no float


@pytest.mark.parametrize("value", [["b"], {"b": 1}, True])
def test_a_used_field_that_is_no_text_is_a_fault(value: object):
    with pytest.raises(RowFault, match='"input" is not text'):
        renderer().render({"instruction": "a", "input": value, "output": "b"})


def test_a_row_that_fits_no_entry_says_what_it_has_and_what_is_needed():
    with pytest.raises(RowFault, match="filled fields are instruction.*needs instruction,output or"):
        renderer().render({"instruction": "a", "output": ""})


def test_the_stop_that_a_format_writes_belongs_to_the_answer():
    format_ = make_format("f", {"instruction,output": "%instruction%\n%output% <|im_end|>\nmore"})
    row = renderer(format_).render({"instruction": "a", "output": "b"})
    assert answers(row) == ["b <|im_end|>"] and row.add_eos


def test_an_eos_that_the_format_writes_is_not_doubled():
    format_ = make_format("f", {"instruction,output": "%instruction%\n%output%</s>\n"})
    row = renderer(format_).render({"instruction": "a", "output": "b"})
    assert answers(row) == ["b</s>"] and not row.add_eos and row.stops


def test_a_missing_stop_is_said():
    without = renderer(add_eos=False)
    assert not without.render({"instruction": "a", "output": "b"}).stops
    assert without.notes()[0].startswith("In 1 row no stop token follows the answer")


SHORT, LONG = ({"instruction": "a", "output": "b " * count + "z"} for count in (3, 60))


@pytest.mark.parametrize("loss_on", ["all", "assistant"])
@pytest.mark.parametrize("placed", ["block", "none"])
@pytest.mark.parametrize("eos", ["<|im_end|>", "</s>"])
def test_a_trimmed_row_keeps_the_stop_that_its_format_writes(eos: str, placed: str, loss_on: str, folders: Folders):
    tokenizer = tiny_tokenizer(eos=eos, control=("<|im_start|>", "<|im_end|>"))
    write_rows(folders, "rows.jsonl", [SHORT, LONG])
    asked = Settings(dataset="rows.jsonl", format="chatml-format", max_tokens=32, eos=placed, loss_on=loss_on)
    found = prepare(asked, tokenizer, folders)
    ends = ["<|im_end|>"] + (["</s>"] if eos == "</s>" and placed == "block" else [])
    ids, labels = found.train[1]["input_ids"].tolist(), found.train[1]["labels"].tolist()
    assert len(ids) == 32 and ids[-len(ends) :] == tokenizer.convert_tokens_to_ids(ends) == labels[-len(ends) :]
    whole = prepare(asked.changed(max_tokens=512), tokenizer, folders)
    rest = 32 - len(ends)
    assert ids[:rest] == whole.train[1]["input_ids"].tolist()[:rest]
    assert labels[:rest] == whole.train[1]["labels"].tolist()[:rest]
    assert found.train[0]["input_ids"].tolist() == whole.train[0]["input_ids"].tolist()
    assert (found.report.sources[0].trimmed, found.report.sources[0].trimmed_stops) == (1, 0)


def test_a_trimmed_row_whose_stop_is_within_the_maximum_has_it_once(folders: Folders):
    tokenizer = tiny_tokenizer(eos="<|im_end|>", control=("<|im_start|>", "<|im_end|>"))
    blank = "<|im_end|>" + " \n\t" * 40
    (folders.formats / "f.json").write_text(json.dumps({"instruction,output": "%instruction% %output%" + blank}))
    write_rows(folders, "rows.jsonl", [SHORT])
    sample = prepare(Settings(dataset="rows.jsonl", format="f", max_tokens=32), tokenizer, folders).train[0]
    ids = sample["input_ids"].tolist()
    assert len(ids) == 32 and tokenizer.decode(ids).startswith("<s>a b b b z<|im_end|> \n\t \n\t")
    assert ids.count(tokenizer.eos_token_id) == 1


def test_a_trimmed_row_whose_format_goes_on_after_the_stop_has_lost_it(folders: Folders):
    tokenizer = tiny_tokenizer()
    (folders.formats / "f.json").write_text(
        json.dumps({"instruction,output": "%instruction% %output%<|im_end|> and more"})
    )
    write_rows(folders, "rows.jsonl", [LONG])
    found = prepare(Settings(dataset="rows.jsonl", format="f", max_tokens=32, eos="none"), tokenizer, folders)
    assert tokenizer.decode(found.train[0]["input_ids"][-1:].tolist()).strip() == "b"
    assert (found.report.sources[0].trimmed, found.report.sources[0].trimmed_stops) == (1, 1)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {},
        "text",
        {"a\nb": "no place"},
        {"a" * 1000: "no place"},
        {"a": 5},
        {"": "%a%"},
        {"a,b": "only %a%"},
        {"a": "nothing"},
    ],
)
def test_what_is_no_format_is_refused(values: object):
    with pytest.raises(DataError, match="format f") as caught:
        make_format("f", values)
    assert not unclear(str(caught.value))


def test_the_usual_formats_are_written_where_missing_and_never_over(folders: Folders):
    mine = folders.formats / "alpaca-format.json"
    mine.write_text('{"a,output": "mine %a% %output%"}')
    written = ship_formats(folders.formats)
    assert {path.name for path in written} == {path.name for path in SHIPPED.glob("*.json")} - {mine.name}
    assert "mine" in mine.read_text()
    assert ship_formats(folders.formats) == []
    assert load_format("alpaca-format", folders.formats).entries[0].fields == {"a", "output"}


def test_the_shipped_formats_are_formats_with_an_answer_at_the_end(folders: Folders):
    names = list_formats(folders.formats)
    assert {"alpaca-format", "alpaca-chatbot-format", "chatml-format", "vicuna-format"} <= set(names)
    for name in names:
        for entry in load_format(name, folders.formats).entries:
            assert entry.parts[-2] == entry.answer_field


@pytest.mark.parametrize("name", ["", "none-such", "../secret", "/secret"])
def test_only_formats_of_the_folder_are_read(name: str, folders: Folders):
    (folders.formats.parent / "secret.json").write_text('{"a": "%a%"}')
    with pytest.raises(DataError, match="alpaca-format"):
        load_format(name, folders.formats)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100000, json.dumps([1]).encode()])
def test_a_broken_format_file_is_one_sentence(content: bytes, folders: Folders):
    (folders.formats / "bad.json").write_bytes(content)
    with pytest.raises(DataError, match="format"):
        load_format("bad.json", folders.formats)
