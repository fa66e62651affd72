"""LoRAs that the tools make say what their sources say together, in plain PEFT; and what a tool loses is stated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tests.export.tiny_models import ATTENTION, load_model, logits, save_lora, save_model
from training_pro.cli.main import main
from training_pro.errors import ModelError, RunError
from training_pro.export.gguf_lora import export_gguf
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.lora_tools import bake, combine, compare, shrink
from training_pro.folders import Folders

Deltas = dict[str, torch.Tensor]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_model(tmp_path / "base", "llama")


@pytest.fixture
def two(base: Path, folders: Folders) -> tuple[Lora, Lora]:
    """Of other ranks, scales and targets."""
    save_lora(base, folders.loras / "tales", r=4, alpha_pattern={"v_proj": 3}, rank_pattern={"up_proj": 2})
    save_lora(base, folders.loras / "songs", seed=2, r=8, use_rslora=True, target_modules=[*ATTENTION, "lm_head"])
    return open_lora(folders.loras / "tales", folders), open_lora(folders.loras / "songs", folders)


def deltas(lora: Lora) -> Deltas:
    """What PEFT itself adds to each weight."""
    model = PeftModel.from_pretrained(load_model(lora.base), str(lora.folder))
    found = ((name, module) for name, module in model.named_modules() if hasattr(module, "get_delta_weight"))
    return {name.removeprefix("base_model.model."): module.get_delta_weight("default") for name, module in found}


def together(base: Path, parts: list[tuple[Deltas, float]]) -> torch.Tensor:
    """The logits of the base with the weighted sum of all deltas in its weights."""
    model = load_model(base)
    with torch.no_grad():
        for found, weight in parts:
            for name, delta in found.items():
                model.get_submodule(name).weight += weight * delta
    return logits(model)


def said(folder: Path, base: Path) -> torch.Tensor:
    return logits(PeftModel.from_pretrained(load_model(base), str(folder)))


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


@pytest.mark.parametrize("strength", [0.5, -1.0, 1.7])
def test_a_baked_lora_is_the_lora_at_that_strength(
    strength: float, two: tuple[Lora, Lora], base: Path, tmp_path: Path
) -> None:
    for lora in two:
        made = bake(lora, strength, tmp_path / f"baked-{lora.name}")
        wanted = together(base, [(deltas(lora), strength)])
        assert apart(said(made.folder, base), wanted) < 1e-4
        assert apart(wanted, logits(load_model(base))) > 0.1 and made.error == 0


def test_combined_loras_are_their_weighted_sum(two: tuple[Lora, Lora], base: Path, tmp_path: Path) -> None:
    made = combine(two, [0.7, -0.4], tmp_path / "both")
    wanted = together(base, [(deltas(two[0]), 0.7), (deltas(two[1]), -0.4)])
    assert apart(said(made.folder, base), wanted) < 1e-4
    assert made.largest_rank == 12 and made.error == 0


def truncated(delta: torch.Tensor, rank: int) -> torch.Tensor:
    left, values, right = torch.linalg.svd(delta.double(), full_matrices=False)
    return (left[:, :rank] * values[:rank] @ right[:rank]).float()


def relative_error(kept: Deltas, whole: Deltas) -> float:
    lost = sum(float((whole[name] - kept[name]).norm()) ** 2 for name in whole)
    return float((lost / sum(float(delta.norm()) ** 2 for delta in whole.values())) ** 0.5)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_smaller_lora_is_the_nearest_of_its_rank_and_its_error_is_true(
    rank: int, two: tuple[Lora, Lora], base: Path, folders: Folders, tmp_path: Path
) -> None:
    whole = deltas(two[1])
    wanted = {name: truncated(delta, rank) for name, delta in whole.items()}
    made = shrink(two[1], rank, tmp_path / "small")
    assert apart(said(made.folder, base), together(base, [(wanted, 1.0)])) < 1e-4
    assert made.error == pytest.approx(relative_error(wanted, whole), rel=1e-4) and 0.1 < made.error < 1
    assert made.largest_rank == rank and made.size_bytes < two[1].info.weights_bytes


def test_combined_to_a_rank_it_is_the_nearest_of_that_rank(two: tuple[Lora, Lora], base: Path, tmp_path: Path) -> None:
    first, second = (deltas(lora) for lora in two)
    whole = {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}
    wanted = {name: truncated(delta, 6) for name, delta in whole.items()}
    made = combine(two, [1, 1], tmp_path / "both", rank=6)
    assert apart(said(made.folder, base), together(base, [(wanted, 1.0)])) < 1e-4
    assert made.error == pytest.approx(relative_error(wanted, whole), rel=1e-4) and made.error > 0.01


def test_what_was_made_goes_to_llama_cpp_too(two: tuple[Lora, Lora], folders: Folders, tmp_path: Path) -> None:
    made = combine(two, [1, 1], folders.loras / "both")
    exported = export_gguf(open_lora(made.folder, folders), tmp_path / "both.gguf")
    assert exported.weights == len(deltas(open_lora(made.folder, folders)))


def test_norms_and_cosines_are_those_of_the_changes(two: tuple[Lora, Lora]) -> None:
    first, second = (deltas(lora) for lora in two)
    found = compare(two)
    for row in found.modules:
        own = [one.get(row.module) for one in (first, second)]
        assert row.norms == pytest.approx([0.0 if delta is None else float(delta.norm()) for delta in own], rel=1e-4)
        if own[0] is not None and own[1] is not None:
            assert row.cosine == pytest.approx(
                float(torch.cosine_similarity(own[0].flatten(), own[1].flatten(), dim=0)), abs=1e-5
            )
        else:
            assert row.cosine is None
    assert {row.module for row in found.modules} == {*first, *second}
    layers = dict(found.by_layer())
    in_first = [delta for name, delta in first.items() if ".layers.0." in name]
    assert layers["0"][0] == pytest.approx(float(torch.cat([delta.flatten() for delta in in_first]).norm()), rel=1e-4)
    assert layers["other"][0] == 0 and layers["other"][1] > 0
    assert compare([two[0], two[0]]).cosine == pytest.approx(1, abs=1e-5)
    assert compare([two[0]]).cosine is None


@pytest.mark.parametrize(
    ("config", "fact"),
    [({"use_dora": True}, "DoRA"), ({"modules_to_save": ["lm_head"]}, "whole"), ({"bias": "lora_only"}, "biases")],
)
def test_what_no_tool_could_keep_is_refused(
    config: dict[str, Any], fact: str, base: Path, folders: Folders, tmp_path: Path
) -> None:
    lora = open_lora(save_lora(base, folders.loras / "odd", **config), folders)
    for tool in (
        lambda: bake(lora, 0.5, tmp_path / "x"),
        lambda: shrink(lora, 2, tmp_path / "x"),
        lambda: compare([lora]),
    ):
        with pytest.raises(ModelError, match=fact):
            tool()
    assert not (tmp_path / "x").exists()


def test_bad_choices_are_refused_in_a_sentence(two: tuple[Lora, Lora], folders: Folders, tmp_path: Path) -> None:
    wide = save_model(tmp_path / "wide", "llama", intermediate_size=96)
    other = open_lora(save_lora(wide, folders.loras / "wide"), folders)
    for tool, fact in (
        (lambda: bake(two[0], 0.0, tmp_path / "x"), "Strength 0"),
        (lambda: bake(two[0], float("nan"), tmp_path / "x"), "nan"),
        (lambda: shrink(two[0], 4, tmp_path / "x"), "1 to 3"),
        (lambda: combine([two[0]], [1], tmp_path / "x"), "two or more"),
        (lambda: combine(two, [1], tmp_path / "x"), "1 weights"),
        (lambda: combine([two[0], other], [1, 1], tmp_path / "x"), "base, wide"),
        (lambda: combine(two, [1, 1], tmp_path / "x", rank=0), "Rank 0"),
    ):
        with pytest.raises(ModelError, match=fact):
            tool()
    assert not (tmp_path / "x").exists()


def test_a_trained_lora_is_never_overwritten(two: tuple[Lora, Lora], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not made by"):
        bake(two[0], 0.5, two[1].run, replace=True)
    bake(two[0], 0.5, tmp_path / "made")
    with pytest.raises(RunError, match="already exists"):
        bake(two[0], 0.7, tmp_path / "made")
    bake(two[0], 0.7, tmp_path / "made", replace=True)
    assert json.loads((tmp_path / "made" / "lora_tool.json").read_text())["strength"] == 0.7


def test_the_commands(two: tuple[Lora, Lora], folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    here = ["--user-data", str(folders.loras.parent)]
    assert main(["bake", "tales", "--strength", "0.5", "--name", "soft", *here]) == 0
    assert main(["combine", "tales", "songs", "--weights", "1", "0.5", "--rank", "4", "--name", "both", *here]) == 0
    assert main(["shrink", "songs", "--rank", "2", "--name", "small", *here]) == 0
    assert all((folders.loras / name / "adapter_model.safetensors").is_file() for name in ("soft", "both", "small"))
    capsys.readouterr()
    assert main(["compare", "tales", "soft", "--json", *here]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cosine"] == pytest.approx(1, abs=1e-5) and found["norms"][1] == pytest.approx(found["norms"][0] / 2)
    assert main(["compare", "tales", "soft", *here]) == 0
    assert "layer 1" in capsys.readouterr().out
    assert main(["bake", "nobody", "--strength", "0.5", "--name", "x", *here]) != 0
