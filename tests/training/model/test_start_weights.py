"""Training on top of the weights of an older LoRA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import zoo
from tests.training.model.test_adapter import answers, learn_a_little
from tests.training.tiny import small_settings, weights
from training_pro.errors import ModelError
from training_pro.training.model.adapter import attach, save_adapter
from training_pro.training.model.start_weights import load_weights


@pytest.mark.parametrize("changes", [{}, {"train_head": True}, {"use_dora": True}], ids=["plain", "head", "dora"])
def test_weights_are_taken_over(tmp_path: Path, changes: dict[str, Any]) -> None:
    first = attach(zoo.make("llama tied"), small_settings(**changes), seed=1)
    learn_a_little(first.model)
    save_adapter(first.model, tmp_path)
    second = attach(zoo.make("llama tied"), small_settings(**changes), seed=2)
    load_weights(second, tmp_path)
    assert torch.allclose(answers(second.model), answers(first.model), atol=1e-6)


def test_the_originals_pickled_weights_are_taken_over(tmp_path: Path) -> None:
    first = attach(zoo.make("llama"), small_settings(), seed=1)
    learn_a_little(first.model)
    save_adapter(first.model, tmp_path)
    torch.save(weights(tmp_path), tmp_path / "adapter_model.bin")
    (tmp_path / "adapter_model.safetensors").unlink()
    second = attach(zoo.make("llama"), small_settings(), seed=2)
    load_weights(second, tmp_path)
    assert torch.allclose(answers(second.model), answers(first.model), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 8}, "has rank 4, these settings have 8: set LoRA Rank to 4"),
        ({"targets": "q-k-v-o"}, "other targets or heads"),
        ({"targets": "own list", "target_modules": "q_proj"}, "other targets or heads"),
        ({"use_dora": True}, "other targets or heads"),
    ],
)
def test_weights_of_other_settings_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    save_adapter(attach(zoo.make("llama"), small_settings(), seed=1).model, tmp_path)
    other = attach(zoo.make("llama"), small_settings(**changes), seed=2)
    with pytest.raises(ModelError, match=words):
        load_weights(other, tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"not a safetensors file"])
def test_broken_weights_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="can't be read .*choose another run or checkpoint"):
        load_weights(attach(zoo.make("llama"), small_settings(), seed=1), tmp_path)


@pytest.mark.parametrize(
    "changes", [{"alpha": 4}, {"use_rslora": True, "rslora_alpha": 3}, {"use_dora": False, "dropout": 0.5}]
)
def test_another_scaling_leaves_what_was_learned_as_strong(tmp_path: Path, changes: dict[str, Any]) -> None:
    first = attach(zoo.make("llama"), small_settings(), seed=1)
    learn_a_little(first.model)
    save_adapter(first.model, tmp_path)
    second = attach(zoo.make("llama"), small_settings(**changes), seed=2)
    note = load_weights(second, tmp_path)
    assert ("rescaled" in note) == ("dropout" not in changes)
    second.model.eval(), first.model.eval()
    assert torch.allclose(answers(second.model), answers(first.model), atol=1e-5)


def test_an_adapter_of_several_scalings_answers_as_before(tmp_path: Path) -> None:
    """With alpha 4 for q_proj it is half as strong there as with 8."""
    first = attach(zoo.make("llama"), small_settings(), seed=1)
    learn_a_little(first.model)
    save_adapter(first.model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "alpha_pattern": {"q_proj": 4}}))
    second = attach(zoo.make("llama"), small_settings(), seed=2)
    assert "rescaled" in load_weights(second, tmp_path)
    for name, parameter in first.model.named_parameters():
        if "q_proj.lora_B" in name:
            parameter.data.mul_(0.5)
    second.model.eval(), first.model.eval()
    assert torch.allclose(answers(second.model), answers(first.model), atol=1e-5)
