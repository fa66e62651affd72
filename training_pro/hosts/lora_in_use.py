"""A saved LoRA used on a model, and removed without a trace.

PEFT's own `unload` keeps trained copies of embeddings and head, and a LoRA that fails to load leaves its layers
in the model; the snapshot does not.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.errors import ModelError
from training_pro.hosts.loaded import loading_errors
from training_pro.hosts.lora_words import make_room, tokenizer_with_words
from training_pro.packages import installed
from training_pro.record.adapter_files import WEIGHTS_FILE
from training_pro.record.safetensors_file import tensor_places
from training_pro.words import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peft import PeftModel
    from transformers import PreTrainedModel


@contextmanager
def untouched_on_failure(model: PreTrainedModel, name: str) -> Iterator[None]:
    """If adding the LoRA `name` fails, the model is as it was before.

    Raises:
        ModelError: for everything that a wrong or broken LoRA makes PEFT and safetensors raise.
    """
    from training_pro.training.model.snapshot import ModelSnapshot

    before = ModelSnapshot.take(model)
    try:
        yield
    except loading_errors() as error:
        before.restore()
        reason = reason_of(error)
        raise ModelError(
            f"The LoRA {name} can't be used with this model ({reason}). It was trained on another model, or is damaged."
        ) from error


class LoraInUse:
    """The LoRA of `folder` on `base`; `model` is the two together, in evaluation mode. `tokenizer` is that of its new
    words, None for a LoRA without any.

    Raises:
        ModelError: it does not fit, or can't be read; `base` is then untouched.
    """

    def __init__(self, base: PreTrainedModel, folder: Path, name: str) -> None:
        _import_whole("bitsandbytes", "peft")
        from peft import PeftModel

        from training_pro.training.model.snapshot import ModelSnapshot

        self.name = name
        self._before = ModelSnapshot.take(base)
        with untouched_on_failure(base, name):
            self.tokenizer = tokenizer_with_words(folder)
            make_room(base, folder)
            self.model = PeftModel.from_pretrained(base, str(folder), is_trainable=False).eval()
            _refuse_left_out(self.model, folder)

    def remove(self) -> None:
        """Guarantees: `base` is bit for bit what it was."""
        self._before.restore()


def _import_whole(*names: str) -> None:
    """Wait for these packages where another thread is importing them just now: PEFT would find them half imported."""
    for name in names:
        if installed(name):
            importlib.import_module(name)


def _refuse_left_out(model: PeftModel, folder: Path) -> None:
    """PEFT only warns where a LoRA's settings name other layers than its weights, and answers as without it."""
    if not (folder / WEIGHTS_FILE).is_file():
        return
    there = {name.replace(".default.", ".") for name, _ in model.named_parameters()}
    sides = (".lora_A.weight", ".lora_B.weight")
    left_out = [name for name in tensor_places(folder / WEIGHTS_FILE) if name.endswith(sides) and name not in there]
    if left_out:
        raise ValueError(f"it has weights for {left_out[0][:100]}, a layer that its settings leave out")
