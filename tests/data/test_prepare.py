import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, trained_text, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.fingerprint import changed_parts
from training_pro.data.prepare import Prepared, prepare
from training_pro.errors import Cancelled, DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

TOKENIZER = tiny_tokenizer(CHATML)
TALKS = [chat(f"q {i}", f"answer {i}") for i in range(30)]
TASKS = [{"instruction": f"task {i}", "input": "", "output": f"answer {i}"} for i in range(30)]
STORY = "\n\n\n".join(f"The fox {i} ran. The hen {i} sat. The goat {i} slept." for i in range(30))


@pytest.fixture
def data(folders: Folders) -> Folders:
    write_rows(folders, "talks.jsonl", TALKS)
    write_rows(folders, "tasks.json", TASKS)
    (folders.datasets / "story.txt").write_text(STORY)
    return folders


def ready(folders: Folders, **choices: Any) -> Prepared:
    return prepare(Settings(**choices), TOKENIZER, folders)


def same(one: Prepared, other: Prepared) -> bool:
    return len(one.train) == len(other.train) and all(
        np.array_equal(one.train[i][key], other.train[i][key])
        for i in range(len(one.train))
        for key in ("input_ids", "labels")
    )


@pytest.mark.parametrize(
    ("choices", "kind", "samples"),
    [
        ({"text_file": "story.txt"}, "text", 30),
        ({"dataset": "story.txt"}, "text", 30),
        ({"dataset": "talks.jsonl"}, "messages", 30),
        ({"dataset": "tasks.json", "format": "alpaca-format"}, "alpaca", 30),
    ],
)
def test_the_kind_is_found_and_told(choices: dict[str, Any], kind: str, samples: int, data: Folders):
    found = ready(data, **choices)
    (source,) = found.report.sources
    assert (source.kind, source.samples, len(found.train)) == (kind, samples, samples)
    assert found.eval is None and found.report.eval_samples == 0


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_columns_are_fields(name: str, folders: Folders):
    import pandas

    frame = pandas.DataFrame(TASKS)
    path = folders.datasets / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path)
    write_rows(folders, "a.json", TASKS)
    choices: dict[str, Any] = {"format": "alpaca-chatbot-format", "loss_on": "assistant"}
    assert same(ready(folders, dataset=name, **choices), ready(folders, dataset="a.json", **choices))


def test_sharegpt_and_messages_say_the_same(folders: Folders):
    write_rows(folders, "m.jsonl", [chat("a", "b", system="s")])
    turns = [("system", "s"), ("human", "a"), ("gpt", "b")]
    write_rows(folders, "s.json", [{"conversations": [{"from": who, "value": what} for who, what in turns]}])
    found = ready(folders, dataset="s.json")
    assert found.report.sources[0].kind == "sharegpt"
    assert same(found, ready(folders, dataset="m.jsonl"))


def test_the_kind_can_be_overridden(folders: Folders):
    write_rows(folders, "a.jsonl", [{"text": "The fox.", "instruction": "a", "output": "b"}])
    assert ready(folders, dataset="a.jsonl", format="alpaca-format").report.sources[0].kind == "alpaca"
    found = ready(folders, dataset="a.jsonl", dataset_kind="text rows")
    assert found.report.sources[0].kind == "text rows" and found.train.preview(0).text == "The fox."


def test_alpaca_answers_alone_are_trained(data: Folders):
    found = ready(data, dataset="tasks.json", format="alpaca-format", loss_on="assistant")
    assert [trained_text(found.train, i) for i in range(30)] == [f"answer {i}</s>" for i in range(30)]


@pytest.mark.parametrize("typed", ["### Response:\\n", "### Response:\n"])
def test_train_only_after_works_typed_either_way(typed: str, data: Folders):
    found = ready(data, dataset="tasks.json", format="alpaca-format", train_only_after=typed)
    assert trained_text(found.train, 3) == "answer 3</s>"
    assert "Rows are trained only after" in found.report.notes[0]


