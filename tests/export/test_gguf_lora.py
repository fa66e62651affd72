"""What is in a GGUF LoRA, what is refused, and that a file is whole or not there."""

from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, OPTConfig, OPTForCausalLM

from tests.export.conftest import MakeLora
from tests.export.tiny_models import save_lora, save_model
from training_pro.errors import Cancelled, ModelError, RunError, UserError
from training_pro.export import gguf_lora
from training_pro.export import room as place
from training_pro.export.gguf_families import FAMILIES, REFUSED
from training_pro.export.gguf_lora import export_gguf, gguf_place
from training_pro.export.lora_source import Lora, open_lora
from training_pro.folders import Folders

ARCHS = {
    "llama": "llama",
    "mistral": "llama",
    "mixtral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3moe",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
PARTS = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
FEED_FORWARD = {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}


def read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Fields and tensors; these have rows first, as torch has them."""
    reader = GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    return fields, {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


def deltas_by_peft(lora: Lora) -> dict[str, np.ndarray[Any, Any]]:
    """What PEFT adds to each weight, by the last two parts of the module's name and its block."""
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(lora.base, dtype=torch.float32), str(lora.folder)
    )
    return {
        name.removeprefix("base_model.model."): module.get_delta_weight("default").numpy()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


@pytest.mark.parametrize("kind", ARCHS)
def test_names_shapes_and_facts(kind: str, make_lora: MakeLora, tmp_path: Path) -> None:
    parts = PARTS if "mo" in kind or kind == "mixtral" else {**PARTS, **FEED_FORWARD}
    lora = make_lora({"kind": kind}, target_modules=list(parts), lora_alpha=24)
    made = export_gguf(lora, tmp_path / "lora.gguf")
    fields, tensors = read(made.file)
    assert fields["general.architecture"] == made.arch == ARCHS[kind]
    assert fields["general.type"] == "adapter" and fields["adapter.type"] == "lora"
    assert fields["adapter.lora.alpha"] == 24
    assert fields["general.name"] == "tales" and fields["general.base_model.0.name"] == "Tiny-0.1"
    wanted = {}
    for name, shape in lora.info.shapes.items():
        layer, part, side = name.split(".")[4], name.split(".")[6], name.split(".")[-2]
        wanted[f"blk.{layer}.{parts[part]}.weight.{side.lower()}"] = shape
    assert {name: values.shape for name, values in tensors.items()} == wanted
    assert made.weights == len(wanted) // 2 and made.size_bytes == made.file.stat().st_size


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True, "r": 8},
        {"alpha_pattern": {"v_proj": 3, "layers.1.self_attn.o_proj": 40}, "rank_pattern": {"up_proj": 2}},
        {"alpha_pattern": {"q_proj": 0}, "use_rslora": True},
    ],
)
def test_scaled_as_llama_cpp_scales_the_product_is_what_peft_adds(
    config: dict[str, Any], make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora({"kind": "qwen2"}, **config)
    fields, tensors = read(export_gguf(lora, tmp_path / "lora.gguf").file)
    places = {**PARTS, **FEED_FORWARD}
    for module, delta in deltas_by_peft(lora).items():
        block, part = module.split(".")[2], places[module.split(".")[-1]]
        a, b = (tensors[f"blk.{block}.{part}.weight.lora_{side}"] for side in "ab")
        scale = fields["adapter.lora.alpha"] / a.shape[0]
        np.testing.assert_allclose(scale * b @ a, delta, rtol=1e-5, atol=1e-6)


def test_rows_of_q_and_k_alone_are_turned_and_only_for_the_llama_kind(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora({"kind": "llama"})
    own = load_file(lora.folder / "adapter_model.safetensors")
    _, tensors = read(export_gguf(lora, tmp_path / "lora.gguf").file)
    for name, values in own.items():
        layer, part, side = name.split(".")[4], name.split(".")[6], name.split(".")[-2]
        found = tensors[f"blk.{layer}.{({**PARTS, **FEED_FORWARD})[part]}.weight.{side.lower()}"]
        heads = {"q_proj": 4, "k_proj": 2}.get(part) if side == "lora_B" else None
        expected = values.numpy()
        if heads:  # row i of a head's first half and row i of its second become neighbours
            half = len(expected) // heads // 2
            rows = [h * 2 * half + s * half + i for h in range(heads) for i in range(half) for s in (0, 1)]
            assert rows != sorted(rows)
            expected = expected[rows]
        np.testing.assert_array_equal(found, expected)


def test_half_precision_takes_half_the_room(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora()
    full = export_gguf(lora, tmp_path / "full.gguf")
    half = export_gguf(lora, tmp_path / "half.gguf", dtype="float16")
    _, tensors = read(half.file)
    assert {values.dtype for values in tensors.values()} == {np.dtype(np.float16)}
    for name, values in read(full.file)[1].items():
        np.testing.assert_allclose(tensors[name], values, rtol=1e-3, atol=1e-7)
    assert half.size_bytes < 0.7 * full.size_bytes


def test_the_same_lora_gives_the_same_bytes_wherever_it_lies(
    make_lora: MakeLora, folders: Folders, tmp_path: Path
) -> None:
    lora = make_lora()
    moved = Path(shutil.copytree(lora.folder, tmp_path / "elsewhere" / "tales"))
    first = export_gguf(lora, tmp_path / "1.gguf").file.read_bytes()
    second = export_gguf(open_lora(moved, folders), tmp_path / "2.gguf").file.read_bytes()
    assert first == second


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"use_dora": True}, "is a DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole trained modules"),
        ({"trainable_token_indices": [5]}, "single tokens"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "changes the embeddings"),
        ({"lora_bias": True}, "trained biases"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"alora_invocation_tokens": [5]}, "only after certain tokens"),
    ],
)
def test_what_gguf_cannot_express_is_refused(
    config: dict[str, Any], said: str, make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora({"kind": "qwen2"}, **config)
    with pytest.raises(ModelError, match=said) as caught:
        export_gguf(lora, tmp_path / "lora.gguf")
    assert "merge" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.gguf*"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, "changed its base"),
        ({"use_qalora": True}, "special kind"),
        ({"arrow_config": {"arrow_top_k": 3}}, "special kind"),
        ({"layer_replication": [[0, 2]]}, "repeats layers"),
    ],
)
def test_kinds_that_the_config_tells_of_are_refused(
    setting: dict[str, Any], said: str, make_lora: MakeLora, folders: Folders, tmp_path: Path
) -> None:
    lora = make_lora()
    path = lora.folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **setting}))
    with pytest.raises(ModelError, match=said):
        export_gguf(open_lora(lora.run, folders), tmp_path / "lora.gguf")


