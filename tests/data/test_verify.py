from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.advice import Suggestion
from training_pro.data.prepare import prepare
from training_pro.data.verify import Verification, verify
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings

TALKS = [chat(f"q {i}", "answer " * (i + 1)) for i in range(40)]
ANSWERS = {"loss_on": "assistant"}
STORY = "\n\n\n".join(" ".join(f"The fox {i} ran to the {j}." for j in range(12)) for i in range(6))


def verified(
    folders: Folders, rates: list[float] | None = None, model_max_tokens: int | None = None, **choices: Any
) -> Verification:
    write_rows(folders, "talks.jsonl", TALKS)
    (folders.datasets / "story.txt").write_text(STORY)
    settings = Settings(**choices)
    found = prepare(settings, tiny_tokenizer(CHATML), folders, model_max_tokens=model_max_tokens)
    plan = make_plan(
        len(found.train),
        settings.batch_size,
        settings.gradient_accumulation_steps,
        settings.epochs,
        settings.warmup_steps,
        settings.warmup_ratio,
    )
    return verify(found, settings, plan, rates)


def changes(found: Verification) -> dict[str, Any]:
    return {name: value for suggestion in found.suggestions for name, value in suggestion.changes.items()}


def test_facts_of_text(folders: Folders):
    facts = verified(folders, text_file="story.txt", max_tokens=64, batch_size=2).facts
    assert facts.sections == 6 and facts.packed + facts.overlap == facts.samples and facts.overlap > 0
    assert facts.longest_tokens <= 64 and facts.mean_tokens * facts.samples == pytest.approx(facts.total_tokens)
    assert facts.trained_tokens == facts.total_tokens - facts.samples  # all but BOS
    assert facts.updates_per_epoch == -(-facts.samples // 2) and facts.total_updates == 3 * facts.updates_per_epoch
    assert facts.windows == facts.depth == facts.rows_read == 0


def test_blocks_that_are_held_out_are_not_counted_as_trained(folders: Folders):
    facts = verified(folders, text_file="story.txt", max_tokens=64, batch_size=2, eval_percent=30).facts
    assert facts.eval_samples > 0 and facts.packed + facts.overlap == facts.samples


def test_facts_of_rows(folders: Folders):
    facts = verified(folders, dataset="talks.jsonl", loss_on="assistant", max_tokens=48, too_long="eliminate").facts
    assert facts.rows_read == 40 and facts.samples + facts.dropped_rows == 40 and facts.dropped_rows > 0
    assert 0 < facts.trained_tokens < facts.total_tokens
    assert facts.sections == facts.trimmed_rows == 0


def test_depth_and_the_sections_seen_once(folders: Folders):
    found = verified(folders, text_file="story.txt", max_tokens=1024, dementor=True)
    assert found.facts.windows == 6 and found.facts.depth == 1
    assert any("6 of 6 sections are shorter than a window" in note for note in found.notes)
    deep = verified(folders, text_file="story.txt", max_tokens=64, dementor=True)
    assert deep.facts.depth > 2 and not any("shorter than a window" in note for note in deep.notes)


def test_suggestions_are_the_specified_numbers(folders: Folders):
    found = verified(folders, dataset="talks.jsonl", max_tokens=1024, batch_size=2, epochs=5.0, warmup_steps=50)
    longest = found.facts.longest_tokens
    assert found.facts.total_updates == 100
    assert changes(found) == {"warmup_steps": 10, "save_steps": 10, "max_tokens": -(-longest // 32) * 32} | ANSWERS


def test_nothing_is_suggested_where_all_is_well(folders: Folders):
    first = verified(folders, dataset="talks.jsonl", batch_size=2, epochs=5.0)
    again = verified(folders, dataset="talks.jsonl", batch_size=2, epochs=5.0, **changes(first))
    assert again.suggestions == ()


def test_of_chats_that_are_trained_whole_the_answers_alone_are_offered_once(folders: Folders):
    write_rows(folders, "more.jsonl", TALKS[:3])
    found = verified(folders, dataset="talks.jsonl; more.jsonl", max_tokens=1024)
    (offer,) = [one for one in found.suggestions if dict(one.changes) == ANSWERS]
    assert "questions" in offer.reason and "chat template adds" in offer.reason and found.suggestions[0] is offer


SILENT = [{**row, "messages": [*row["messages"], {"role": "assistant", "content": "no", "weight": 0}]} for row in TALKS]
INSTRUCTIONS = [{"instruction": f"q {i}", "output": "answer " * (i + 1)} for i in range(50)]


@pytest.mark.parametrize(
    "choices",
    [
        {"dataset": "talks.jsonl", "loss_on": "assistant"},
        {"dataset": "talks.jsonl", "train_only_after": "a"},
        {"dataset": "silent.jsonl"},
        {"dataset": "talks.jsonl; instructions.jsonl"},
        {"text_file": "story.txt"},
    ],
)
def test_answers_alone_are_not_offered_where_they_are_chosen_or_the_rows_are_no_chats(
    choices: dict[str, str], folders: Folders
):
    write_rows(folders, "silent.jsonl", SILENT)
    write_rows(folders, "instructions.jsonl", INSTRUCTIONS)
    assert "loss_on" not in changes(verified(folders, max_tokens=1024, **choices))


def test_the_context_is_never_more_than_the_models(folders: Folders):
    found = verified(folders, dataset="talks.jsonl", max_tokens=32, model_max_tokens=40)
    assert changes(found)["max_tokens"] == 40
    assert any("trimmed: longer than 32 tokens" in note for note in found.notes)


def test_beside_text_a_context_is_suggested_only_for_rows_that_do_not_fit(folders: Folders):
    both: dict[str, Any] = {"dataset": "talks.jsonl", "text_file": "story.txt", "hybrid": True}
    assert "max_tokens" in changes(verified(folders, max_tokens=32, **both))
    assert "max_tokens" not in changes(verified(folders, max_tokens=1024, **both))


def test_too_much_accumulation_is_put_right(folders: Folders):
    found = verified(folders, dataset="talks.jsonl", batch_size=4, gradient_accumulation_steps=64)
    assert changes(found)["gradient_accumulation_steps"] == 1  # of 10 batches, so that there are updates enough
    assert "lowered from 64 to 10" in found.notes[0]


@pytest.mark.parametrize(
    ("choices", "suggested"),
    [
        ({"epochs": 3.0}, 2),
        ({"epochs": 1.0, "lr_scheduler_type": "constant"}, 0),
        ({"epochs": 2.0, "lr_scheduler_type": "FP_low_epoch_annealing"}, 0),
        ({"epochs": 1.0, "lr_scheduler_type": "FP_low_epoch_annealing"}, 2),
    ],
)
def test_dementors_recipe(choices: dict[str, Any], suggested: int, folders: Folders):
    found = verified(folders, text_file="story.txt", max_tokens=64, dementor=True, **choices)
    recipes = [suggestion for suggestion in found.suggestions if "DEMENTOR" in suggestion.reason]
    assert len(recipes) == suggested
    for recipe in recipes:
        assert isinstance(recipe, Suggestion) and set(recipe.changes) == {"epochs", "lr_scheduler_type"}


def test_a_run_that_is_all_warmup_is_refused_with_the_way_out(folders: Folders):
    found = verified(folders, dataset="talks.jsonl", epochs=1.0, warmup_steps=100)
    assert len(found.refusals) == 1 and "whole run of 10 updates would be warmup" in found.refusals[0].text
    assert "Warmup Steps to 1" in found.refusals[0].text


def test_schedules_that_end_their_warmup_with_the_first_epoch_are_not_refused(folders: Folders):
    assert verified(folders, dataset="talks.jsonl", epochs=3.0, warmup_steps=100).refusals == ()
    linear = verified(folders, dataset="talks.jsonl", epochs=3.0, warmup_steps=100, lr_scheduler_type="linear")
    assert len(linear.refusals) == 1


def test_where_the_rates_are_known_they_decide(folders: Folders):
    choices: dict[str, Any] = {"dataset": "talks.jsonl", "epochs": 1.0, "warmup_steps": 100}
    assert verified(folders, rates=[0.5, 1.0] + [1.0] * 8, **choices).refusals == ()
    assert len(verified(folders, rates=[i / 10 for i in range(10)], **choices).refusals) == 1


def test_a_single_update_at_rate_0_is_refused(folders: Folders):
    choices: dict[str, Any] = {"dataset": "talks.jsonl", "epochs": 0.01, "warmup_steps": 0}
    found = verified(folders, rates=[0.0], **choices)
    assert "The only update would have learning rate 0" in found.refusals[0].text
    assert verified(folders, rates=[1.0], **choices).refusals == ()


def test_duplicates_are_counted_and_the_repeats_that_were_asked_for_are_not(folders: Folders):
    write_rows(folders, "some.jsonl", [*TALKS[:10], *TALKS[:4]])
    settings = Settings(dataset="some.jsonl x3")
    found = prepare(settings, tiny_tokenizer(CHATML), folders)
    checked = verify(found, settings, make_plan(len(found.train), 4, 1, 3.0))
    assert checked.facts.duplicates == 4
    assert {"skip_duplicates": True} in [dict(offer.changes) for offer in checked.suggestions]


def test_evaluation_rows_that_are_trained_too_are_said(folders: Folders):
    write_rows(folders, "held.jsonl", [*TALKS[:3], chat("new", "answer")])
    checked = verified(folders, dataset="talks.jsonl", eval_dataset="held.jsonl")
    assert checked.facts.evaluated_and_trained == 3
    assert any("3 of 4 evaluation blocks" in note for note in checked.notes)


def test_the_second_longest_row_is_said(folders: Folders):
    facts = verified(folders, dataset="talks.jsonl", max_tokens=1024).facts
    assert 0 < facts.second_longest_tokens < facts.longest_tokens


@pytest.mark.parametrize(
    ("choices", "refused"),
    [
        ({"learning_rate": 1.0}, True),
        ({"learning_rate": 0.05}, True),
        ({"learning_rate": 0.01, "lora_plus_ratio": 16.0}, True),
        ({"learning_rate": 0.04}, False),
        ({"learning_rate": 0.5, "optimizer": "sgd"}, False),
        ({"learning_rate": 1.0, "optimizer": "sgd"}, True),
    ],
)
def test_a_rate_that_destroys_the_model_is_refused(choices: dict[str, Any], refused: bool, folders: Folders):
    found = verified(folders, dataset="talks.jsonl", **choices)
    assert [fault.setting for fault in found.refusals] == (["learning_rate"] if refused else [])


def test_what_became_of_the_rows_is_said(folders: Folders):
    write_rows(folders, "some.jsonl", [*TALKS, {"messages": []}])
    settings = Settings(dataset="some.jsonl", bad_rows="skip", max_tokens=48)
    found = prepare(settings, tiny_tokenizer(CHATML), folders)
    notes = " ".join(verify(found, settings, make_plan(len(found.train), 4, 1, 3.0)).notes)
    assert "1 of 41 rows skipped" in notes and "Skipped: some.jsonl, row 41" in notes
    assert "rows trimmed: longer than 48 tokens" in notes


def test_missing_tokens_are_said(folders: Folders):
    (folders.datasets / "story.txt").write_text(STORY)
    settings = Settings(text_file="story.txt", max_tokens=64)
    found = prepare(settings, tiny_tokenizer(bos=None, eos=None), folders)
    notes = verify(found, settings, make_plan(len(found.train), 4, 1, 3.0)).notes
    assert [note for note in notes if "has no BOS" in note] and [note for note in notes if "has no EOS" in note]


CHAT_TEXT = "<|im_start|>user\nHow deep?<|im_end|>\n<|im_start|>assistant\nTwo metres.<|im_end|>\n"


def test_control_tokens_in_rows_are_tokens_and_the_other_choice_is_offered(folders: Folders):
    write_rows(folders, "chats.jsonl", [{"text": CHAT_TEXT + str(number)} for number in range(5)])
    found = verified(folders, dataset="chats.jsonl")
    assert found.facts.sections == 5
    assert any("20 special strings" in note and "those tokens" in note for note in found.notes)
    assert changes(found)["control_tokens"] == "text"
    apart = verified(folders, dataset="chats.jsonl", control_tokens="text")
    assert changes(apart)["control_tokens"] == "tokens"
    assert apart.facts.longest_tokens != found.facts.longest_tokens


def test_control_tokens_in_a_text_file_are_characters_and_the_other_choice_is_offered(folders: Folders):
    (folders.datasets / "chats.txt").write_text(CHAT_TEXT * 4)
    assert changes(verified(folders, text_file="chats.txt"))["control_tokens"] == "tokens"
    assert changes(verified(folders, text_file="chats.txt", control_tokens="tokens"))["control_tokens"] == "text"
    assert "control_tokens" not in changes(verified(folders, text_file="story.txt"))


def test_look_alikes_of_cuts_are_shown_and_the_string_that_cuts_there_is_offered(folders: Folders):
    (folders.datasets / "scenes.txt").write_text("\n\n* * *\n\n".join(["The fox ran to the river."] * 4))
    found = verified(folders, text_file="scenes.txt")
    assert any("3 lines of stars" in note and "* * *" in note for note in found.notes)
    assert changes(found)["hard_cut"] == "* * *"
    cut = verified(folders, text_file="scenes.txt", hard_cut="* * *")
    assert (cut.facts.sections, "hard_cut" in changes(cut)) == (4, False)


def test_characters_by_accident_are_shown(folders: Folders):
    (folders.datasets / "joined.txt").write_text("The fox ran.\n\n\n\ufeffThe hen sat &amp; slept.\x00\n")
    notes = verified(folders, text_file="joined.txt").notes
    assert all(
        any(kind in note for note in notes) for kind in ("1 byte order mark,", "1 HTML entity,", "1 control character,")
    )
