"""The short ways of the measures give what the long ways give; a run on a tiny model goes through the whole bench."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence import bench, measures
from evidence.arms import Arm
from evidence.bench import Bench
from evidence.material import Question, material
from tests.fakes import save_tiny_model

QUESTION = Question("The lamp keeper climbs the", "tower", ("hill", "stairs at dusk", "tree", "mast"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_an_answer_scores_as_in_a_pass_over_the_whole_sentence(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    longer = Question("A ship passes far out, and", "nobody", ("somebody", "he", "she saw", "they"))
    scores = measures._scores(model, tokenizer, [longer, QUESTION])[1]
    options = (QUESTION.answer, *QUESTION.wrong)
    for option, score in zip(options, scores, strict=True):
        asked = [tokenizer.bos_token_id, *tokenizer(QUESTION.prompt, add_special_tokens=False)["input_ids"]]
        answer = tokenizer(f" {option}", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([asked + answer])).logits[0, len(asked) - 1 : -1]
        assert score == pytest.approx(float(torch.nn.functional.cross_entropy(logits, torch.tensor(answer))), abs=1e-4)


def test_verbatim_is_how_far_the_likeliest_continuation_follows_the_text(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    sections = material("market").trained[:2]
    shared = 0
    places = measures._places(tokenizer, sections)
    for place in places:
        prompt = torch.tensor([place[: 1 + measures.BEFORE_TOKENS]])
        made = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=measures.AFTER_TOKENS,
            min_new_tokens=measures.AFTER_TOKENS,
            do_sample=False,
        )[0, prompt.shape[1] :].tolist()
        wanted = place[1 + measures.BEFORE_TOKENS :]
        shared += next((i for i, (a, b) in enumerate(zip(made, wanted, strict=True)) if a != b), len(wanted))
    assert len(places) == measures.PLACES
    assert measures.verbatim(model, tokenizer, sections) == pytest.approx(shared / len(places), abs=0.05)


def test_a_run_is_measured_at_its_levels_and_leaves_nothing(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    arm = Arm("tiny", {"epochs": 2.0}, levels=(9.0, 0.01))
    with patch.object(bench, "embedded_folder", return_value=folder):
        made = Bench(tmp_path / "data")
    lines = made.run(arm, seed=1)
    assert [line.level for line in lines] == [9.0, 0.0]  # the second loss is never reached: the run ends by itself
    assert lines[0].tokens < lines[1].tokens and lines[0].updates < lines[1].updates
    assert set(lines[0].measures) == {
        "recall",
        "answer_loss",
        "verbatim",
        "held_out_loss",
        "general_loss",
    }
    assert not (tmp_path / "data" / "loras" / bench.NAME).exists()


def test_arms_get_the_tokens_they_ask_for_however_the_text_is_cut(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    with patch.object(bench, "embedded_folder", return_value=folder):
        made = Bench(tmp_path / "data")
    common = {"max_tokens": 64, "hard_cut": "", "learning_rate": 1e-3}
    blocks = made.run(Arm("blocks", common, tokens=3000), seed=1)[0]
    chunks = made.run(Arm("chunks", {**common, "eos": "none"}, tokens=3000, chunk_tokens=64), seed=1)[0]
    assert blocks.tokens == pytest.approx(3000, abs=70)
    assert chunks.tokens == pytest.approx(3000, abs=70)


def test_a_mean_per_batch_differs_only_where_an_update_has_several(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    with patch.object(bench, "embedded_folder", return_value=folder):
        made = Bench(tmp_path / "data")

    def trained(accumulation: int, per_batch: bool) -> dict[str, float]:
        settings = {"gradient_accumulation_steps": accumulation, "group_by_length": False, "epochs": 1.0}
        return made.run(Arm("arm", settings, per_batch=per_batch), seed=1)[0].measures

    assert trained(1, per_batch=True) == trained(1, per_batch=False)
    assert trained(2, per_batch=True) != trained(2, per_batch=False)