def test_a_token_over_the_border_is_trained_if_it_has_ink(folders: Folders):
    write_rows(folders, "a.json", [{"instruction": "say", "output": "the answer"}])
    after = ready(folders, dataset="a.json", format="alpaca-format", train_only_after="### Response:\n")
    inside = ready(folders, dataset="a.json", format="alpaca-format", train_only_after="### Response:\nth")
    assert trained_text(after.train, 0) == trained_text(inside.train, 0) == "the answer</s>"


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({}, "--set text_file=FILE"),
        ({"text_file": "story.txt", "dataset": "talks.jsonl"}, "--set hybrid=true"),
        ({"text_file": "story.txt", "hybrid": True}, "--set dataset=FILE"),
        ({"dataset": "talks.jsonl", "hybrid": True}, "--set text_file=FILE"),
        ({"dataset": "none.json"}, "no text or dataset 'none.json'"),
        ({"dataset": "../story.txt"}, "'../story.txt'"),
        ({"text_file": "talks.jsonl"}, "--set dataset=talks.jsonl"),
        ({"dataset": "tasks.json", "format": "nope"}, "'nope'"),
        ({"dataset": "talks.jsonl", "chat_template": "nope"}, "'nope'"),
        ({"dataset": "talks.jsonl", "loss_on": "after"}, "--set train_only_after=STRING"),
        ({"dataset": "talks.jsonl", "loss_on": "assistant", "train_only_after": "x"}, "--set loss_on=after"),
        ({"dataset": "talks.jsonl", "dataset_kind": "text"}, "--set dataset_kind=auto"),
        ({"dataset": "story.txt", "dataset_kind": "alpaca"}, "--set dataset_kind=auto"),
        ({"dataset": "talks.jsonl", "dataset_kind": "alpaca", "format": "alpaca-format"}, "row 1"),
        ({"dataset": "talks.jsonl", "eval_dataset": "none.json"}, "none.json"),
        ({"dataset": "talks.jsonl", "too_long": "stop", "max_tokens": 8}, "row 1"),
        ({"dataset": "talks.jsonl", "too_long": "eliminate", "max_tokens": 8}, "30 too long"),
        ({"text_file": "story.txt", "min_block_chars": 1000}, "--set min_block_chars=0"),
        (
            {
                "text_file": "story.txt",
                "dataset": "talks.jsonl",
                "hybrid": True,
                "hybrid_text_percent": 0,
                "hybrid_data_percent": 0,
            },
            "--set hybrid_text_percent=100",
        ),
    ],
)
def test_what_can_not_be_is_one_sentence(choices: dict[str, Any], says: str, data: Folders):
    with pytest.raises(DataError) as caught:
        ready(data, **choices)
    sentence = str(caught.value)
    assert says in sentence or says in caught.value.options
    assert "\n" not in sentence


def test_no_machine_path_gets_into_the_report(data: Folders):
    found = ready(data, dataset=str(data.datasets / "talks.jsonl"))
    assert found.report.sources[0].name == "talks.jsonl" and str(data.datasets) not in repr(found.report)


def test_hybrid_takes_a_seeded_sample_of_each(data: Folders):
    def chosen(seed: int) -> list[tuple[int | None, int | None]]:
        found = ready(
            data,
            text_file="story.txt",
            dataset="talks.jsonl",
            hybrid=True,
            hybrid_text_percent=20,
            hybrid_data_percent=50,
            seed=seed,
        )
        previews = [found.train.preview(i) for i in range(len(found.train))]
        return [(preview.section, preview.row) for preview in previews]

    first = chosen(1)
    texts, rows = [text for text, _ in first if text is not None], [row for _, row in first if row is not None]
    assert (len(texts), len(rows)) == (6, 15)
    assert texts != list(range(6)) and rows != list(range(1, 16))
    assert first == chosen(1) != chosen(2)


def test_percentages_are_for_hybrid_alone(data: Folders):
    assert len(ready(data, dataset="talks.jsonl", hybrid_data_percent=10).train) == 30


def test_loss_place_and_raw_text_are_told_apart(data: Folders):
    found = ready(data, text_file="story.txt", loss_on="assistant")
    assert "All of the raw text is trained" in found.report.notes[0]


def test_a_context_beyond_the_models_is_said(data: Folders):
    found = prepare(Settings(text_file="story.txt", max_tokens=64), TOKENIZER, data, model_max_tokens=32)
    assert "made for 32" in found.report.notes[0]
    assert found.report.model_max_tokens == 32


@pytest.mark.parametrize("name", ["story.txt", "talks.jsonl"])
def test_work_can_be_cancelled_and_leaves_nothing(name: str, data: Folders):
    def stop(done: int, total: int, what: str) -> None:
        assert 0 <= done <= total and what
        raise Cancelled

    with pytest.raises(Cancelled):
        prepare(Settings(dataset=name), TOKENIZER, data, progress=stop)
    assert not list(data.cache.rglob("*.npy"))


