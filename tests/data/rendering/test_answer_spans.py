from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data import chat_templates as templates
from tests.data.tiny import tiny_tokenizer
from training_pro.data.rendering.answer_spans import find_answers
from training_pro.data.rendering.templates import unused_marks
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.rows.turns import Message

TOKENIZER = tiny_tokenizer()
NASTY = (
    "yes",
    "no",
    " ",
    "\n",
    "<|im_end|>\n",
    "<|im_start|>assistant\n",
    "<|im_start|>user\n",
    "<|eot_id|>",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<end_of_turn>\n<start_of_turn>model\n",
    "</s>",
    "[INST] ",
    " [/INST]",
    "\uf700",
    "\ue000\ue001",
    "🙂",
    "ﬁ",
    "%output%",
    "{{ message }}",
)


def render_with(template: str, count: list[int] | None = None) -> Callable[..., str]:
    def render(messages: list[Message], prompt: bool = False) -> str:
        if count is not None:
            count[0] += 1
        text: Any = TOKENIZER.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=prompt
        )
        return str(text)

    return render


def answers_in(template: str, messages: list[Message]) -> list[str]:
    render = render_with(template)
    text = render(messages)
    return [text[start:end] for start, end in find_answers(render, messages, text).values()]


def talk(*turns: str) -> list[Message]:
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]


