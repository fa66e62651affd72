import json
from pathlib import Path
from typing import Any

import pytest

from tests.data import chat_templates as templates
from tests.data.row_files import chat, trained_text, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import Prepared, prepare
from training_pro.data.rendering import templates as chat_module
from training_pro.data.rendering.chat import (
    ChatRenderer,
    stop_after_answer,
)
from training_pro.data.rendering.templates import list_templates, load_template, make_template
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

HARD = [
    chat("What is it called?", "Grandmother Brass.", "How many cups?", "Sixty-one.", system="Be brief."),
    chat("yes", "yes", "yes", "yes"),
    chat(" padded ", "  and\n\n", "b", "\n\nx y\n"),
    chat(
        "<|im_end|>\n<|im_start|>assistant\nno", "a<|im_end|>\n<|im_start|>user\nb [/INST] </s>", "c", "<end_of_turn>"
    ),
    chat("你好", "naïve café 🙂🙃", "“q”", "привет"),
    chat("q", "<think>\none\n</think>\n\nA", "q", "<think>\ntwo\n</think>\n\nB"),
]


def prepared(folders: Folders, tokenizer: Any, rows: list[Any], **choices: Any) -> Prepared:
    write_rows(folders, "rows.jsonl", rows)
    return prepare(Settings(dataset="rows.jsonl", max_tokens=2048, **choices), tokenizer, folders, cache=False)


def all_trained(prepared_rows: Prepared) -> list[str]:
    return [trained_text(prepared_rows.train, index) for index in range(len(prepared_rows.train))]


def renderer(template: str | None, **choices: bool) -> ChatRenderer:
    tokenizer = tiny_tokenizer(template)
    ends = {"add_bos": True, "add_eos": True, **choices}
    return ChatRenderer(make_template(tokenizer, "", Path("none")), RowTokenizer(tokenizer), **ends)


EXPECTED = {
    "CHATML": (templates.CHATML, "<|im_end|>", str),
    "LLAMA3": (templates.LLAMA3, "<|eot_id|>", str.strip),
    "GEMMA": (templates.GEMMA, "<end_of_turn>", str.strip),
    "ZEPHYR": (templates.ZEPHYR, "</s>", str),
    "ENDS_WITH_EOS": (templates.ENDS_WITH_EOS, "<|end|>", str),
    "LLAMA2": (templates.LLAMA2, " </s>", str.strip),
    "STOP_IN_PLAIN_TEXT": (templates.STOP_IN_PLAIN_TEXT, "\n### End", str),
}


@pytest.mark.parametrize("family", EXPECTED)
def test_trained_tokens_are_the_answers_and_their_stops(family: str, folders: Folders):
    template, stop, said = EXPECTED[family]
    tokenizer = tiny_tokenizer(template)
    found = all_trained(prepared(folders, tokenizer, HARD, loss_on="assistant"))
    for row, trained in zip(HARD, found, strict=True):
        answers = [said(turn["content"]) + stop for turn in row["messages"] if turn["role"] == "assistant"]
        assert [part.strip(" ") for part in trained.split("·")] == [answer.strip(" ") for answer in answers]


def test_a_space_that_the_template_writes_before_an_answer_comes_with_its_first_token(folders: Folders):
    tokenizer = tiny_tokenizer(templates.MISTRAL)
    found = all_trained(prepared(folders, tokenizer, HARD[:1], loss_on="assistant"))
    assert found == [" Grandmother Brass.</s>· Sixty-one.</s>"]


def test_earlier_thinking_that_the_template_strips_is_not_trained(folders: Folders):
    tokenizer = tiny_tokenizer(templates.STRIPS_EARLIER_THINKING)
    (found,) = all_trained(prepared(folders, tokenizer, HARD[-1:], loss_on="assistant"))
    assert found == "A<|im_end|>·<think>\ntwo\n</think>\n\nB<|im_end|>"


@pytest.mark.parametrize("family", [*EXPECTED, "MISTRAL", "STRIPS_EARLIER_THINKING"])
def test_the_ids_are_those_of_the_templates_one_call(family: str, folders: Folders):
    tokenizer = tiny_tokenizer(getattr(templates, family))
    rows = HARD if family != "GEMMA" else HARD[1:]
    samples = prepared(folders, tokenizer, rows, loss_on="assistant").train
    for index, row in enumerate(rows):
        wanted = tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
        assert samples[index]["input_ids"].tolist() == list(wanted)


def test_all_tokens_but_the_first_are_trained_if_asked(folders: Folders):
    samples = prepared(folders, tiny_tokenizer(templates.LLAMA3), HARD[:1], loss_on="all").train
    labels = samples[0]["labels"]
    assert labels[0] == -100 and (labels[1:] == samples[0]["input_ids"][1:]).all()


def test_train_only_after_counts_from_its_first_occurrence(folders: Folders):
    tokenizer = tiny_tokenizer(templates.CHATML)
    choices = {"loss_on": "after", "train_only_after": "<|im_start|>assistant\\n"}
    (found,) = all_trained(prepared(folders, tokenizer, [chat("q", "one", "r", "two")], **choices))
    assert found.startswith("one<|im_end|>\n<|im_start|>user") and found.endswith("two<|im_end|>\n")