def test_progress_goes_up_to_its_total(data: Folders):
    seen: list[tuple[int, int]] = []
    prepare(
        Settings(dataset="talks.jsonl"),
        TOKENIZER,
        data,
        progress=lambda done, total, what: seen.append((done, total)),
    )
    assert seen[-1][0] == seen[-1][1] > 0


def test_a_second_time_comes_from_the_cache_and_is_the_same(data: Folders, monkeypatch: pytest.MonkeyPatch):
    choices: dict[str, Any] = {"dataset": "talks.jsonl", "loss_on": "assistant", "eval_percent": 10}
    first = ready(data, **choices)
    monkeypatch.setattr("training_pro.data.row_source.encoded_rows", None)  # calling it now would fail
    second = ready(data, **choices)
    assert same(first, second) and first.report == second.report and first.fingerprint == second.fingerprint
    ready(data, **{**choices, "eval_percent": 20, "seed": 5})  # what is done afterwards asks for nothing new


@pytest.mark.parametrize("name", ["story.txt", "texts.jsonl"])
def test_an_encoded_text_serves_every_way_to_slice_it(name: str, data: Folders, monkeypatch: pytest.MonkeyPatch):
    write_rows(data, "texts.jsonl", [{"text": part} for part in STORY.split("\n\n\n")])
    ways: list[dict[str, Any]] = [
        {},
        {"overlap": False},
        {"dementor": True},
        {"eos": "none", "add_bos": False},
        {"eval_percent": 20, "seed": 3},
    ]
    fresh = [prepare(Settings(dataset=name, max_tokens=48, **way), TOKENIZER, data, cache=False) for way in ways]
    ready(data, dataset=name, max_tokens=48)
    monkeypatch.setattr("training_pro.text.blocks.slicing.index_text", None)  # calling it now would fail
    for way, wanted in zip(ways, fresh, strict=True):
        found = ready(data, dataset=name, max_tokens=48, **way)
        assert same(found, wanted) and found.report == wanted.report


@pytest.mark.parametrize("changes", [{"hard_cut": "\\n"}, {"max_tokens": 64}])
def test_other_cuts_are_encoded_anew(changes: dict[str, Any], data: Folders):
    ready(data, text_file="story.txt", max_tokens=48)
    settings = Settings(**{"text_file": "story.txt", "max_tokens": 48, **changes})
    assert same(prepare(settings, TOKENIZER, data), prepare(settings, TOKENIZER, data, cache=False))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_tokens": 16},
        {"loss_on": "assistant"},
        {"eos": "none", "chat_template": "Plain"},
        {"chat_template": "Plain"},
    ],
)
def test_the_cache_is_not_asked_for_other_settings(changes: dict[str, Any], data: Folders):
    data.instruction_templates.mkdir()
    (data.instruction_templates / "Plain.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    ready(data, dataset="talks.jsonl")
    fresh = prepare(Settings(dataset="talks.jsonl", **changes), TOKENIZER, data, cache=False)
    assert same(ready(data, dataset="talks.jsonl", **changes), fresh)


def test_a_changed_file_or_template_is_prepared_anew(data: Folders):
    data.instruction_templates.mkdir()
    template = data.instruction_templates / "Plain.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    first = ready(data, dataset="talks.jsonl", chat_template="Plain")
    template.write_text("{% for m in messages %}{{ m.content }}!\n{% endfor %}")
    second = ready(data, dataset="talks.jsonl", chat_template="Plain")
    write_rows(data, "talks.jsonl", TALKS[:-1])
    third = ready(data, dataset="talks.jsonl", chat_template="Plain")
    assert not same(first, second) and len(third.train) == 29
    assert changed_parts(second.fingerprint_parts, first.fingerprint_parts) == ["dataset"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"seed": 7}, ["seed"]),
        ({"max_tokens": 64}, ["max_tokens"]),
        ({"rank": 8, "learning_rate": 1e-5, "name": "x"}, []),
        ({"hybrid_text_percent": 10}, []),
    ],
)
def test_the_fingerprint_tells_what_changed(changes: dict[str, Any], names: list[str], data: Folders):
    one, other = ready(data, text_file="story.txt"), ready(data, text_file="story.txt", **changes)
    assert changed_parts(other.fingerprint_parts, one.fingerprint_parts) == names
    assert (one.fingerprint == other.fingerprint) == (not names)


