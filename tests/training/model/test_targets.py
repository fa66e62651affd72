"""Presets meet each family's own names; what is not there is said."""

from __future__ import annotations

import pytest

from tests.training import zoo
from training_pro.errors import ModelError
from training_pro.training.model.targets import expert_tensors, linear_module_names, resolve_targets

LLAMA_LIKE = ["llama", "llama tied", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "granite", "cohere"]


def last_parts(family: str, preset: str, own: str = "") -> list[str]:
    """The targets in the first layer, without the layer's own prefix."""
    found = resolve_targets(zoo.make(family), preset, own).modules
    return sorted(name.split(".0.", 1)[1] for name in found if ".0." in name)


@pytest.mark.parametrize("family", LLAMA_LIKE)
@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        ("q-v", "q v"),
        ("q-k-v", "k q v"),
        ("q-k-v-o", "k o q v"),
        ("k-v-down", "down k v"),
        ("all", "down gate k o q up v"),
        ("all-linear", "down gate k o q up v"),
    ],
)
def test_presets_on_models_named_like_llama(family: str, preset: str, wanted: str) -> None:
    found = [part.rsplit(".", 1)[-1].removesuffix("_proj") for part in last_parts(family, preset)]
    assert sorted(found) == wanted.split()


@pytest.mark.parametrize(
    ("family", "preset", "wanted", "note"),
    [
        ("neox", "q-v", ["attention.query_key_value"], "fuses q into query_key_value"),
        ("neox", "q-k-v-o", ["attention.dense", "attention.query_key_value"], "fuses"),
        ("neox", "k-v-down", ["attention.query_key_value", "mlp.dense_4h_to_h"], "fuses"),
        (
            "neox",
            "all",
            ["attention.dense", "attention.query_key_value", "mlp.dense_4h_to_h", "mlp.dense_h_to_4h"],
            "no module for gate",
        ),
        ("gpt2", "q-v", ["attn.c_attn"], "fuses q into attn.c_attn"),
        ("gpt2", "q-k-v-o", ["attn.c_attn", "attn.c_proj"], "fuses"),
        ("gpt2", "k-v-down", ["attn.c_attn", "mlp.c_proj"], "fuses"),
        ("phi3", "q-v", ["self_attn.qkv_proj"], "fuses q into qkv_proj"),
        (
            "phi3",
            "all",
            ["mlp.down_proj", "mlp.gate_up_proj", "self_attn.o_proj", "self_attn.qkv_proj"],
            "fuses gate into gate_up_proj",
        ),
        ("phi", "q-k-v-o", [f"self_attn.{p}" for p in ("dense", "k_proj", "q_proj", "v_proj")], ""),
        ("phi", "k-v-down", ["mlp.fc2", "self_attn.k_proj", "self_attn.v_proj"], ""),
        ("falcon", "q-v", ["self_attention.query_key_value"], "fuses"),
        ("opt", "q-k-v-o", [f"self_attn.{p}" for p in ("k_proj", "out_proj", "q_proj", "v_proj")], ""),
        ("starcoder2", "k-v-down", ["mlp.c_proj", "self_attn.k_proj", "self_attn.v_proj"], ""),
        ("mixtral", "q-v", ["self_attn.q_proj", "self_attn.v_proj"], ""),
        ("mixtral", "k-v-down", ["self_attn.k_proj", "self_attn.v_proj"], "3-D tensors"),
        (
            "qwen2moe",
            "all",
            [
                "mlp.shared_expert.down_proj",
                "mlp.shared_expert.gate_proj",
                "mlp.shared_expert.up_proj",
                *(f"self_attn.{p}_proj" for p in "koqv"),
            ],
            "3-D tensors",
        ),
    ],
)
def test_presets_on_other_names(family: str, preset: str, wanted: list[str], note: str) -> None:
    assert last_parts(family, preset) == wanted
    notes = " ".join(resolve_targets(zoo.make(family), preset).notes)
    assert note in notes
    assert bool(note) == bool(notes)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_all_linear_is_everything_but_heads_and_routers(family: str) -> None:
    model = zoo.make(family)
    found = resolve_targets(model, "all-linear").modules
    assert found == tuple(linear_module_names(model))
    assert not any(name.endswith(("lm_head", "embed_out", "mlp.gate", "shared_expert_gate")) for name in found)


@pytest.mark.parametrize("family", zoo.FAMILIES)
@pytest.mark.parametrize("preset", ["q-v", "q-k-v-o", "k-v-down", "all"])
def test_the_names_for_peft_mean_exactly_the_modules(family: str, preset: str) -> None:
    model = zoo.make(family)
    targets = resolve_targets(model, preset)
    meant = [n for n, _ in model.named_modules() if any(n == t or n.endswith("." + t) for t in targets.names)]
    assert meant == list(targets.modules)


def test_short_names_where_they_are_enough() -> None:
    assert resolve_targets(zoo.make("llama"), "q-v").names == ("q_proj", "v_proj")
    gpt2 = resolve_targets(zoo.make("gpt2"), "q-k-v-o").names  # c_proj alone would mean the mlp's, too
    assert "transformer.h.1.attn.c_proj" in gpt2


def test_experts_in_one_tensor_are_named() -> None:
    assert expert_tensors(zoo.make("mixtral")) == ["down_proj", "gate_up_proj"]
    assert expert_tensors(zoo.make("llama")) == []


def test_an_own_list_in_any_layout() -> None:
    assert last_parts("llama", "own list", " v_proj,\n up_proj , mlp.down_proj ") == [
        "mlp.down_proj",
        "mlp.up_proj",
        "self_attn.v_proj",
    ]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("", "own list of targets is empty"),
        ("q_proj, wrong, other", "no module named wrong, other. It has: down_proj, gate_proj"),
    ],
)
def test_an_own_list_that_is_wrong(own: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        resolve_targets(zoo.make("llama"), "own list", own)


def test_a_model_without_attention_says_what_it_has() -> None:
    import torch

    model = torch.nn.Sequential()
    model.add_module("mixer", torch.nn.Linear(2, 2))
    with pytest.raises(ModelError, match="no module for q, v of the targets q-v. It has: mixer"):
        resolve_targets(model, "q-v")
