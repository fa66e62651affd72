"""Tool calls and thoughts: in the form that a template takes, and trained whole with what ends them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.data import tool_templates as templates
from tests.data.chat_templates import CHATML
from tests.data.tiny import tiny_tokenizer
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.rendering import LossPlace, trained_spans
from training_pro.data.rendering.templates import make_template
from training_pro.data.rows.bad_rows import RowFault
from training_pro.data.tokens import RowTokenizer

ARGUMENTS = {"town": "Brill ü"}
TOOLS = [{"type": "function", "function": {"name": "rain", "description": "Rain", "parameters": {"type": "object"}}}]
ASKED = {"role": "user", "content": "Is it raining?"}
SAID = {"role": "assistant", "content": "Yes, in Brill."}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "wet"}


def renderer(template: str) -> ChatRenderer:
    tokenizer = tiny_tokenizer(template, control=templates.CONTROL)
    return ChatRenderer(make_template(tokenizer, "", Path("none")), RowTokenizer(tokenizer), True, True)


def calling(arguments: Any, **more: Any) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "rain", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **more}


def calls_as_text() -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": json.dumps(calling(ARGUMENTS)["tool_calls"])}


def talk(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(turns), "tools": TOOLS}


def trained(made: ChatRenderer, row: dict[str, Any]) -> list[str]:
    rendered = made.render(row)
    return [rendered.text[start:end] for start, end in rendered.answers]


# Each says the same: with arguments as text and as object, and in the shapes that other programs write.
SAME = {
    "text": talk(ASKED, calling(json.dumps(ARGUMENTS)), RESULT, SAID),
    "object": talk(ASKED, calling(ARGUMENTS), RESULT, SAID),
    "calls as text": talk(ASKED, calls_as_text(), RESULT, SAID),
    "function_call": {
        "messages": [
            ASKED,
            {"role": "assistant", "function_call": {"name": "rain", "arguments": json.dumps(ARGUMENTS)}},
            {"role": "function", "name": "rain", "content": "wet"}, SAID,
        ],
        "functions": [TOOLS[0]["function"]],
    },
    "observation": {
        "conversations": [
            {"from": "human", "value": ASKED["content"]},
            {"from": "function_call", "value": json.dumps({"name": "rain", "arguments": ARGUMENTS})},
            {"from": "observation", "value": "wet"}, {"from": "gpt", "value": SAID["content"]},
        ],
        "tools": json.dumps([TOOLS[0]["function"]]),
    },
}  # fmt: skip
WRITTEN = '{"town": "Brill ü"}'


@pytest.mark.parametrize("case", SAME)
def test_arguments_are_encoded_once_where_the_template_writes_json(case: str):
    made = renderer(templates.OBJECTS)
    assert trained(made, SAME[case]) == [
        f'<tool_call>{{"name": "rain", "arguments": {WRITTEN}}}</tool_call><|im_end|>',
        "Yes, in Brill.<|im_end|>",
    ]
    assert made.notes() == []


@pytest.mark.parametrize("case", SAME)
def test_arguments_are_text_where_the_template_writes_them_as_they_are(case: str):
    made = renderer(templates.TEXTS)
    first, second = trained(made, SAME[case])
    assert json.loads(first.partition("\n")[2].removesuffix("</call><|im_end|>")) == ARGUMENTS
    assert second == "Yes, in Brill.<|im_end|>"


def test_ids_are_made_short_where_the_template_asks_for_that():
    made = renderer(templates.SHORT_IDS)
    row = talk(ASKED, calling(ARGUMENTS), RESULT, SAID)
    first, second = trained(made, row)
    assert (
        first.startswith('[TOOL_CALLS] {"name": "rain"') and first.endswith("</s>") and second == "Yes, in Brill.</s>"
    )
    assert "nine characters" in made.notes()[0]
    with_id = json.loads(json.dumps(row).replace("call_1", "abcdefghi"))
    assert '"id": "abcdefghi"' in trained(renderer(templates.SHORT_IDS), with_id)[0]


def test_thoughts_go_where_the_template_takes_them():
    for name in ("thinking", "reasoning", "reasoning_content", "thought"):
        row = talk(ASKED, SAID | {name: "Look out."})
        aside = "<|channel|>aside<|message|>Look out.<|end|><|start|>assistant"
        assert trained(renderer(templates.CHANNELS), row) == [
            f"{aside}<|channel|>main<|message|>Yes, in Brill.<|return|>"
        ]
        assert trained(renderer(templates.OBJECTS), row) == ["<think>\nLook out.\n</think>\n\nYes, in Brill.<|im_end|>"]


def test_what_the_model_writes_before_its_words_and_every_stop_are_trained():
    row = talk(ASKED, SAID, ASKED, SAID)
    assert trained(renderer(templates.CHANNELS), row) == [
        "<|channel|>main<|message|>Yes, in Brill.<|end|>",
        "<|channel|>main<|message|>Yes, in Brill.<|return|>",
    ]


def test_earlier_thoughts_that_the_template_drops_are_counted_and_the_turns_found():
    made = renderer(templates.OBJECTS)
    row = talk(ASKED, calling(ARGUMENTS, thinking="Hm."), RESULT, SAID | {"thinking": "Wet."}, ASKED, SAID)
    assert trained(made, row) == [
        f'<tool_call>{{"name": "rain", "arguments": {WRITTEN}}}</tool_call><|im_end|>',
        "Yes, in Brill.<|im_end|>",
        "Yes, in Brill.<|im_end|>",
    ]
    assert "leaves out the thoughts of 2 turns" in made.notes()[0]


def test_calls_and_tools_that_a_template_does_not_know_are_counted():
    made = renderer(CHATML)
    assert trained(made, talk(ASKED, calling(ARGUMENTS), RESULT, SAID)) == ["", "Yes, in Brill.<|im_end|>"]
    notes = " ".join(made.notes())
    assert "leaves out 1 tool call:" in notes and "leaves out the tools of 1 row:" in notes


def test_a_turn_of_which_a_template_writes_nothing_is_not_learned_as_an_empty_answer():
    row = renderer(CHATML).render(talk(ASKED, calling(ARGUMENTS), RESULT, SAID))
    learned = trained_spans(row, LossPlace("all"))
    assert learned is not None
    left_out = [row.text[end:start] for (_, end), (start, _) in pairwise(learned)]
    assert left_out == ["<|im_end|>"]
    assert row.text[learned[0][0] : learned[0][1]].endswith("assistant\n")


def test_a_turn_that_is_torn_apart_by_the_template_is_one_sentence():
    with pytest.raises(RowFault, match="turn 2 .*several pieces"):
        trained(renderer(templates.SPLIT), talk(ASKED, calling(ARGUMENTS) | {"content": "Let me see."}, RESULT, SAID))


def test_content_in_parts():
    assert trained(renderer(templates.PARTS), talk(ASKED, SAID)) == ["Yes, in Brill.<|im_end|>"]


def test_the_date_is_the_same_on_every_day():
    made = renderer(templates.DATED)
    assert "Today is 01 Jan 2026<|im_end|>" in made.render(talk(ASKED, SAID)).text
    assert "1 January 2026" in made.notes()[-1]


def test_the_assistant_may_speak_first_where_a_template_wants_the_user():
    refusing = "{%- if messages[0].role != 'user' -%}{{- raise_exception('user first') -}}{%- endif -%}" + CHATML
    made = renderer(refusing)
    assert trained(made, talk(SAID, ASKED, SAID)) == ["Yes, in Brill.<|im_end|>"] * 2
    assert "assistant speaks first" in made.notes()[0]


def test_markers_that_are_no_tokens_of_the_model_are_named():
    foreign = CHATML.replace("<|im_end|>", "<|eot_id|>")
    made = renderer(foreign)
    made.render(talk(ASKED, SAID))
    (note,) = [note for note in made.notes() if "plain characters" in note]
    assert "<|eot_id|>" in note and "<|im_start|>" not in note


@pytest.mark.parametrize("calls", ["{", "[{}]", [{"function": {}}], [5]])
def test_calls_without_a_name_are_a_bad_row(calls: Any):
    with pytest.raises(RowFault):
        renderer(templates.OBJECTS).render(talk(ASKED, {"role": "assistant", "content": "a", "tool_calls": calls}))


def test_a_second_call_of_the_same_name_that_a_template_leaves_out_is_counted():
    first_alone = templates.OBJECTS.replace("in message.tool_calls or [] -%}", "in (message.tool_calls or [])[:1] -%}")
    both = calling(ARGUMENTS)
    both["tool_calls"] = [*both["tool_calls"], *calling({"town": "Oakley"})["tool_calls"]]
    made = renderer(first_alone)
    made.render(talk(ASKED, both, RESULT, SAID))
    assert any("leaves out 1 tool call:" in note for note in made.notes())
    made = renderer(templates.OBJECTS)
    made.render(talk(ASKED, both, RESULT, SAID))
    assert not made.notes()


def test_thoughts_that_a_template_takes_out_of_the_words_beside_a_call_are_not_left_out():
    said = "{{- message.content.split('</think>')[-1] -}}"
    made = renderer(templates.OBJECTS.replace("{{- message.content -}}", said))
    made.render(talk(ASKED, calling(ARGUMENTS) | {"content": "<think>\nWet?\n</think>\n\nI look."}, RESULT, SAID))
    assert not any("beside tool calls" in note for note in made.notes())


def test_the_day_is_written_in_every_form_that_is_asked_for():
    asked = "strftime_now(format='%F %D %-m %T %Z %c')"
    made = renderer(templates.DATED.replace("strftime_now('%d %b %Y')", asked))
    text = made.render(talk(ASKED, SAID)).text
    assert "Today is 2026-01-01 01/01/26 1 12:00:00 UTC Thu Jan  1 12:00:00 2026" in text