def test_a_person_s_abbreviations_reach_blocks_cache_and_fingerprint(folders: Folders):
    (folders.datasets / "obst.txt").write_text("He met Obst. Weber there.\n\n\nShe left.")
    (folders.datasets / "rows.jsonl").write_text('{"text": "He met Obst. Weber there."}\n')
    texts: list[dict[str, Any]] = [{"text_file": "obst.txt"}, {"dataset": "rows.jsonl"}]
    before = [ready(folders, **chosen) for chosen in texts]
    folders.abbreviations.write_text("Obst.  # the office\n", encoding="utf-8")
    for one, chosen in zip(before, texts, strict=True):
        other = ready(folders, **chosen)
        then, now = one.report.sources[0].slicing, other.report.sources[0].slicing
        assert then and now and then.sentences == now.sentences + 1
        assert changed_parts(other.fingerprint_parts, one.fingerprint_parts) == ["list of abbreviations"]


def test_a_bad_list_of_abbreviations_stands_in_the_way_of_texts_alone(data: Folders):
    rows = ready(data, dataset="talks.jsonl")
    data.abbreviations.write_bytes(b"gr\xf6.")
    with pytest.raises(DataError, match=r"abbreviations\.txt is not UTF-8 \(byte offset 2\)"):
        ready(data, text_file="story.txt")
    assert ready(data, dataset="talks.jsonl").fingerprint == rows.fingerprint


_PRINTS = """
import sys
from pathlib import Path
from tests.data.test_prepare import KINDS_OF_DATA, ready
from training_pro.folders import Folders
folders = Folders.under(Path(sys.argv[1]))
print([ready(folders, **choices).fingerprint for choices in KINDS_OF_DATA])
"""
KINDS_OF_DATA: list[dict[str, Any]] = [
    {"text_file": "story.txt"},
    {"dataset": "talks.jsonl", "loss_on": "assistant"},
    {"dataset": "tasks.json", "format": "alpaca-format", "loss_on": "assistant"},
    {"dataset": "tasks.json", "format": "alpaca-format", "text_file": "story.txt", "hybrid": True, "eval_percent": 20},
]


def test_every_process_finds_the_same_fingerprints_and_what_another_has_prepared(data: Folders):
    """A run that is continued is a new process; Python orders its sets anew in each."""
    found, kept = set(), set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
        command = [sys.executable, "-c", _PRINTS, str(data.user_data)]
        found.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        kept.add(len(list((data.cache / "prepared").iterdir())))
    assert len(found) == len(kept) == 1


def test_the_fingerprint_does_not_know_where_a_file_lies(data: Folders):
    by_name, by_path = ready(data, text_file="story.txt"), ready(data, text_file=str(data.datasets / "story.txt"))
    assert by_name.fingerprint == by_path.fingerprint


def test_another_tokenizer_is_another_fingerprint_and_its_state_is_not(data: Folders):
    one = ready(data, text_file="story.txt")
    other = tiny_tokenizer(CHATML, eos="<|end|>")
    assert changed_parts(
        prepare(Settings(text_file="story.txt"), other, data).fingerprint_parts, one.fingerprint_parts
    ) == ["tokenizer"]
    switched = tiny_tokenizer(CHATML)
    switched.backend_tokenizer.enable_truncation(7)
    assert prepare(Settings(text_file="story.txt"), switched, data).fingerprint == one.fingerprint


def test_a_file_that_changes_meanwhile_is_noticed(data: Folders):
    def write_on(done: int, total: int, what: str) -> None:
        with (data.datasets / "talks.jsonl").open("a") as file:
            file.write("\n")

    with pytest.raises(DataError, match="changed while it was read"):
        prepare(Settings(dataset="talks.jsonl"), TOKENIZER, data, progress=write_on)


def test_folders_of_text_name_the_file_of_each_block(data: Folders):
    place = data.datasets / "books"
    place.mkdir()
    for number in (10, 2, 1):
        (place / f"part {number}.txt").write_text(f"This is part {number}.")
    found = ready(data, text_file="books")
    previews = [found.train.preview(index) for index in range(3)]
    assert [preview.source for preview in previews] == [f"books/part {number}.txt" for number in (1, 2, 10)]
    assert [preview.start for preview in previews] == [0, 0, 0]
