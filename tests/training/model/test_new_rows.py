"""Rows of new words: PEFT's own numbers in a shorter way, on many models; plain PEFT loads them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tests.training import zoo
from tests.training.model.fingerprint import model_fingerprint
from tests.training.model.test_adapter import answers, learn_a_little
from tests.training.tiny import small_settings, weights
from training_pro.errors import ModelError
from training_pro.training.model.adapter import attach, save_adapter, trained_tensors
from training_pro.training.model.chunked_loss import make_lean
from training_pro.training.model.new_rows import lengthen
from training_pro.training.model.new_words import NewWords
from training_pro.training.model.snapshot import ModelSnapshot

IDS = torch.tensor([[3, 5, 9, 64, 5, 65, 7, 64]])
WORDS = NewWords(("old", "new", "newer"), (5, 64, 65), {64: (8, 9), 65: (10, 11, 12)})
WITH_BIAS = {"phi"}
FAMILIES = [family for family in zoo.FAMILIES if family not in WITH_BIAS]


def prepared(family: str, **changes: Any) -> Any:
    model = zoo.make(family)
    lengthen(model, WORDS.rows)
    return attach(model, small_settings(new_words="x", **changes), 1, WORDS).model


def logits(model: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(input_ids=IDS).logits.float()


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_rows_alone_and_loaded_in_plain_peft(family: str, tmp_path: Path) -> None:
    model = prepared(family)
    learn_a_little(model)
    wanted = logits(model)
    save_adapter(model, tmp_path)
    rows = {name: tensor for name, tensor in weights(tmp_path).items() if "lora_" not in name}
    assert rows and all(name.endswith("token_adapter.trainable_tokens_delta") for name in rows)
    assert {tensor.shape[0] for tensor in rows.values()} == {3}
    base = zoo.make(family)
    base.resize_token_embeddings(66, mean_resizing=False)
    loaded = PeftModel.from_pretrained(base, str(tmp_path))
    assert torch.allclose(logits(loaded), wanted, atol=1e-5)
    merged = loaded.merge_and_unload()
    assert torch.allclose(logits(merged), wanted, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_pefts_own_way(family: str) -> None:
    model = prepared(family)
    learn_a_little(model)
    found = []
    for short in (True, False):
        model.zero_grad()
        if not short:
            for module in model.modules():
                vars(module).pop("forward", None) if "trainable_tokens_delta" in dict(module.named_children()) else None
        model.train()
        torch.manual_seed(3)
        model(input_ids=IDS, labels=IDS).loss.backward()
        found.append({n: p.grad.clone() for n, p in trained_tensors(model).items() if p.grad is not None})
    assert found[0].keys() == found[1].keys() and any("trainable_tokens" in name for name in found[0])
    for name, grad in found[0].items():
        assert torch.allclose(grad, found[1][name], atol=1e-5, rtol=1e-4), name
    assert all(grad.abs().sum() > 0 for name, grad in found[0].items() if "trainable_tokens" in name)


@pytest.mark.parametrize("family", ["llama", "llama tied", "gemma3", "cohere", "mixtral"])
def test_the_lean_loss_gives_the_same_gradients(family: str) -> None:
    grads = []
    for lean in (False, True):
        model = zoo.make(family)
        lengthen(model, WORDS.rows)
        if lean:
            assert make_lean(model).chunked
        wrapped = attach(model, small_settings(new_words="x"), 1, WORDS).model
        learn_a_little(wrapped)
        torch.manual_seed(3)
        wrapped(input_ids=IDS, labels=IDS).loss.backward()
        grads.append({n: p.grad for n, p in trained_tensors(wrapped).items() if "trainable_tokens" in n})
    for name, grad in grads[0].items():
        assert grad is not None and torch.allclose(grad, grads[1][name], atol=1e-5, rtol=1e-3), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_snapshot_gives_the_short_model_back(family: str) -> None:
    model = zoo.make(family)
    untrained, config = answers(model), model.config.vocab_size
    before = model_fingerprint(model)
    snapshot = ModelSnapshot.take(model)
    assert lengthen(model, 70) and not lengthen(model, 70)
    attach(model, small_settings(new_words="x"), 1, WORDS)
    snapshot.restore()
    assert model_fingerprint(model) == before and model.config.vocab_size == config
    assert model.get_input_embeddings().weight.shape[0] == 64
    assert torch.equal(answers(model), untrained)


@pytest.mark.parametrize("family", ["llama", "llama tied"])
def test_new_words_begin_as_the_mean_of_their_pieces_and_old_ones_as_they_are(family: str) -> None:
    base = zoo.make(family)
    given, head = base.get_input_embeddings().weight, base.get_output_embeddings().weight
    model = prepared(family)
    rows = {name: tensor.detach() for name, tensor in model.named_parameters() if "trainable_tokens_delta" in name}
    for name, tensor in rows.items():
        weight = head if "lm_head" in name else given
        expected = torch.stack([weight[5], weight[8:10].mean(0), weight[10:13].mean(0)])
        assert torch.allclose(tensor, expected) and tensor.dtype == torch.float32
    assert len(rows) == (1 if family == "llama tied" else 2)


def test_rows_of_a_half_precision_model_are_held_in_float32(tmp_path: Path) -> None:
    model = zoo.make("llama").to(torch.bfloat16)
    lengthen(model, WORDS.rows)
    wrapped = attach(model, small_settings(new_words="x"), 1, WORDS).model
    rows = [p for name, p in wrapped.named_parameters() if "trainable_tokens_delta" in name]
    assert {row.dtype for row in rows} == {torch.float32}
    assert wrapped(input_ids=IDS).logits.dtype == torch.bfloat16


def test_what_can_not_be_done_is_said() -> None:
    with pytest.raises(ModelError, match="bias") as refused:
        attach(zoo.make("phi"), small_settings(new_words="x"), 1, NewWords(("a",), (5,)))
    assert refused.value.setting == "new_words"
    with pytest.raises(ModelError, match="Train Head"):
        attach(zoo.make("llama"), small_settings(new_words="x", train_head=True), 1, NewWords(("a",), (5,)))
    with pytest.raises(ModelError, match="lm_head"):
        own = {"targets": "own list", "target_modules": "q_proj, lm_head"}
        attach(zoo.make("llama"), small_settings(new_words="x", **own), 1, NewWords(("a",), (5,)))