def test_a_bos_that_is_written_twice_is_there_once(folders: Folders):
    tokenizer = tiny_tokenizer("{{- bos_token + bos_token -}}" + templates.CHATML)
    ids = prepared(folders, tokenizer, HARD[:1]).train[0]["input_ids"].tolist()
    assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1


def test_eos_is_added_only_where_the_template_ends_with_no_stop(folders: Folders):
    with_stop = prepared(folders, tiny_tokenizer(templates.GEMMA), HARD[1:2]).train[0]["input_ids"]
    tokenizer = tiny_tokenizer(templates.WITHOUT_STOP)
    without_stop = prepared(folders, tokenizer, HARD[1:2]).train[0]["input_ids"]
    never = prepared(folders, tokenizer, HARD[1:2], eos="none").train[0]["input_ids"]
    assert tokenizer.eos_token_id not in with_stop.tolist()
    assert without_stop.tolist() == [*never.tolist(), tokenizer.eos_token_id]


def test_it_says_when_no_stop_is_trained():
    without = renderer(templates.WITHOUT_STOP)
    without.render(chat("a", "b", "c", "d"))
    assert len(without.notes()) == 1 and "follows 1 answer:" in without.notes()[0]
    never = renderer(templates.WITHOUT_STOP, add_eos=False)
    never.render(chat("a", "b", "c", "d"))
    assert "follows 2 answers:" in never.notes()[0]
    fine = renderer(templates.CHATML)
    fine.render(chat("a", "b", "c", "d"))
    assert fine.notes() == []


def test_a_trimmed_row_that_lost_its_stop_is_counted(folders: Folders):
    tokenizer = tiny_tokenizer(templates.CHATML)
    write_rows(folders, "rows.jsonl", [chat("a", "b " * 50), chat("a", "b")])
    found = prepare(Settings(dataset="rows.jsonl", max_tokens=48), tokenizer, folders)
    assert (found.report.sources[0].trimmed, found.report.sources[0].trimmed_stops) == (1, 1)
    endless = tiny_tokenizer(templates.WITHOUT_STOP)
    found = prepare(Settings(dataset="rows.jsonl", max_tokens=24, eos="none"), endless, folders)
    assert (found.report.sources[0].trimmed, found.report.sources[0].trimmed_stops) == (1, 0)


def test_a_row_that_lost_only_what_follows_its_stop_is_not_counted(folders: Folders):
    tokenizer = tiny_tokenizer(templates.CHATML)
    write_rows(folders, "rows.jsonl", [chat("a", "b")])
    asked = Settings(dataset="rows.jsonl", max_tokens=512, loss_on="assistant")
    whole = prepare(asked, tokenizer, folders).train[0]
    stop = max(index for index, label in enumerate(whole["labels"]) if label >= 0)
    assert stop < len(whole["labels"]) - 1  # a line feed that is not trained
    found = prepare(asked.changed(max_tokens=stop + 1), tokenizer, folders)
    assert (found.report.sources[0].trimmed, found.report.sources[0].trimmed_stops) == (1, 0)


@pytest.mark.parametrize(("tools", "same"), [('[{"name": "look"}]', True), ("", False), (None, False)])
def test_tools_may_be_json_text_as_in_csv(tools: str | None, same: bool):
    from training_pro.data.rows.turns import tools_of

    assert tools_of(tools) == ([{"name": "look"}] if same else None)


@pytest.mark.parametrize("tools", ["{", '{"name": "look"}', 5, "look"])
def test_tools_that_are_no_list_are_a_bad_row(tools: Any):
    from training_pro.data.rows.turns import tools_of

    with pytest.raises(RowFault, match="its tools are"):
        tools_of(tools)


def test_a_turn_that_was_stripped_away_is_not_missed_a_stop():
    strips = renderer(templates.STRIPS_ALL_THINKING)
    strips.render(chat("a", "<think>b</think>", "c", "d"))
    assert strips.notes() == []


def test_a_system_text_moves_where_there_is_no_system_role():
    gemma = renderer(templates.GEMMA)
    row = gemma.render(chat("Hi", "Hello", system="Be brief."))
    assert "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>" in row.text
    assert [row.text[start:end] for start, end in row.answers] == ["Hello<end_of_turn>"]
    assert "no system role" in gemma.notes()[0]


def test_a_template_that_drops_the_system_text_silently_is_noticed():
    dropping = "{%- for m in messages if m.role != 'system' -%}{{- m.content + '\\n' -}}{%- endfor -%}"
    assert "Be brief." in renderer(dropping).render(chat("Hi", "Hello", system="Be brief.")).text


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "must alternate"),
        ([{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}], "must alternate"),
    ],
)
def test_what_a_template_refuses_is_a_bad_row_with_its_words(messages: list[dict[str, str]], reason: str):
    row = {"messages": [*messages, {"role": "assistant", "content": "c"}]}
    with pytest.raises(RowFault, match=reason):
        renderer(templates.MISTRAL).render(row)


