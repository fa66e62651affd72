"""A whole run with new words: what it leaves, that it resumes exactly, that the host gets its model back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.model.fingerprint import model_fingerprint
from tests.training.test_run import FULL, full_data
from tests.training.tiny import TinyOwner, adapter_bytes, finish, make_run, small_settings, train, weights
from tests.training.watched import at_micro_batch
from training_pro.data.fingerprint import tokenizer_digest
from training_pro.folders import Folders
from training_pro.hosts.lora_in_use import LoraInUse
from training_pro.hosts.lora_words import rows_wanted, tokenizer_folder
from training_pro.training.loop.optimizers import Rates, make_optimizer
from training_pro.training.run import Begin

WORDS = "Zorblax,<|note|>"
KNOWN = 405  # tokens of the tiny tokenizer


@pytest.fixture
def short(owner: TinyOwner, tmp_path: Path) -> TinyOwner:
    """A host whose model has no row to spare, as it is on disk in `base`."""
    model, tokenizer = owner.loaded.model, owner.loaded.tokenizer
    assert len(tokenizer) == KNOWN
    model.resize_token_embeddings(KNOWN, mean_resizing=False)
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return owner


def test_what_a_run_leaves_and_what_it_gives_back(short: TinyOwner) -> None:
    owner = short
    model, tokenizer = owner.loaded.model, owner.loaded.tokenizer
    before, known = model_fingerprint(model), tokenizer_digest(tokenizer)
    status = train(owner, small_settings(new_words=WORDS))
    assert model_fingerprint(model) == before and tokenizer_digest(tokenizer) == known
    rows = {name: tensor for name, tensor in weights(status.folder).items() if "lora_" not in name}
    assert [tuple(tensor.shape) for tensor in rows.values()] == [(2, 64), (2, 64)]
    config = json.loads((status.folder / "adapter_config.json").read_text())
    assert config["trainable_token_indices"] == {"embed_tokens": [KNOWN, KNOWN + 1], "lm_head": [KNOWN, KNOWN + 1]}
    assert any("2 new words" in note and "Train Head" in note for note in status.notes)
    assert rows_wanted(status.folder) == KNOWN + 2 and tokenizer_folder(status.folder) == status.folder


def test_known_tokens_need_no_tokenizer_of_their_own(owner: TinyOwner) -> None:
    status = train(owner, small_settings(new_words="<|im_start|>"))
    assert not (status.folder / "tokenizer.json").exists()
    assert rows_wanted(status.folder) == 1 and tokenizer_folder(status.folder) is None


@pytest.mark.parametrize("number", [3, 9, 20])
def test_interrupted_and_continued_it_is_the_same(owner: TinyOwner, number: int) -> None:
    settings = small_settings(**FULL, new_words=WORDS, head_learning_rate=1e-3)
    whole = train(owner, settings.changed(name="whole"), full_data())
    run = make_run(owner, settings, full_data())
    with at_micro_batch(number, run.controls.interrupt):
        assert finish(run).ending.kind == "interrupted"  # type: ignore[union-attr]  # it has ended
    again = train(owner, settings, full_data(), Begin(continue_exactly=True))
    assert adapter_bytes(again.folder) == adapter_bytes(whole.folder)


def test_used_on_the_model_it_answers_with_the_words_and_leaves_no_trace(short: TinyOwner) -> None:
    folder = train(short, small_settings(new_words=WORDS)).folder
    model = short.loaded.model
    before = model_fingerprint(model)
    lora = LoraInUse(model, folder, "tiny")
    assert lora.tokenizer is not None
    ids = lora.tokenizer("Zorblax <|note|>", return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert {KNOWN, KNOWN + 1} <= set(ids[0].tolist())
    with torch.no_grad():
        assert lora.model(input_ids=ids).logits.shape[-1] == KNOWN + 2
    lora.remove()
    assert model_fingerprint(model) == before


def test_merged_the_words_are_in_the_model_and_its_tokenizer(
    short: TinyOwner, folders: Folders, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training_pro.export.lora_source import open_lora
    from training_pro.export.merge import merge_lora

    folder = train(short, small_settings(new_words=WORDS, learning_rate=1e-2)).folder
    merged = merge_lora(open_lora(folder, folders, base=tmp_path / "base"), tmp_path / "merged", dtype="float32")
    model = AutoModelForCausalLM.from_pretrained(merged.folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(merged.folder)
    ids = tokenizer("The Zorblax", return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert KNOWN in ids[0].tolist() and model.config.vocab_size == KNOWN + 2
    lora = LoraInUse(short.loaded.model, folder, "tiny")
    with torch.no_grad():
        assert torch.allclose(model(input_ids=ids).logits, lora.model(input_ids=ids).logits, atol=1e-4)


def groups(model: Any, rates: Rates, **more: Any) -> dict[str, float]:
    """The first learning rate of each trained parameter."""
    from transformers import TrainingArguments

    arguments = TrainingArguments(output_dir="unused", learning_rate=1e-3, use_cpu=True, report_to="none", **more)
    optimizer = make_optimizer(model, arguments, rates)
    assert optimizer.param_groups[0]["lr"] == 1e-3
    rate_of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    return {name: rate_of[id(p)] for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("settings", [{"new_words": "x"}, {"train_head": True}], ids=["words", "head"])
def test_rates_of_their_own(settings: dict[str, Any]) -> None:
    from tests.training import zoo
    from training_pro.training.model.adapter import attach
    from training_pro.training.model.new_words import NO_WORDS, NewWords

    words = NewWords(("a",), (5,)) if "new_words" in settings else NO_WORDS
    model = attach(zoo.make("llama"), small_settings(**settings), 1, words).model
    plain = groups(model, Rates())
    assert set(plain.values()) == {1e-3}
    found = groups(model, Rates(lora_plus_ratio=16.0, head=2e-4))
    kinds = {"lora_A": 1e-3, "lora_B": 16e-3, "trainable_tokens": 2e-4, "modules_to_save": 2e-4}
    for name, rate in found.items():
        assert rate == pytest.approx(next(wanted for kind, wanted in kinds.items() if kind in name)), name
    assert 2e-4 in found.values()


def test_schedule_and_live_rate_reach_the_heads_rate(owner: TinyOwner) -> None:
    """Half the rate from the start, live, is half the rate in the settings: for every group."""
    one = small_settings(new_words=WORDS, head_learning_rate=4e-3, learning_rate=1e-2, name="one")
    run = make_run(owner, one)
    run.controls.set(learning_rate_scale=0.5)
    halved = finish(run)
    two = train(owner, one.changed(name="two", head_learning_rate=2e-3, learning_rate=5e-3))
    for name, tensor in weights(halved.folder).items():
        assert torch.allclose(tensor, weights(two.folder)[name], atol=1e-6), name
