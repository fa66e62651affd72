"""The host without a WebUI: a model folder, and the user data folder laid out as in the WebUI.

The model is loaded when it is first needed and stays in memory until `release`.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from training_pro.errors import ModelError, UserError
from training_pro.folders import Folders
from training_pro.hosts.embedded import MODEL_NAME, embedded_model
from training_pro.hosts.host import LoadedModel, ModelSource, Quantizing
from training_pro.hosts.loaded import lora_folder, source_of, why_loras_block
from training_pro.hosts.lora_in_use import LoraInUse
from training_pro.hosts.model_folder import DtypeName, check_model_folder, load_model_folder
from training_pro.progress import Progress, no_progress
from training_pro.words import natural_key


class StandaloneHost:
    """One model folder (None: the embedded model) and one user data folder."""

    name: Literal["standalone"] = "standalone"
    multi_user = False

    def __init__(
        self,
        folders: Folders,
        model: Path | None = None,
        *,
        load_in_4bit: bool = True,
        dtype: DtypeName | None = None,
        quantizing: Quantizing | None = None,
        progress: Progress = no_progress,
    ) -> None:
        """`dtype` and `quantizing`: as for `load_model_folder`.

        Raises:
            ModelError: `model` is not a model folder.
        """
        self.folders = folders
        self._own_folder = model.expanduser().resolve() if model else None
        if self._own_folder:
            check_model_folder(self._own_folder)
        self._own_name = self._own_folder.name if self._own_folder else MODEL_NAME
        self._name = self._own_name  # another one between `load` and `reload`
        self._dtype = dtype
        self._quantizing = quantizing or Quantizing("4-bit" if load_in_4bit else "none")
        self._progress = progress
        self._loaded: LoadedModel | None = None
        self._lora: LoraInUse | None = None
        self._lora_to_put_back: str | None = None
        self._holder: Callable[[], str] | None = None
        self._lock = threading.RLock()

    def call_model(self, name: str) -> None:
        """The model's name in records, in place of its folder's name."""
        self._name = self._own_name = name

    def model_label(self) -> str:
        return self._name

    def model_path(self) -> Path | None:
        if self._name != self._own_name:
            return self.folders.models / self._name
        return self._own_folder or embedded_model(progress=self._progress)

    def source(self) -> ModelSource | None:
        if self._loaded is not None:
            return source_of(self._loaded)
        folder = self.model_path()
        return ModelSource(folder, self._quantizing, self._dtype, False, self._name) if folder is not None else None

    def models(self) -> list[str]:
        root = self.folders.models
        inside = root.iterdir() if root.is_dir() else ()
        found = {folder.name for folder in inside if (folder / "config.json").is_file()}
        return sorted({*found, self._own_name}, key=natural_key)

    def loaded_model(self) -> LoadedModel:
        with self._lock:
            base = self._base()
            if self._lora is None:
                return base
            return replace(base, model=self._lora.model, tokenizer=self._lora.tokenizer or base.tokenizer)

    def trainable_model(self) -> LoadedModel:
        with self._lock:
            if self._lora:
                raise ModelError(why_loras_block([self._lora.name]))
            return self._base()

    def obstacle(self) -> str:
        if self._holder:
            return self._holder()
        return why_loras_block(self.loras_in_use())

    def loras_in_use(self) -> list[str]:
        return [self._lora.name] if self._lora else []

    def stop_using_loras(self) -> None:
        with self._lock:
            self._refuse_if_held()
            if self._lora:
                self._lora.remove()
                self._lora = None

    def use_lora(self, name: str) -> None:
        folder = lora_folder(self.folders.loras, name)
        with self._lock:
            self.stop_using_loras()
            self._lora = LoraInUse(self._base().model, folder, name)

    @contextmanager
    def hold(self, sentence: Callable[[], str]) -> Iterator[None]:
        with self._lock:
            self._refuse_if_held()
            self._holder = sentence
        try:
            yield
        finally:
            self._holder = None

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        from training_pro.training.answering import Manner, answer

        if not prompt:
            raise UserError("The prompt is empty; write how the text should begin.")
        with self._lock:
            self._refuse_if_held()
            loaded = self.loaded_model()
            return answer(loaded.model, loaded.tokenizer, prompt, Manner(max_new_tokens)).text

    def as_character(self, prompt: str) -> tuple[str, tuple[str, ...]]:
        raise ModelError("There is no Chat tab here, and so no character. Ask as a chat.")

    def release(self) -> None:
        with self._lock:
            if self._lora:
                self._lora_to_put_back = self._lora.name
            self._lora = None
            self._loaded = None
            empty_memory()

    def load(self, name: str) -> None:
        if name not in self.models():
            raise ModelError(f"There is no model {name!r} in {self.folders.models}; choose one from the list.")
        with self._lock:
            self.release()
            self._name = name
            self._base()

    def reload(self) -> None:
        with self._lock:
            if self._name != self._own_name:
                self.release()
                self._name = self._own_name
            base = self._base()
            if self._lora_to_put_back and not self._lora:
                name, self._lora_to_put_back = self._lora_to_put_back, None
                self._lora = LoraInUse(base.model, lora_folder(self.folders.loras, name), name)

    def _base(self) -> LoadedModel:
        if self._loaded is None:
            folder = self.model_path()
            assert folder is not None
            loaded = load_model_folder(folder, dtype=self._dtype, quantizing=self._quantizing)
            self._loaded = replace(loaded, label=self._name)
        return self._loaded

    def _refuse_if_held(self) -> None:
        if self._holder:
            raise ModelError(self._holder())


def empty_memory() -> None:
    """Return freed memory to the system and the graphics card."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
