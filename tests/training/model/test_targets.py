"""Presets meet each family's own names; what is not there, or only in some layers, is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.training import zoo
from training_pro.errors import ModelError
from training_pro.training.model.targets import Targets, TextLinears, resolve_targets

LLAMA_LIKE = ["llama", "llama tied", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "granite", "cohere"]


def last_parts(family: str, preset: str, own: str = "") -> list[str]:
    """The targets in the first layer, without the layer's own prefix."""
    found = resolve_targets(zoo.make(family), preset, own).modules
    return sorted(name.split(".0.", 1)[1] for name in found if ".0." in name)


def coverage(targets: Targets) -> dict[str, tuple[int, int]]:
    return {found.asked: (found.layers, found.of) for found in targets.coverage}


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
    ("family", "preset", "wanted", "noted"),
    [
        ("neox", "q-v", ["attention.query_key_value"], "query_key_value"),
        ("neox", "q-k-v-o", ["attention.dense", "attention.query_key_value"], "query_key_value"),
        ("neox", "k-v-down", ["attention.query_key_value", "mlp.dense_4h_to_h"], "query_key_value"),
        (
            "neox",
            "all",
            ["attention.dense", "attention.query_key_value", "mlp.dense_4h_to_h", "mlp.dense_h_to_4h"],
            "gate",
        ),
        ("gpt2", "q-v", ["attn.c_attn"], "c_attn"),
        ("gpt2", "q-k-v-o", ["attn.c_attn", "attn.c_proj"], "c_attn"),
        ("gpt2", "k-v-down", ["attn.c_attn", "mlp.c_proj"], "c_attn"),
        ("phi3", "q-v", ["self_attn.qkv_proj"], "qkv_proj"),
        (
            "phi3",
            "all",
            ["mlp.down_proj", "mlp.gate_up_proj", "self_attn.o_proj", "self_attn.qkv_proj"],
            "gate_up_proj",
        ),
        ("phi", "q-k-v-o", [f"self_attn.{p}" for p in ("dense", "k_proj", "q_proj", "v_proj")], ""),
        ("phi", "k-v-down", ["mlp.fc2", "self_attn.k_proj", "self_attn.v_proj"], ""),
        ("falcon", "q-v", ["self_attention.query_key_value"], "query_key_value"),
        ("opt", "q-k-v-o", [f"self_attn.{p}" for p in ("k_proj", "out_proj", "q_proj", "v_proj")], ""),
        ("starcoder2", "k-v-down", ["mlp.c_proj", "self_attn.k_proj", "self_attn.v_proj"], ""),
        ("mixtral", "q-v", ["self_attn.q_proj", "self_attn.v_proj"], ""),
        ("mixtral", "k-v-down", ["self_attn.k_proj", "self_attn.v_proj"], "Train Experts"),
        (
            "qwen2moe",
            "all",
            [
                "mlp.shared_expert.down_proj",
                "mlp.shared_expert.gate_proj",
                "mlp.shared_expert.up_proj",
                *(f"self_attn.{p}_proj" for p in "koqv"),
            ],
            "Train Experts",
        ),
    ],
)
def test_presets_on_other_names(family: str, preset: str, wanted: list[str], noted: str) -> None:
    assert last_parts(family, preset) == wanted
    notes = " ".join(resolve_targets(zoo.make(family), preset).notes)
    assert noted in notes
    assert bool(noted) == bool(notes)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_all_linear_is_everything_but_heads_and_routers(family: str) -> None:
    model = zoo.make(family)
    found = resolve_targets(model, "all-linear").modules
    assert found == tuple(TextLinears(model).plain)
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


def test_an_own_list_in_any_layout() -> None:
    assert last_parts("llama", "own list", " v_proj,\n up_proj , mlp.down_proj ") == [
        "mlp.down_proj",
        "mlp.up_proj",
        "self_attn.v_proj",
    ]


@pytest.mark.parametrize(("own", "named"), [("", "q_proj"), ("q_proj, wrong, other", "wrong, other")])
def test_an_own_list_that_is_wrong(own: str, named: str) -> None:
    with pytest.raises(ModelError, match=named) as refused:
        resolve_targets(zoo.make("llama"), "own list", own)
    assert refused.value.setting == "target_modules" and refused.value.options
    assert "down_proj, gate_proj" in str(refused.value)


def test_a_model_without_attention_says_what_it_has() -> None:
    model = nn.Sequential()
    model.add_module("mixer", nn.Linear(2, 2))
    with pytest.raises(ModelError, match="mixer") as refused:
        resolve_targets(model, "q-v")
    assert refused.value.options == ("--set targets=all-linear",)
    assert resolve_targets(model, "all-linear").modules == ("mixer",)