def test_a_head_that_is_the_embeddings_is_refused_one_of_its_own_is_not(folders: Folders, tmp_path: Path) -> None:
    for tied in (True, False):
        model = save_model(tmp_path / f"tied-{tied}", tie_word_embeddings=tied)
        lora = open_lora(save_lora(model, folders.loras / f"on-{tied}", target_modules=["lm_head"]), folders)
        if tied:
            with pytest.raises(ModelError, match="shares with the embeddings"):
                export_gguf(lora, tmp_path / "tied.gguf")
        else:
            assert set(read(export_gguf(lora, tmp_path / "own.gguf").file)[1]) == {
                "output.weight.lora_a",
                "output.weight.lora_b",
            }


def test_another_family_is_refused_by_name(folders: Folders, tmp_path: Path) -> None:
    config = OPTConfig(
        vocab_size=64, max_position_embeddings=32, hidden_size=32, num_hidden_layers=1, num_attention_heads=4
    )
    OPTForCausalLM(config).save_pretrained(tmp_path / "opt")
    lora = open_lora(save_lora(tmp_path / "opt", folders.loras / "g", target_modules=["q_proj"]), folders)
    with pytest.raises(ModelError, match="can be made for opt: llama.cpp's converter"):
        export_gguf(lora, tmp_path / "lora.gguf")