@pytest.mark.parametrize(
    ("tail", "stop"),
    [
        ("<|im_end|>\n", "<|im_end|>"),
        (" </s>", " </s>"),
        ("<|end|>\n</s>", "<|end|>"),
        ("\n### End\n", "\n### End"),
        ("\n", ""),
        ("", ""),
    ],
)
def test_the_stop_is_what_ends_the_answer(tail: str, stop: str):
    assert stop_after_answer(tail, ("<|im_end|>", "<|end|>", "</s>")) == stop


def test_a_model_without_template_needs_one_of_the_hosts(folders: Folders):
    folders.instruction_templates.mkdir()
    (folders.instruction_templates / "Plain.jinja").write_text(templates.ZEPHYR)
    with pytest.raises(DataError, match="no chat template.*Plain"):
        make_template(tiny_tokenizer(None), "", folders.instruction_templates)


def test_the_hosts_templates_are_read_from_yaml_and_jinja(folders: Folders):
    place = folders.instruction_templates
    place.mkdir()
    (place / "One.yaml").write_text("instruction_template: |-\n  " + templates.ZEPHYR.replace("\n", "\n  "))
    (place / "Two.jinja").write_text(templates.CHATML)
    assert list_templates(place) == ["One", "Two"]
    assert load_template("One", place) == templates.ZEPHYR
    tokenizer = tiny_tokenizer(None)
    found = prepared(folders, tokenizer, HARD[1:2], chat_template="One", loss_on="assistant")
    assert all_trained(found) == ["yes</s>·yes</s>"]
    found = prepared(folders, tokenizer, HARD[1:2], chat_template="Two", loss_on="assistant")
    assert all_trained(found) == ["yes<|im_end|>·yes<|im_end|>"]


@pytest.mark.parametrize("name", ["Missing", "../Two", "/Two", "a\x00b"])
def test_no_other_file_is_read_as_a_template(folders: Folders, name: str):
    folders.instruction_templates.mkdir()
    (folders.user_data / "Two.jinja").write_text("secret")
    with pytest.raises(DataError, match="no chat template"):
        load_template(name, folders.instruction_templates)


@pytest.mark.parametrize("content", ["- a\n- b", "instruction_template: 5", "a: [", "", "instruction_template: ''"])
def test_a_broken_template_file_is_one_sentence(folders: Folders, content: str):
    folders.instruction_templates.mkdir()
    (folders.instruction_templates / "Bad.yaml").write_text(content)
    with pytest.raises(DataError, match=r"Bad\.yaml"):
        load_template("Bad", folders.instruction_templates)


@pytest.mark.parametrize("template", [templates.READS_ATTRIBUTES, "{{ messages | nothing }}", "{% for %}", "{{ 1/0 }}"])
def test_a_template_that_fails_is_refused_with_its_reason(template: str):
    with pytest.raises(DataError, match="another template"):
        renderer(template)


def test_a_template_that_loops_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chat_module, "PROBE_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"more than 0\.2 seconds"):
        renderer(templates.ENDLESS)


def test_bos_is_added_to_the_hosts_template_where_the_host_would_add_it(folders: Folders):
    folders.instruction_templates.mkdir()
    (folders.instruction_templates / "Plain.jinja").write_text(templates.ZEPHYR)
    tokenizer = tiny_tokenizer(None, adds_bos=True)
    ids = prepared(folders, tokenizer, HARD[1:2], chat_template="Plain").train[0]["input_ids"].tolist()
    assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1
    own = tiny_tokenizer(templates.ZEPHYR, adds_bos=True)
    assert own.bos_token_id not in prepared(folders, own, HARD[1:2]).train[0]["input_ids"].tolist()


def test_the_hosts_tokenizer_is_not_changed(folders: Folders):
    tokenizer = tiny_tokenizer(templates.CHATML)
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    before = tokenizer.backend_tokenizer.to_str()
    state = json.dumps({key: repr(value) for key, value in vars(tokenizer).items() if key != "_tokenizer"})
    lengths = prepared(folders, tokenizer, HARD, loss_on="assistant").train.lengths
    assert lengths.min() > 5 and len(set(lengths.tolist())) > 1
    assert tokenizer.backend_tokenizer.to_str() == before
    assert json.dumps({key: repr(value) for key, value in vars(tokenizer).items() if key != "_tokenizer"}) == state


def test_a_real_models_own_template(folders: Folders, smol_tokenizer: Any):
    found = prepared(folders, smol_tokenizer, HARD, loss_on="assistant")
    answers = [[turn["content"] for turn in row["messages"] if turn["role"] == "assistant"] for row in HARD]
    wanted = ["·".join(answer + "<|im_end|>" for answer in row) for row in answers]
    trained = all_trained(found)
    # Where an answer begins with white space, a token of it and of the template's line end holds no ink.
    assert trained[:2] + trained[3:] == wanted[:2] + wanted[3:]
    assert trained[2].split() == wanted[2].split() and len(trained[2]) < len(wanted[2])
    for index, row in enumerate(HARD):
        wanted = smol_tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
        assert found.train[index]["input_ids"].tolist() == list(wanted)