# -- parts of models by hand: names and shapes as newer families have them --------------------------------------------


class Block(nn.Module):
    """A module with these children, each a small linear one or what is given."""

    def __init__(self, *names: str, **children: nn.Module) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, nn.Linear(4, 4))
        for name, child in children.items():
            self.add_module(name, child)


class Text(nn.Module):
    """A model of such layers, in the shape that transformers gives them."""

    def __init__(self, *layers: nn.Module, **beside: nn.Module) -> None:
        super().__init__()
        self.model = Block(embed=nn.Embedding(8, 4), layers=nn.ModuleList(layers), **beside)
        self.lm_head = nn.Linear(4, 8)

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embed

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head


def mamba() -> Block:
    block = Block("in_proj", "out_proj", "x_proj", "dt_proj")
    block.A_log = nn.Parameter(torch.zeros(2))
    return block


LLAMA_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@pytest.mark.parametrize(
    ("layer", "preset", "wanted"),
    [
        (Block(attn=Block("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")), "q-v", "q_b kv_b"),
        (Block(attn=Block("q_proj", "kv_b_proj", "o_proj", indexer=Block("wq_b", "wk"))), "q-k-v-o", "q kv_b o"),
        (Block(linear_attn=Block("in_proj_qkv", "in_proj_z", "in_proj_a", "out_proj")), "q-k-v-o", "in_qkv out"),
        (Block(mixer=mamba()), "q-v", "in"),
        (Block(mixer=mamba()), "all-linear", "in"),
        (Block(attn=Block(*LLAMA_ATTENTION), mamba=mamba()), "q-v", "q v"),
        (Block(attn=Block(*LLAMA_ATTENTION), conv=Block("in_proj", "out_proj")), "q-k-v-o", "q k v o"),
        (Block("fc1", "fc2", attn=Block("query", "key", "value", "dense")), "all", "query key value dense fc1 fc2"),
        (Block(attention=Block("key", "value", "receptance", "output")), "q-k-v-o", "key value receptance output"),
        (Block(feed_forward=Block("key", "value", "receptance"), a=Block("q_proj")), "k-v-down", "value"),
        (Block(attn=Block(q_proj=Block("linear"), o_proj=Block("linear", "gate_proj"))), "q-k-v-o", "linear linear"),
        (Block(attn=Block("Wq", "Wk", "Wv", "dense")), "q-k-v", "Wq Wk Wv"),
        (Block(attn=Block("Wqkv", "Wo"), mlp=Block("Wi", "Wo")), "all", "Wqkv Wo Wi Wo"),
        (Block(attn=Block(*LLAMA_ATTENTION, "gate_proj"), mlp=Block("up_proj")), "all", "q k v o up"),
        (Block(*LLAMA_ATTENTION, "gate_proj", "up_proj", "down_proj"), "all", "q k v o gate up down"),
    ],
)
def test_roles_by_name_and_by_what_stands_beside(layer: nn.Module, preset: str, wanted: str) -> None:
    found = [n.rsplit(".", 1)[-1].replace("_proj", "") for n in resolve_targets(Text(layer), preset).modules]
    assert sorted(found) == sorted(wanted.split())


def test_layers_without_the_target_are_counted() -> None:
    """A hybrid: attention in one layer of four, a short convolution in the others."""
    convolution = [Block(conv=Block("in_proj", "out_proj"), mlp=Block("up_proj", "down_proj")) for _ in range(3)]
    targets = resolve_targets(Text(*convolution, Block(attn=Block(*LLAMA_ATTENTION))), "k-v-down")
    assert coverage(targets) == {"k": (1, 4), "v": (1, 4), "down": (3, 4)}
    notes = " ".join(targets.notes)
    assert "k and v exist in 1 of the model's 4 layers" in notes and "3 of the model's 4" in notes


def test_what_mamba_reads_by_itself_is_left_out_and_named() -> None:
    targets = resolve_targets(Text(Block(mixer=mamba())), "all-linear")
    assert all(name in " ".join(targets.notes) for name in ("out_proj", "x_proj", "dt_proj"))


@pytest.mark.parametrize(
    "router",
    [
        {"mlp": Block("gate", "up_proj", experts=nn.ModuleList([Block("up_proj")]))},
        {"mlp": Block("up_proj", router=Block("proj"))},
        {"altup": Block("modality_router"), "mlp": Block("up_proj")},
        {"mlp": Block("up_proj", "shared_expert_gate")},
        {"attn": Block(indexer=Block("weights_proj")), "mlp": Block("up_proj")},
    ],
)
def test_routers_never_learn(router: dict[str, nn.Module]) -> None:
    found = resolve_targets(Text(Block(**router)), "all-linear").modules
    assert found == ("model.layers.0.mlp.up_proj",)


