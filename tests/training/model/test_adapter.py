"""LoRAs on many models: made, saved, loaded in plain PEFT, gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tests.training import zoo
from tests.training.tiny import adapter_bytes, small_settings, weights
from training_pro.errors import ModelError
from training_pro.training.model.adapter import (
    adapted_names,
    attach,
    save_adapter,
    trained_tensors,
    untaught,
    untaught_note,
)
from training_pro.training.model.chunked_loss import chunked_loss_sum, make_lean

IDS = torch.arange(3, 15)[None]


def learn_a_little(model: Any) -> None:
    """Every trained weight is moved, so that a weight that is not saved would show."""
    draw = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in dict.fromkeys(trained_tensors(model).values()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))


def answers(model: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(input_ids=IDS).logits.float()


@pytest.mark.parametrize("family", zoo.FAMILIES)
@pytest.mark.parametrize("changes", [{}, {"targets": "all"}, {"train_head": True}], ids=["q-v", "all", "head"])
def test_saved_and_loaded_in_plain_peft(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model = zoo.make(family)
    untrained = answers(model)
    attached = attach(model, small_settings(**changes), seed=1)
    assert torch.allclose(answers(attached.model), untrained, atol=1e-5)
    learn_a_little(attached.model)
    wanted = answers(attached.model)
    assert not torch.allclose(wanted, untrained, atol=1e-2)
    save_adapter(attached.model, tmp_path)
    loaded = PeftModel.from_pretrained(zoo.make(family), str(tmp_path))
    assert torch.allclose(answers(loaded), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"use_rslora": True, "rslora_alpha": 3.0}, {"use_dora": True}, {"use_dora": True, "use_rslora": True}],
    ids=["rslora", "dora", "both"],
)
@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3"])
def test_rslora_and_dora(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    attached = attach(zoo.make(family), small_settings(**changes), seed=1)
    learn_a_little(attached.model)
    wanted = answers(attached.model)
    save_adapter(attached.model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["use_rslora"] is changes.get("use_rslora", False)
    assert config["use_dora"] is changes.get("use_dora", False)
    assert config["lora_alpha"] == (3.0 if "rslora_alpha" in changes else 16.0 if "use_rslora" in changes else 8.0)
    assert torch.allclose(answers(PeftModel.from_pretrained(zoo.make(family), str(tmp_path))), wanted, atol=1e-5)


MIXTURES = ["mixtral", "qwen2moe"]


@pytest.mark.parametrize("family", MIXTURES)
def test_experts_learn_and_load_in_plain_peft(family: str, tmp_path: Path) -> None:
    model = zoo.make(family)
    attached = attach(model, small_settings(train_experts=True, dropout=0.1), seed=1)
    assert sum(name.endswith("gate_up_proj") for name in adapted_names(attached.model)) == len(model.model.layers)
    assert attached.model.active_peft_config.lora_dropout == 0.0
    assert any("Dropout" in note and "0.1" in note for note in attached.notes)
    attached.model(input_ids=IDS, labels=IDS).loss.backward()
    assert untaught(attached.model) == []
    learn_a_little(attached.model)
    wanted = answers(attached.model)
    save_adapter(attached.model, tmp_path)
    loaded = PeftModel.from_pretrained(zoo.make(family), str(tmp_path))
    assert torch.allclose(answers(loaded), wanted, atol=1e-5)
    merged = loaded.merge_and_unload()
    assert torch.allclose(answers(merged), wanted, atol=1e-4)


def test_experts_and_dora_exclude_each_other() -> None:
    with pytest.raises(ModelError, match="Use DoRA and Train Experts") as refused:
        attach(zoo.make("mixtral"), small_settings(train_experts=True, use_dora=True), seed=1)
    assert refused.value.options == ("--set use_dora=off", "--set train_experts=off")


@pytest.mark.parametrize("family", zoo.FAMILIES)
@pytest.mark.parametrize("targets", ["q-v", "all", "all-linear"])
def test_what_is_adapted_is_what_was_resolved(family: str, targets: str) -> None:
    attached = attach(zoo.make(family), small_settings(targets=targets), seed=1)
    assert adapted_names(attached.model) == list(attached.targets.modules)


def test_peft_that_adapts_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import peft

    make = peft.get_peft_model

    def rewritten(model: Any, config: Any) -> Any:
        config.target_modules = {"q_proj", "up_proj"}
        return make(model, config)

    monkeypatch.setattr(peft, "get_peft_model", rewritten)
    with pytest.raises(ModelError, match=r"also model\.layers\.0\.mlp\.up_proj and not .*v_proj"):
        attach(zoo.make("llama"), small_settings(), seed=1)


def test_loras_without_a_gradient_are_named() -> None:
    attached = attach(zoo.make("llama"), small_settings(), seed=1)
    assert untaught(attached.model) == []  # nothing has been learned at all yet
    attached.model(input_ids=IDS, labels=IDS).loss.backward()
    assert untaught_note(attached.model) == ""
    named = dict(attached.model.named_parameters())
    name = "model.layers.1.self_attn.q_proj"
    for parameter in (named[f"base_model.model.{name}.lora_B.default.weight"],):
        parameter.grad = None
    assert untaught(attached.model) == [name]
    assert name in untaught_note(attached.model)


def test_the_counts_and_the_config() -> None:
    attached = attach(zoo.make("llama"), small_settings(rank=4, dropout=0.1), seed=1)
    # q: 16 to 16, v: 16 to 8; rank 4; two layers
    assert attached.trainable_parameters == 2 * (4 * (16 + 16) + 4 * (16 + 8))
    assert attached.all_parameters > attached.trainable_parameters
    assert attached.model.config.use_cache is False
    config = attached.model.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout, config.bias) == (4, 8.0, 0.1, "none")


def test_the_seed_decides_the_beginning() -> None:
    one, same, other = (
        trained_tensors(attach(zoo.make("llama"), small_settings(), seed=seed).model) for seed in (1, 1, 2)
    )
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_same_lora_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Sets have another order in each process; the files must not."""
    program = (
        "import sys, pathlib; from tests.training import zoo; from tests.training.tiny import small_settings;"
        "from training_pro.training.model.adapter import attach, save_adapter;"
        "folder = pathlib.Path(sys.argv[1]); folder.mkdir();"
        "save_adapter(attach(zoo.make('llama'), small_settings(targets='all', train_head=True), 1).model, folder)"
    )
    environment = {"PYTHONHASHSEED": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": ""}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there")], check=True, env=environment)
    save_adapter(attach(zoo.make("llama"), small_settings(targets="all", train_head=True), 1).model, tmp_path / "here")
    assert adapter_bytes(tmp_path / "there") == adapter_bytes(tmp_path / "here")


