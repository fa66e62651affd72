"""llama.cpp itself, over a GGUF of the base and our GGUF LoRA, changes its mind as transformers with PEFT does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoConfig, PreTrainedModel

from tests.export.base_gguf import write_bases
from tests.export.llama_cpp import ask, change_correlation
from tests.export.tiny_models import known_family, load_model, save_lora, save_model
from tests.fakes import TINY_VOCABULARY
from training_pro.export import gguf_experts, gguf_families
from training_pro.export.gguf_families import FAMILIES, GgufNames
from training_pro.export.gguf_lora import export_gguf
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.lora_tools import combine
from training_pro.folders import Folders

QUICK = ["llama", "qwen3", "qwen3_5", "gemma3", "gemma4", "gpt_oss", "phi3", "gpt_neox"]
KINDS = [*FAMILIES, "falcon_new"]
SPECIAL: dict[str, dict[str, Any]] = {
    "mistral": {"use_rslora": True, "r": 8},
    "qwen2": {"alpha_pattern": {"v_proj": 3}, "rank_pattern": {"layers.0.self_attn.q_proj": 2}},
}
EXPERTS = [
    kind if kind == "gpt_oss" else pytest.param(kind, marks=pytest.mark.stress) for kind in gguf_experts.FAMILIES
]
TIED = ("gemma", "cohere", "lfm2")
_TOWERS = r"vision|visual|projector|router|altup|shared_expert_gate|mamba.out_proj$|mixer.out_proj$"
_REWRITTEN = r"(gate|up|down)_proj$"  # in mixtures, PEFT turns these into LoRAs on the experts


def marked(kind: str) -> Any:
    there = pytest.mark.skipif(not known_family(kind), reason=f"this transformers has no {kind}")
    return pytest.param(kind, marks=[there] if kind in QUICK else [there, pytest.mark.stress])


@pytest.fixture(scope="module")
def bases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of each family that is tested, and its GGUF: made in one go, which saves minutes."""
    folder = tmp_path_factory.mktemp("bases")
    items = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module
    ]
    wanted = sorted({item.callspec.params["kind"] for item in items if "bases" in item.fixturenames})
    for kind in filter(known_family, wanted):
        save_model(folder / kind, kind, **({"tie_word_embeddings": True} if kind.startswith(TIED) else {}))
    (folder / "said.txt").write_text(
        write_bases({folder / kind: folder / f"{kind}.gguf" for kind in filter(known_family, wanted)})
    )
    return folder


def made(base: Path, folder: Path, **more: Any) -> Lora:
    """A LoRA on all linear modules that llama.cpp has a place for."""
    kind = base.name
    names, model = GgufNames(AutoConfig.from_pretrained(base), kind), load_model(base)
    left_out = re.compile("|".join([_TOWERS, *([_REWRITTEN] if has_experts(model) else [])]))
    modules = [name for name in linear_modules(model) if names.parts(name) and not left_out.search(name)]
    folders = Folders.under(folder / "user_data")
    folders.make()
    config = {"target_modules": [name for name in modules if name != "lm_head"], **SPECIAL.get(kind, {}), **more}
    return open_lora(save_lora(base, folders.loras / "tales", **config), folders)


def has_experts(model: PreTrainedModel) -> bool:
    return any("experts" in name and values.ndim == 3 for name, values in model.named_parameters())


def linear_modules(model: PreTrainedModel) -> Iterator[str]:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D":
            yield name


def some_prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(6, TINY_VOCABULARY, (12,), generator=generator).tolist() for _ in range(4)]


def next_words(model: PreTrainedModel, prompts: list[list[int]]) -> np.ndarray[Any, Any]:
    """Log-probabilities of the token after each prompt, shape (prompts, vocabulary)."""
    with torch.no_grad():
        rows = [model.eval()(input_ids=torch.tensor([prompt])).logits[0, -1].log_softmax(-1) for prompt in prompts]
    return torch.stack(rows).double().numpy()


def change_by_peft(lora: Lora, prompts: list[list[int]]) -> np.ndarray[Any, Any]:
    model = load_model(lora.base)
    before = next_words(model, prompts)
    return next_words(PeftModel.from_pretrained(model, str(lora.folder)), prompts) - before


@pytest.mark.parametrize("kind", map(marked, KINDS))
def test_llama_cpp_hears_the_lora_as_peft_does(kind: str, bases: Path, tmp_path: Path) -> None:
    assert (bases / f"{kind}.gguf").is_file(), (bases / "said.txt").read_text()[-3000:]
    lora = made(bases / kind, tmp_path)
    file = export_gguf(lora, tmp_path / "lora.gguf").file
    wanted = change_by_peft(lora, some_prompts())
    heard = ask(bases / f"{kind}.gguf", file, some_prompts(), TINY_VOCABULARY)
    assert np.abs(wanted).mean() > 0.02
    assert change_correlation(wanted, heard) > 0.999
    assert np.abs(heard.with_lora - heard.without - wanted).max() < 0.05


@pytest.mark.parametrize("kind", EXPERTS)
def test_llama_cpp_hears_loras_on_experts(kind: str, bases: Path, tmp_path: Path) -> None:
    folders = Folders.under(tmp_path)
    folders.make()
    targets = {"target_modules": ["q_proj"], "target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}
    lora = open_lora(save_lora(bases / kind, folders.loras / "tales", **targets), folders, base=bases / kind)
    file = export_gguf(lora, tmp_path / "lora.gguf").file
    wanted = change_by_peft(lora, some_prompts())
    heard = ask(bases / f"{kind}.gguf", file, some_prompts(), TINY_VOCABULARY)
    assert np.abs(wanted).mean() > 0.02
    assert change_correlation(wanted, heard) > 0.999


@pytest.mark.parametrize("kind", ["llama"])
def test_llama_cpp_hears_loras_that_were_combined(kind: str, bases: Path, tmp_path: Path) -> None:
    first, second = made(bases / kind, tmp_path / "1"), made(bases / kind, tmp_path / "2", r=8, seed=2)
    folder = combine([first, second], [0.6, -0.8], tmp_path / "both").folder
    both = open_lora(folder, Folders.under(tmp_path), base=bases / kind)
    file = export_gguf(both, tmp_path / "lora.gguf").file
    heard = ask(bases / f"{kind}.gguf", file, some_prompts(), TINY_VOCABULARY)
    assert change_correlation(change_by_peft(both, some_prompts()), heard) > 0.999


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt_neox", "qwen3_5_text"])
def test_the_wrong_order_of_rows_would_be_noticed_here(
    kind: str, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = made(bases / kind, tmp_path)
    right = FAMILIES[kind]
    wrong = gguf_families.Family(right.arch, {} if right.layout else gguf_families.PAIRED)
    monkeypatch.setitem(gguf_families.FAMILIES, kind, wrong)  # type: ignore[arg-type]  # a dict, read-only by its type
    file = export_gguf(lora, tmp_path / "lora.gguf").file
    heard = ask(bases / f"{kind}.gguf", file, some_prompts(), TINY_VOCABULARY)
    assert change_correlation(change_by_peft(lora, some_prompts()), heard) < 0.99