def test_a_gate_that_is_no_router_learns() -> None:
    found = resolve_targets(Text(Block(mlp=Block("gate", "up_proj"), attn=Block("q_proj"))), "all").modules
    assert "model.layers.0.mlp.gate" in found


class Wrapper(nn.Module):
    """A model with a vision tower whose names are those of its text part."""

    def __init__(self) -> None:
        super().__init__()
        tower = Block(encoder=Block(layers=nn.ModuleList([Block(self_attn=Block(*LLAMA_ATTENTION))])))
        self.model = Block(vision_tower=tower, projector=Block("linear_1"))
        self.model.language_model = Text(Block(self_attn=Block(*LLAMA_ATTENTION))).model
        self.lm_head = nn.Linear(4, 8)

    def get_input_embeddings(self) -> nn.Module:
        return self.model.language_model.embed

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head


@pytest.mark.parametrize("preset", ["q-v", "q-k-v-o", "all-linear"])
def test_only_the_text_part_of_a_multimodal_model_is_looked_at(preset: str) -> None:
    targets = resolve_targets(Wrapper(), preset)
    assert targets.modules
    assert all(name.startswith("model.language_model.layers.") for name in targets.modules)
    assert targets.names == targets.modules  # the short names would mean the tower's, too


def test_towers_inside_the_text_part_are_left_out() -> None:
    """Phi-4 multimodal has them among the embeddings."""
    tower = Block(audio_embed=Block(encoders=nn.ModuleList([Block(self_attn=Block(*LLAMA_ATTENTION))])))
    tower.image = Block("projection")
    found = resolve_targets(Text(Block(self_attn=Block(*LLAMA_ATTENTION)), extend=tower), "all-linear").modules
    assert all(name.startswith("model.layers.") for name in found)


class Grouped(nn.Linear):
    """A linear module by its class, called in another way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).unflatten(-1, (2, -1))


class Scaled(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 2


def test_kinds_of_linear_modules_are_judged_by_what_they_do() -> None:
    layer = Block(attn=Block(o_proj=Grouped(4, 4), q_proj=Scaled(4, 4)))
    assert resolve_targets(Text(layer), "all-linear").modules == ("model.layers.0.attn.q_proj",)


# -- experts ----------------------------------------------------------------------------------------------------------


def test_experts_are_a_choice_of_their_own() -> None:
    model = zoo.make("mixtral")
    without, with_experts = (resolve_targets(model, "q-v", with_experts=on) for on in (False, True))
    assert without.experts == () and without.parameters == ()
    assert with_experts.modules == without.modules
    assert with_experts.parameters == ("experts.down_proj", "experts.gate_up_proj")
    assert {tensor.count for tensor in with_experts.experts} == {2}
    assert len(with_experts.experts) == 2 * len(model.model.layers)
    assert {(tensor.given, tensor.made) for tensor in with_experts.experts} == {(16, 64), (32, 16)}


def test_experts_that_are_modules_learn_with_the_same_choice() -> None:
    experts = nn.ModuleList([Block("w1", "w2", "w3") for _ in range(3)])
    model = Text(Block(attn=Block(*LLAMA_ATTENTION), moe=Block("gate", experts=experts)))
    assert not any("experts" in name for name in resolve_targets(model, "all").modules)
    found = resolve_targets(model, "q-v", with_experts=True).modules
    assert sum("experts" in name for name in found) == 9


def test_asking_for_experts_that_are_not_there_is_noted() -> None:
    targets = resolve_targets(zoo.make("llama"), "q-v", with_experts=True)
    assert targets.modules and any("no experts" in note for note in targets.notes)


@pytest.mark.parametrize("preset", ["all", "all-linear"])
def test_names_that_peft_takes_for_experts_are_left_out_and_named(preset: str) -> None:
    """Such a LoRA would be made, and loaded again, on other modules than were asked for."""
    pytest.importorskip("peft.utils.transformers_weight_conversion")
    from transformers import AutoModelForCausalLM, Glm4MoeConfig

    config: Any = Glm4MoeConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, moe_intermediate_size=8, num_hidden_layers=2, head_dim=8,
        num_attention_heads=2, num_key_value_heads=1, n_routed_experts=2, num_experts_per_tok=1,
        first_k_dense_replace=1, n_group=1, topk_group=1,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    targets = resolve_targets(model, preset)
    assert {name.rsplit(".", 1)[-1] for name in targets.modules} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert any("gate_proj" in note and "6" in note for note in targets.notes)