def test_nothing_else_is_written_and_nothing_of_the_base(tmp_path: Path) -> None:
    attached = attach(zoo.make("llama"), small_settings(), seed=1)
    save_adapter(attached.model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert all(".lora_" in name for name in weights(tmp_path))


# -- Train Head ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("llama tied", True), ("gpt2", True), ("neox", False)])
def test_embeddings_and_head_learn_as_one_where_they_are_one(family: str, tied: bool) -> None:
    base = zoo.make(family)
    before = {n: p.clone() for n, p in base.named_parameters()}
    attached = attach(base, small_settings(train_head=True), seed=1)
    heads = {p for n, p in trained_tensors(attached.model).items() if "lora_" not in n}
    assert len(heads) == (1 if tied else 2)
    assert any("trained as one" in note for note in attached.notes) is tied
    learn_a_little(attached.model)
    given, output = base.get_input_embeddings(), base.get_output_embeddings()
    one, other = (m.modules_to_save["default"].weight for m in (given, output))
    assert (one is other) is tied
    kept = {n.replace("original_module.", "").replace("base_layer.", ""): p for n, p in base.named_parameters()}
    assert all(torch.equal(p, kept[n]) for n, p in before.items())


@pytest.mark.parametrize("family", ["llama", "llama tied", "gpt2", "gemma2"])
def test_a_trained_head_gets_the_gradients_of_the_stock_loss(family: str) -> None:
    found = []
    for lean in (False, True):
        model = zoo.make(family).eval()
        if lean:
            assert make_lean(model).chunked
        attached = attach(model, small_settings(train_head=True, dropout=0.0), seed=1)
        learn_a_little(attached.model)
        attached.model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
        found.append({n: p.grad for n, p in attached.model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert any("modules_to_save" in name for name in found[0])
    for name, grad in found[0].items():
        torch.testing.assert_close(found[1][name], grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_head_learns_in_float32(dtype: torch.dtype) -> None:
    """In bfloat16 a step of 1e-4 on a weight of 1 rounds to nothing."""
    model = zoo.make("llama tied").to(dtype)
    assert make_lean(model).chunked
    attached = attach(model, small_settings(train_head=True), seed=1)
    heads = [p for n, p in trained_tensors(attached.model).items() if "lora_" not in n]
    assert all(p.dtype == torch.float32 for p in heads)
    attached.model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in heads)
    assert model.model.layers[0].self_attn.k_proj.weight.dtype == dtype


def test_a_head_that_learns_is_computed_in_float32_under_autocast_too() -> None:
    """Else autocast would hold a copy of the whole head in half precision, and its gradient would be rounded."""
    model = zoo.make("llama").to(torch.bfloat16)
    assert make_lean(model).chunked
    attached = attach(model, small_settings(train_head=True, dropout=0.0), seed=1)
    head = model.lm_head.modules_to_save["default"]
    hidden, labels = torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(3)).bfloat16(), IDS
    found = []
    for on in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            chunked_loss_sum(hidden.requires_grad_(True), labels, model.lm_head, [head.weight]).backward()
        found.append((head.weight.grad.clone(), hidden.grad.clone()))
        attached.model.zero_grad()
        hidden.grad = None
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_a_quantized_head_can_not_be_trained() -> None:
    model = zoo.make("llama")
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match="Train Head is on, but the Linear of this model is quantized"):
        attach(model, small_settings(train_head=True), seed=1)


def test_what_peft_refuses_is_said_with_a_way_out() -> None:
    """DoRA on a layer of experts, say, is not to be had."""
    import peft

    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_: Any) -> None:
            raise ValueError("DoRA is not supported for this layer")

        patch.setattr(peft, "get_peft_model", refuse)
        with pytest.raises(ModelError, match=r"DoRA is not supported.*turn off Use DoRA") as refused:
            attach(zoo.make("llama"), small_settings(use_dora=True), seed=1)
        assert "--set use_dora=off" in refused.value.options
