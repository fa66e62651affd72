"""What the rest of the package may ask of whoever owns the model and the folders.

Two hosts exist: the WebUI (`hosts.webui`) and a model folder (`hosts.standalone`). The session uses only this protocol.
Nothing here imports torch or transformers, so that asking costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from training_pro.errors import RunError
from training_pro.folders import Folders

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Quantization = Literal["4-bit", "8-bit", "none"]


@dataclass(frozen=True)
class LoadedModel:
    """The host's own model and tokenizer; never copies.

    `path` is the folder it was loaded from. `max_tokens` is the model's own context length, None where
    its config states none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    label: str
    path: Path
    quantization: Quantization
    max_tokens: int | None


@dataclass(frozen=True)
class Quantizing:
    """How a model is quantized by bitsandbytes while it is loaded; a folder that is quantized already stays so."""

    kind: Quantization = "4-bit"
    compute_dtype: str | None = None  # None: that of the other weights
    quant_type: str = "nf4"
    double: bool = False


@dataclass(frozen=True)
class ModelSource:
    """`dtype` is that of the weights that are not quantized; `on_cpu`: though there may be a graphics card.

    `name` is what the host calls the model; records call it so too.
    """

    path: Path
    quantizing: Quantizing
    dtype: str | None
    on_cpu: bool
    name: str = ""

    def options(self) -> list[str]:
        """These choices on our command line."""
        quantizing = self.quantizing
        given = ["--model", str(self.path), "--quantization", quantizing.kind]
        given += ["--dtype", self.dtype] if self.dtype else []
        if quantizing.kind == "4-bit":
            if quantizing.compute_dtype not in (None, self.dtype):
                given += ["--compute-dtype", str(quantizing.compute_dtype)]
            if quantizing.quant_type != "nf4":
                given += ["--quant-type", quantizing.quant_type]
            if quantizing.double:
                given.append("--double-quant")
        return given + (["--model-name", self.name] if self.name not in ("", self.path.name) else [])


class Host(Protocol):
    """Who owns the model and the folders.

    Every method may be called from any thread.
    """

    @property
    def name(self) -> Literal["webui", "standalone"]: ...

    @property
    def folders(self) -> Folders: ...

    @property
    def multi_user(self) -> bool:
        """True if several people share the page: then everything is read only."""
        ...

    def model_label(self) -> str:
        """The name of the model the host works with, "" for none. Loads nothing."""
        ...

    def model_path(self) -> Path | None:
        """The folder or file of that model. Loads nothing."""
        ...

    def source(self) -> ModelSource | None:
        """How another process loads that model the same way; None for no model. Loads nothing."""
        ...

    def models(self) -> list[str]:
        """The names that `load` takes: model folders in Hugging Face's layout, in natural order."""
        ...

    def loaded_model(self) -> LoadedModel:
        """The model as it is now, with whatever LoRA it uses: for reading its tokenizer and for measuring.

        A model that the host had unloaded because it was idle is loaded now.

        Raises:
            ModelError: no model, or one that this package can't compute with; with the way out.
        """
        ...

    def trainable_model(self) -> LoadedModel:
        """The base model itself, ready for a run.

        Raises:
            ModelError: what `loaded_model` raises; or a LoRA is in use, another trainer has changed the
                weights, or the host is in multi-user mode; each with the way out.
        """
        ...

    def obstacle(self) -> str:
        """What blocks a run right now, with the way out; "" for nothing. Loads nothing, waits for nothing."""
        ...

    def loras_in_use(self) -> list[str]: ...

    def stop_using_loras(self) -> None:
        """Afterwards `loras_in_use()` is empty and the base model is back.

        Raises:
            ModelError: the host could not do it.
        """
        ...

    def use_lora(self, name: str) -> None:
        """Use the LoRA of this name on the model, in place of any other.

        Raises:
            ModelError: no model, no such LoRA, or one that does not fit the model.
        """
        ...

    def hold(self, sentence: Callable[[], str]) -> AbstractContextManager[None]:
        """While entered, the model belongs to the caller.

        Guarantees:
            Chat is answered at once with `sentence()`, and no code of the host reaches the model.
            The model is not unloaded for idleness.
            At the end the host has its model again, unless another one was loaded in the meantime.

        Raises:
            ModelError: on entering: a reply is being generated right now, or another run holds the model.
        """
        ...

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        """The greedy continuation of exactly this prompt by the model as it is now (with a LoRA, if one is in use).

        Raises:
            ModelError: no model, or it is held by a run.
        """
        ...

    def as_character(self, prompt: str) -> tuple[str, tuple[str, ...]]:
        """What the model gets when `prompt` opens a conversation with the present character of the host's chat;
        and the strings that end the answer.

        Raises:
            ModelError: the host has no chat, or none was opened yet.
        """
        ...

    def release(self) -> None:
        """Take the model out of memory. The caller must have dropped its own references."""
        ...

    def load(self, name: str) -> None:
        """Put another of `models()` in the place of the loaded or released one, until `reload`.

        Raises:
            ModelError: no such model, or it can't be loaded.
        """
        ...

    def reload(self) -> None:
        """Bring back what was there before `release` or `load`, with its LoRAs. Does nothing if it is still there.

        Raises:
            ModelError: it can't be loaded any more.
        """
        ...


@contextmanager
def without_loras(host: Host) -> Iterator[None]:
    """Inside, the model uses no LoRA; afterwards it uses the one that it used before. Costs what unloading and loading
    it costs the host.

    Raises:
        RunError: the model uses several LoRAs, which can't be put back in one piece.
        ModelError: the host could not do it.
    """
    before = host.loras_in_use()
    if not before:
        yield
        return
    if len(before) > 1:
        raise RunError(f"The model uses several LoRAs ({', '.join(before)}). Stop using them first.")
    host.stop_using_loras()
    try:
        yield
    finally:
        host.use_lora(before[0])
