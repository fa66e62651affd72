"""One family of each kind through the checks of ``make models``, on whatever libraries are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import checks
from tests.models.checks import Case
from tests.models.families import FAMILIES, is_known

KINDS = {
    "gpt2": "fused, tied, Conv1D",
    "recurrent_gemma": "a soft cap of its own, attention in one layer of three",
    "qwen3_moe_aux": "experts in one tensor, a loss of the routers",
    "granitemoehybrid": "Mamba, attention and experts",
    "mamba2": "Mamba alone",
    "falcon_h1": "Mamba beside attention",
    "qwen3_5": "linear attention, vision",
    "deepseek_v2": "latent attention, shared experts",
    "lfm2": "short convolutions",
    "gemma3": "vision, with names like those of the text part",
    "gemma4": "a config that differs from layer to layer",
    "mistral3": "no causal class, vision",
    "phi4_multimodal": "towers among the embeddings",
    "llama4_text": "a body under another name",
    "gpt_oss": "experts with their sides exchanged",
}


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")


@pytest.mark.parametrize("family", KINDS)
def test_a_family_trains_as_it_should(family: str, tmp_path: Path) -> None:
    if not is_known(family):
        import transformers

        pytest.skip(f"transformers {transformers.__version__} doesn't have {FAMILIES[family].kind}")
    case = Case(family, "none", tmp_path)
    for check in (checks.load, checks.targets, checks.loss, checks.experts, checks.run, checks.reload):
        found = check(case)
        assert found.word == "sound", f"{check.__name__}: {found.detail}"
