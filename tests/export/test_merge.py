"""A merged model says what base and LoRA say together, whatever the LoRA is made of; and is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

from tests.export.conftest import MakeLora
from tests.export.tiny_models import known_family, load_model, logits, save_lora, save_model
from training_pro.errors import Cancelled, ModelError, RunError, UserError
from training_pro.export import room as place
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.merge import Merged, _rounding_note, merge_lora, merged_place
from training_pro.export.merge_layers import Rounding
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.model.adapter import attach, save_adapter

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True, "r": 8},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"layers.1.self_attn.q_proj": 3}},
    "head lora": {"target_modules": ["q_proj", "lm_head"]},
    "embedding lora": {"target_modules": ["q_proj", "embed_tokens"]},
    "trained head": {"modules_to_save": ["lm_head"]},
    "trained embeddings and head": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "tied by peft": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "single tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [5, 9]},
}


def in_float32(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def together(lora: Lora, base: PreTrainedModel | None = None) -> torch.Tensor:
    """What base and LoRA say; the base as given, else the lora's in float32."""
    return logits(PeftModel.from_pretrained(base or in_float32(lora.base), str(lora.folder)))


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_the_merged_model_says_what_base_and_lora_say(
    kind: str, tied: bool, make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora({"tie_word_embeddings": tied}, **KINDS[kind])
    wanted, alone = together(lora), logits(in_float32(lora.base))
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32")
    assert largest_difference(wanted, alone) > 0.1
    assert largest_difference(logits(in_float32(merged.folder)), wanted) < 1e-3
    assert merged.rounding.share == 0 and merged.notes[0].startswith("Saved in float32")


@pytest.mark.parametrize("kind", ["mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"])
def test_so_it_is_in_every_family(kind: str, make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora({"kind": kind}, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    wanted = together(lora)
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32")
    assert largest_difference(logits(in_float32(merged.folder)), wanted) < 1e-3


@pytest.mark.parametrize(
    ("kind", "stays_tied"),
    [("plain", True), ("tied by peft", True), ("trained head", False), ("embedding lora", False)],
)
def test_shared_embeddings_stay_shared_where_the_lora_leaves_them_alike(
    kind: str, stays_tied: bool, make_lora: MakeLora, tmp_path: Path
) -> None:
    merged = merge_lora(make_lora({"tie_word_embeddings": True}, **KINDS[kind]), tmp_path / "merged")
    assert AutoConfig.from_pretrained(merged.folder).tie_word_embeddings is stays_tied
    assert ("lm_head.weight" in weights_of(merged.folder)) is not stays_tied
    assert any("both are saved" in note for note in merged.notes) is not stays_tied


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_only_the_merged_number_is_rounded_and_the_share_is_told(
    dtype: Any, make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora({"dtype": torch.bfloat16})
    exact = weights_of(merge_lora(lora, tmp_path / "exact", dtype="float32").folder)
    merged = merge_lora(lora, tmp_path / "merged", dtype=dtype)
    found, base = weights_of(merged.folder), weights_of(lora.base)
    kind = getattr(torch, dtype)
    for name, tensor in found.items():
        assert tensor.dtype == kind
        torch.testing.assert_close(tensor, exact[name].to(kind), rtol=0, atol=0)
    changed = [name for name in exact if not torch.equal(exact[name], base[name].float())]
    assert changed and all("proj" in name for name in changed)
    moved = sum(float((exact[name] - base[name].float()).norm()) ** 2 for name in changed) ** 0.5
    rounded = sum(float((found[name].float() - exact[name]).norm()) ** 2 for name in changed) ** 0.5
    assert merged.rounding == Rounding(14, pytest.approx(rounded / moved, rel=1e-3))
    assert AutoConfig.from_pretrained(merged.folder).dtype == kind
    assert any("--dtype float32" in note for note in merged.notes) is (dtype != "float32")
    assert not merged.rounded_away


@pytest.mark.parametrize(("share", "warned"), [(0.19, False), (0.2, True), (0.614, True)])
def test_much_rounding_is_said_with_the_way_out(share: float, warned: bool) -> None:
    rounding = Rounding(14, share)
    assert Merged(Path(), 0, rounding, ()).rounded_away is warned
    note = _rounding_note("bfloat16", rounding)
    assert note.startswith("Save it as float32") is warned, "what to do comes first"
    assert (
        ("rounds away" in note) is warned
        and f"{100 * share:.1f} %" in note
        and "float32" in note
        and note.endswith(".")
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_all_files_of_a_merged_model_may_be_read_by_whom_the_umask_allows(make_lora: MakeLora, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        merged = merge_lora(make_lora(), tmp_path / "merged")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in merged.folder.iterdir()}
    assert "model.safetensors" in modes and set(modes.values()) == {0o644}, modes


def test_a_lora_learned_over_4_bit_meets_the_full_weights_and_it_is_said(
    make_lora: MakeLora, folders: Folders, tmp_path: Path
) -> None:
    lora = make_lora()
    (lora.run / "training_log.json").write_text(json.dumps({"base_loaded_in_4bit": True}))
    wanted = together(lora)
    merged = merge_lora(open_lora(lora.run, folders), tmp_path / "merged", dtype="float32")
    assert "4-bit" in merged.notes[0] and "full precision" in merged.notes[0]
    assert largest_difference(logits(in_float32(merged.folder)), wanted) < 1e-3


@pytest.mark.parametrize("asked", [{"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, {"load_in_8bit": True}])
def test_a_quantized_base_is_dequantized_merged_and_it_is_said(
    asked: dict[str, Any], make_lora: MakeLora, folders: Folders, tmp_path: Path
) -> None:
    lora = make_lora()
    quantized = AutoModelForCausalLM.from_pretrained(
        lora.base, dtype=torch.float32, quantization_config=BitsAndBytesConfig(**asked), device_map={"": "cpu"}
    )
    quantized.save_pretrained(tmp_path / "quantized")
    merged = merge_lora(open_lora(lora.run, folders, base=tmp_path / "quantized"), tmp_path / "merged", dtype="float32")
    wanted = together(lora, quantized.dequantize(dtype=torch.float32))
    assert "were dequantized" in merged.notes[0] and "original" in merged.notes[0]
    assert not hasattr(AutoConfig.from_pretrained(merged.folder), "quantization_config")
    assert {tensor.dtype for tensor in weights_of(merged.folder).values()} == {torch.float32}
    assert largest_difference(logits(in_float32(merged.folder)), wanted) < 1e-3
    assert largest_difference(wanted, together(lora)) > 1e-3


def test_tokenizer_and_licence_come_along_byte_for_byte(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora()
    (lora.base / "LICENSE.txt").write_text("Do as you like.")
    (lora.base / "generation_config.json").write_text('{"temperature": 0.5, "do_sample": false}')
    (lora.base / "README.md").write_text("# The base's own card")
    merged = merge_lora(lora, tmp_path / "models" / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json", "LICENSE.txt", "generation_config.json"):
        assert (merged.folder / name).read_bytes() == (lora.base / name).read_bytes()
    text = "The lamp keeper climbs"
    assert AutoTokenizer.from_pretrained(merged.folder).encode(text) == AutoTokenizer.from_pretrained(lora.base).encode(
        text
    )
    facts = json.loads((merged.folder / "merged_lora.json").read_text())
    assert (facts["lora"], facts["base_model"], facts["dtype"]) == ("tales", "Tiny-0.1", "bfloat16")
    assert "LoRA tales merged" in (merged.folder / "README.md").read_text()
    assert merged.weights_bytes == (merged.folder / "model.safetensors").stat().st_size


def test_the_same_lora_gives_the_same_weights_byte_for_byte(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora()
    first, second = (merge_lora(lora, tmp_path / name).folder / "model.safetensors" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_what_is_there_stays_unless_it_may_be_replaced(make_lora: MakeLora, tmp_path: Path) -> None:
    lora, target = make_lora(), tmp_path / "merged"
    merge_lora(lora, target, dtype="float32")
    before = (target / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="already exists"):
        merge_lora(lora, target)
    assert (target / "model.safetensors").read_bytes() == before
    (target / "stale.txt").write_text("from before")
    merge_lora(lora, target, replace=True)
    assert (target / "model.safetensors").read_bytes() != before and not (target / "stale.txt").exists()
    for taken in (lora.base, lora.run, tmp_path):
        with pytest.raises(RunError, match="was not made by this command"):
            merge_lora(lora, taken, replace=True)
    assert (lora.base / "model.safetensors").is_file()


@pytest.mark.parametrize("stage", ["reading", "merging", "saving"])
def test_cancelled_at_any_stage_nothing_is_there(stage: str, make_lora: MakeLora, tmp_path: Path) -> None:
    stages: list[str] = []

    def enough(done: int, total: int, what: str) -> None:
        assert 0 <= done <= total
        stages.append(what.split()[0])
        if what.startswith(stage):
            raise Cancelled

    lora, target = make_lora(), tmp_path / "out" / "merged"
    with pytest.raises(Cancelled):
        merge_lora(lora, target, progress=enough)
    assert stages[-1] == stage
    assert not target.parent.exists() or list(target.parent.iterdir()) == []


@pytest.mark.parametrize("speaks", ["python", "safetensors"])
def test_a_disk_that_fills_up_leaves_what_was_there(
    speaks: str, make_lora: MakeLora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    lora, target = make_lora(), tmp_path / "out" / "merged"
    merge_lora(lora, target)

    def full(self: object, folder: Path, **_: object) -> None:
        (folder / "model.safetensors").write_bytes(b"half of it")
        if speaks == "safetensors":
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(RunError, match="the disk is full"):
        merge_lora(lora, target, replace=True)
    assert list(target.parent.iterdir()) == [target] and len(weights_of(target)) == 21


def test_no_room_on_disk_or_in_memory_is_said_before_anything_is_read(
    make_lora: MakeLora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = make_lora()
    (lora.base / "model.safetensors").rename(tmp_path / "away.safetensors")
    save_file({"x": torch.zeros(2, 2)}, lora.base / "model.safetensors")  # reading it would fail
    with monkeypatch.context() as patch:
        patch.setattr(place, "free_disk_bytes", lambda path: 100_000)
        with pytest.raises(RunError, match="needs 285 kB.*disk has only 100 kB"):
            merge_lora(lora, tmp_path / "merged")
    with monkeypatch.context() as patch:
        patch.setattr(place.psutil, "virtual_memory", lambda: type("Free", (), {"available": 0}))
        patch.setattr(place.psutil, "swap_memory", lambda: type("Free", (), {"free": 1000}))
        with pytest.raises(RunError, match="of memory.* 1 kB are free"):
            merge_lora(lora, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(("allowed", "free"), [([2_000_000, 3000], "3 kB"), ([], "9 MB"), ([10**12], "9 MB")])
def test_the_memory_that_is_free_is_the_machines_or_what_the_container_allows(
    allowed: list[int], free: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.psutil, "virtual_memory", lambda: type("Free", (), {"available": 8_000_000}))
    monkeypatch.setattr(place.psutil, "swap_memory", lambda: type("Free", (), {"free": 1_000_000}))
    monkeypatch.setattr(place, "allowed_bytes", lambda: allowed)
    with pytest.raises(RunError, match=f"of memory.* {free} are free"):
        place.check_memory(10_000_000, "Merging")
    if not allowed or min(allowed) > 9_000_000:
        place.check_memory(9_000_000, "Merging")


def test_another_base_is_refused(make_lora: MakeLora, folders: Folders, tmp_path: Path) -> None:
    lora = make_lora()
    for more in ({"hidden_size": 32}, {"num_hidden_layers": 1}):
        other = save_model(tmp_path / f"other{more}", **more)
        with pytest.raises(UserError, match="(?i)load its base model"):
            merge_lora(open_lora(lora.run, folders, base=other), tmp_path / "merged")


@pytest.mark.parametrize(
    ("value", "dtype", "said"), [(float("nan"), "float32", "NaN"), (1e20, "float32", "NaN"), (1e4, "float16", "large")]
)
def test_weights_that_are_no_numbers_are_refused(
    value: float, dtype: Any, said: str, make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora()
    weights = load_file(lora.folder / "adapter_model.safetensors")
    for tensor in weights.values():
        tensor[0, 0] = value
    save_file(weights, lora.folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=said):
        merge_lora(lora, tmp_path / "merged", dtype=dtype)
    assert not (tmp_path / "merged").exists()


def test_a_base_quantized_otherwise_is_refused(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora()
    path = lora.base / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(ModelError, match="quantized with awq"):
        merge_lora(lora, tmp_path / "merged")


def test_a_base_that_is_half_there_is_refused(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora()
    path = lora.base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated"):
        merge_lora(lora, tmp_path / "merged")


def test_the_merged_model_goes_among_the_models(make_lora: MakeLora, folders: Folders) -> None:
    assert merged_place(folders, make_lora()) == folders.models / "Tiny-0.1-tales"


@pytest.mark.parametrize("tied", [True, False])
def test_our_own_train_head_stays_as_it_was_trained(tied: bool, folders: Folders, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", tie_word_embeddings=tied, dtype=torch.bfloat16)
    attached = attach(in_float32(base), Settings(name="tales", train_head=True, targets="q-v"), seed=0)
    for parameter in attached.model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    save_adapter(attached.model, folders.loras / "tales")
    merged = merge_lora(open_lora(folders.loras / "tales", folders, base=base), tmp_path / "merged", dtype="float32")
    assert largest_difference(logits(in_float32(merged.folder)), logits(attached.model)) < 1e-3
    assert AutoConfig.from_pretrained(merged.folder).tie_word_embeddings is tied


def test_a_trained_head_is_not_rounded_on_its_way(folders: Folders, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", dtype=torch.bfloat16)
    lora = open_lora(save_lora(base, folders.loras / "tales", modules_to_save=["lm_head"]), folders)
    trained = load_file(lora.folder / "adapter_model.safetensors")["base_model.model.lm_head.weight"]
    assert trained.dtype == torch.float32 and not torch.equal(trained, trained.bfloat16().float())
    found = weights_of(merge_lora(lora, tmp_path / "merged", dtype="float32").folder)["lm_head.weight"]
    assert torch.equal(found, trained)


TOWERS = ["gemma3", "gemma4", "mistral3", "llava", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "qwen3_5_moe"]
IN_TEXT = r".*language_model.*\.(q_proj|v_proj)$"


@pytest.mark.parametrize("kind", TOWERS)
def test_a_multimodal_model_keeps_its_towers(kind: str, folders: Folders, tmp_path: Path) -> None:
    if not known_family(kind):
        pytest.skip(f"this transformers has no {kind}")
    base = save_model(tmp_path / "base", kind)
    lora = open_lora(save_lora(base, folders.loras / "tales", target_modules=IN_TEXT), folders, base=base)
    wanted = logits(PeftModel.from_pretrained(load_model(base), str(lora.folder)))
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32").folder
    before, after = weights_of(base), weights_of(merged)
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == len(lora.info.shapes) // 2
    assert all(name.endswith(("q_proj.weight", "v_proj.weight")) and "vis" not in name for name in changed)
    assert largest_difference(logits(load_model(merged)), wanted) < 1e-3
    assert largest_difference(logits(load_model(base)), wanted) > 0.1


def test_a_lora_of_the_text_part_alone_is_merged_into_the_whole_model(folders: Folders, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", "qwen3_5")
    try:
        text = in_float32(base)
    except AttributeError:
        pytest.skip("this transformers can't load the text part alone")
    assert "language_model" not in "".join(name for name, _ in text.named_modules())
    config = LoraConfig(init_lora_weights=False, target_modules=["q_proj", "out_proj", "up_proj"])
    PeftModel(text, config).save_pretrained(folders.loras / "tales")
    lora = open_lora(folders.loras / "tales", folders, base=base)
    wanted = together(lora)
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32").folder
    assert set(weights_of(base)) == set(weights_of(merged))
    assert largest_difference(logits(in_float32(merged)), wanted) < 1e-3
    assert largest_difference(logits(load_model(merged)), wanted) < 1e-3


def test_tensors_that_transformers_ignores_are_kept(folders: Folders, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", "qwen3_5")
    weights = weights_of(base) | {"mtp.fc.weight": torch.ones(3, 5)}
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    lora = open_lora(save_lora(base, folders.loras / "tales", target_modules=IN_TEXT), folders, base=base)
    merged = merge_lora(lora, tmp_path / "merged").folder
    after = weights_of(merged)
    assert set(after) == set(weights) and torch.equal(after["mtp.fc.weight"], torch.ones(3, 5))
    index = json.loads((merged / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(index) == set(weights) and {path.name for path in merged.glob("*.safetensors")} == set(index.values())
    without = open_lora(lora.run, folders, base=save_model(tmp_path / "plain", "qwen3_5"))
    plain = merge_lora(without, tmp_path / "other").folder
    assert largest_difference(logits(load_model(merged)), logits(load_model(plain))) == 0


@pytest.mark.parametrize("kind", ["qwen3_moe", "mixtral", "gpt_oss"])
def test_loras_on_experts_are_merged(kind: str, folders: Folders, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", kind)
    targets = {"target_modules": ["q_proj"], "target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}
    lora = open_lora(save_lora(base, folders.loras / "tales", **targets), folders)
    wanted, alone = together(lora), logits(in_float32(base))
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32")
    assert largest_difference(wanted, alone) > 0.1
    assert largest_difference(logits(in_float32(merged.folder)), wanted) < 1e-3
    before, after = weights_of(base), weights_of(merged.folder)
    assert set(before) == set(after)
    assert any("expert" in name and not torch.equal(before[name], after[name]) for name in before)