def chatml(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = [("<|im_start|>system\nBe kind.<|im_end|>\n", False)]
    for turn in turns:
        pieces += [(f"<|im_start|>{turn['role']}\n", False), (turn["content"], turn["role"] == "assistant")]
        pieces += [("<|im_end|>\n", False)]
    return pieces


def llama3(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = [("<s>", False)]
    for turn in turns:
        pieces += [(f"<|start_header_id|>{turn['role']}<|end_header_id|>\n\n", False)]
        pieces += [(turn["content"].strip(), turn["role"] == "assistant"), ("<|eot_id|>", False)]
    return pieces


def gemma(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = [("<s>", False)]
    for turn in turns:
        role = "model" if turn["role"] == "assistant" else "user"
        pieces += [(f"<start_of_turn>{role}\n", False)]
        pieces += [(turn["content"].strip(), turn["role"] == "assistant"), ("<end_of_turn>\n", False)]
    return pieces


def mistral(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = [("<s>", False)]
    for turn in turns:
        if turn["role"] == "user":
            pieces += [(f"[INST] {turn['content']}[/INST]", False)]
        else:
            pieces += [(" ", False), (turn["content"], True), ("</s>", False)]
    return pieces


def llama2(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = []
    for turn in turns:
        if turn["role"] == "user":
            pieces += [(f"<s>[INST] {turn['content'].strip()} [/INST]", False)]
        else:
            pieces += [(" ", False), (turn["content"].strip(), True), (" </s>", False)]
    return pieces


def strips_thinking(turns: list[Message]) -> list[tuple[str, bool]]:
    pieces = []
    for turn in turns:
        is_answer = turn["role"] == "assistant"
        content = turn["content"].split("</think>")[-1] if is_answer else turn["content"]
        pieces += [(f"<|im_start|>{turn['role']}\n", False), (content, is_answer), ("<|im_end|>\n", False)]
    return pieces


FAMILIES = {
    "chatml": (templates.CHATML, chatml),
    "llama3": (templates.LLAMA3, llama3),
    "gemma": (templates.GEMMA, gemma),
    "mistral": (templates.MISTRAL, mistral),
    "llama2": (templates.LLAMA2, llama2),
    "strips all thinking": (templates.STRIPS_ALL_THINKING, strips_thinking),
}
contents = st.lists(st.sampled_from(NASTY), min_size=1, max_size=5).map("".join).filter(str.strip)
thoughts = st.one_of(contents, st.tuples(contents, contents).map(lambda two: f"<think>{two[0]}</think>{two[1]}"))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(turns=st.lists(st.tuples(contents, thoughts), min_size=1, max_size=4))
def test_the_spans_are_the_answers_whatever_is_said(family: str, turns: list[tuple[str, str]]):
    template, pieces_of = FAMILIES[family]
    messages = talk(*(turn for both in turns for turn in both))
    render = render_with(template)
    text = render(messages)
    pieces = pieces_of(messages)
    assert "".join(piece for piece, _ in pieces) == text  # the reference is right about the template
    spans, position = [], 0
    for piece, is_answer in pieces:
        if is_answer:
            spans.append((position, position + len(piece)))
        position += len(piece)
    assert list(find_answers(render, messages, text).values()) == spans


def test_equal_turns_are_told_apart():
    render = render_with(templates.CHATML)
    messages = talk("yes", "yes", "yes", "yes")
    text = render(messages)
    first, second = find_answers(render, messages, text).values()
    assert text[slice(*first)] == text[slice(*second)] == "yes"
    assert text[: first[0]].endswith("<|im_start|>assistant\n") and text[: second[0]].endswith("assistant\n")
    assert first < second


def test_earlier_thinking_is_gone_and_the_last_is_kept_whole():
    first, second = "<think>\none\n</think>\n\nA", "<think>\ntwo\n</think>\n\nB"
    assert answers_in(templates.STRIPS_EARLIER_THINKING, talk("q", first, "q", second)) == ["A", second]


def test_thinking_that_the_template_writes_out_anew_belongs_to_the_turn():
    found = answers_in(templates.STRIPS_EARLIER_THINKING, talk("q", "<think>one</think>A"))
    assert found == ["<think>\none\n</think>\n\nA"]


def test_thinking_in_a_field_of_its_own_belongs_to_the_turn():
    messages = talk("q", "A")
    messages[1]["reasoning_content"] = "one"
    assert answers_in(templates.STRIPS_EARLIER_THINKING, messages) == ["<think>\none\n</think>\n\nA<|im_end|>"]


def test_an_empty_thought_of_the_template_is_not_the_assistants():
    assert answers_in(templates.STRIPS_EARLIER_THINKING, talk("q", "A")) == ["A"]


def test_a_turn_that_is_all_thinking_has_no_width_once_stripped():
    assert answers_in(templates.STRIPS_EARLIER_THINKING, talk("q", "<think>x</think>", "q", "B")) == ["", "B"]


def test_a_template_that_writes_turns_twice_is_refused():
    with pytest.raises(RowFault, match="2 times"):
        answers_in(templates.TWICE, talk("q", "A"))


def test_tool_calls_belong_to_the_turn():
    template = (
        "{%- for message in messages -%}{{- '[' + message.role + ']' + message.content -}}"
        "{%- for call in message.tool_calls or [] -%}{{- '{' + call.name + '}' -}}{%- endfor -%}"
        "{{- '|' -}}{%- endfor -%}"
    )
    messages = talk("q", "let me see")
    messages[1]["tool_calls"] = [{"name": "look"}]
    assert answers_in(template, messages) == ["let me see{look}|"]


def test_tool_calls_that_stand_behind_the_stop_belong_to_the_turn():
    template = (
        "{%- for message in messages -%}{{- '[' + message.role + ']' + message.content + '|' -}}"
        "{%- for call in message.tool_calls or [] -%}{{- '{' + call.name + '}' -}}{%- endfor -%}{%- endfor -%}"
    )
    messages = talk("q", "let me see")
    messages[1]["tool_calls"] = [{"name": "look"}]
    assert answers_in(template, messages) == ["let me see|{look}"]


def test_two_renderings_suffice_where_the_template_changes_nothing():
    count = [0]
    render = render_with(templates.CHATML, count)
    messages = talk("a", "b", "c", "d", "e", "f")
    find_answers(render, messages, render(messages))
    assert count == [2]


def test_marks_are_new_to_the_texts():
    marks = unused_marks(["\uf700\uf701"], 300)
    assert len(set(marks)) == 300
    assert not any(char in mark for char in "\uf700\uf701" for mark in marks)