def test_another_base_is_refused(make_lora: MakeLora, folders: Folders, tmp_path: Path) -> None:
    lora = make_lora()
    for more in ({"num_key_value_heads": 4}, {"num_hidden_layers": 1}):
        other = save_model(tmp_path / f"other{more}", **more)
        with pytest.raises(UserError, match="(?i)load its base model"):
            export_gguf(open_lora(lora.run, folders, base=other), tmp_path / "lora.gguf")


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), "float32"), (1e6, "float16")])
def test_values_without_a_number_are_refused_and_leave_nothing(
    value: float, dtype: gguf_lora.DtypeName, make_lora: MakeLora, tmp_path: Path
) -> None:
    lora = make_lora()
    weights = load_file(lora.folder / "adapter_model.safetensors")
    next(iter(weights.values()))[0, 0] = value
    save_file(weights, lora.folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="can't represent"):
        export_gguf(lora, tmp_path / "lora.gguf", dtype=dtype)
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_what_is_there_stays_unless_it_may_be_replaced(make_lora: MakeLora, tmp_path: Path) -> None:
    lora, target = make_lora(), tmp_path / "lora.gguf"
    export_gguf(lora, target, dtype="float16")
    before = target.read_bytes()
    with pytest.raises(RunError, match="already exists"):
        export_gguf(lora, target)
    assert target.read_bytes() == before
    export_gguf(lora, target, replace=True)
    assert target.read_bytes() != before
    foreign = tmp_path / "thesis.txt"
    foreign.write_text("my thesis")
    link = tmp_path / "link.gguf"
    link.symlink_to(target)
    for place_taken in (foreign, link, lora.base):
        with pytest.raises(RunError, match="Choose another place"):
            export_gguf(lora, place_taken, replace=True)
    assert foreign.read_text() == "my thesis"


def test_cancelled_in_the_middle_leaves_the_older_file(make_lora: MakeLora, tmp_path: Path) -> None:
    lora, target = make_lora(), tmp_path / "out" / "lora.gguf"
    export_gguf(lora, target)
    before = target.read_bytes()
    seen: list[int] = []

    def enough(done: int, total: int, what: str) -> None:
        seen.append(done)
        if done > total / 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_gguf(lora, target, dtype="float16", replace=True, progress=enough)
    assert seen == sorted(seen) and len(seen) > 3
    assert target.read_bytes() == before and list(target.parent.iterdir()) == [target]


def test_a_disk_that_fills_up_leaves_nothing(
    make_lora: MakeLora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(GGUFWriter, "write_tensor_data", full)
    target = tmp_path / "out" / "lora.gguf"
    with pytest.raises(RunError, match="the disk is full"):
        export_gguf(make_lora(), target)
    assert list(target.parent.iterdir()) == []


def test_no_room_is_said_before_anything_is_written(
    make_lora: MakeLora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "free_disk_bytes", lambda path: 10_000)
    with pytest.raises(RunError, match=r"needs \d+ kB.* only 10 kB"):
        export_gguf(make_lora(), tmp_path / "lora.gguf")


def test_without_the_package_one_sentence_says_how_to_get_it(
    make_lora: MakeLora, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_lora, "installed", lambda package: False)
    with pytest.raises(RunError, match="pip install gguf"):
        export_gguf(make_lora(), tmp_path / "lora.gguf")


def test_the_file_goes_into_the_runs_folder(make_lora: MakeLora) -> None:
    lora = make_lora()
    assert gguf_place(lora) == lora.run / "tales-lora-f32.gguf"
    assert gguf_place(lora, "float16") == lora.run / "tales-lora-f16.gguf"


def first_cells(table: str) -> set[str]:
    rows = [line.split("|")[1] for line in table.split("\n")[2:] if "|" in line]
    return set(re.findall(r"[a-z0-9_]+", " ".join(rows)))


def test_the_docs_list_every_family_and_every_refusal() -> None:
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    works, refused = text.split("| works")[1].split("| refused")
    assert (first_cells(works), first_cells(refused)) == (set(FAMILIES), set(REFUSED))


def test_experts_of_a_family_that_was_not_proven_are_refused(make_lora: MakeLora, tmp_path: Path) -> None:
    lora = make_lora({"kind": "qwen2_moe"}, target_modules=["q_proj"], target_parameters=["experts.down_proj"])
    with pytest.raises(ModelError, match="experts of the kind qwen2_moe"):
        export_gguf(lora, tmp_path / "lora.gguf")


def test_square_experts_are_refused_because_releases_of_peft_differ(make_lora: MakeLora, tmp_path: Path) -> None:
    base = {"kind": "qwen3_moe", "moe_intermediate_size": 64}
    lora = make_lora(base, target_modules=["q_proj"], target_parameters=["experts.down_proj"])
    with pytest.raises(ModelError, match="square"):
        export_gguf(lora, tmp_path / "lora.gguf")
