"""The host inside text-generation-webui: the model in `shared`. The only file that imports the WebUI's `modules`.

While a run holds the model, a stand-in takes its place in `shared`. Whatever the WebUI or another extension tries
with it (chat, token probabilities, a LoRA from the Model tab) can't reach the model in training. Chat and the API
are answered through `reply_during_run`, which the extension's script offers as ``custom_generate_reply`` for just
that time. Another model may be loaded in the meantime: the run keeps its own reference and never takes it back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from modules import models, shared
from modules.LoRA import add_lora_to_model
from modules.utils import resolve_model_path

from training_pro.errors import ModelError, UserError
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel, ModelSource, Quantizing
from training_pro.hosts.loaded import describe, loading_errors, lora_folder, source_of, why_loras_block
from training_pro.hosts.lora_in_use import untouched_on_failure
from training_pro.hosts.lora_words import rows_wanted
from training_pro.words import natural_key

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

KEEP_AWAKE_SECONDS = 20  # the WebUI's shortest idle timeout is a minute
REPLY_SECONDS = 3  # how long we wait for a reply to end, our own sentence included
HOW_TO_LOAD = "load one in the Model tab with the loader Transformers (load-in-4bit saves memory)."
REPLY_RUNNING = "The model is writing a reply. Wait until it has finished, or press Stop in the Chat tab."

Reply = Callable[..., Iterator[str]]


class ModelInTraining:
    """Stands in `shared.model` while a run holds the real one; any use of it is answered with the sentence."""

    def __init__(self, sentence: Callable[[], str]) -> None:
        self._sentence = sentence

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self._sentence()} (asked for: {name})")

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(self._sentence())


@dataclass
class _Hold:
    """A run's hold: what stands in `shared.model`, and the real model (None while released).

    `empty`: there was none when the hold began.
    """

    sentence: Callable[[], str]
    stand_in: ModelInTraining
    model: PreTrainedModel | None
    empty: bool


@dataclass(frozen=True)
class _Released:
    """What to load again: a name, its loader and the LoRAs that were on."""

    name: str
    loader: str | None
    loras: tuple[str, ...]


class WebUIHost:
    """The model that the WebUI has loaded, and its user data folder."""

    name: Literal["webui"] = "webui"

    def __init__(self) -> None:
        self._hold: _Hold | None = None
        self._released: _Released | None = None
        self._placed: Any = None  # what `load` put in `shared.model` without a hold
        self._changing = threading.RLock()  # taken before the WebUI's generation lock, never after

    @property
    def folders(self) -> Folders:
        return Folders.under(Path(shared.user_data_dir), Path(shared.args.lora_dir), Path(shared.args.model_dir))

    @property
    def multi_user(self) -> bool:
        return bool(shared.args.multi_user)

    def model_label(self) -> str:
        name = shared.model_name
        return "" if name in (None, "None") else str(name)

    def model_path(self) -> Path | None:
        label = self.model_label()
        return Path(resolve_model_path(label)).resolve() if label else None

    def source(self) -> ModelSource | None:
        path, model = self.model_path(), self._hold.model if self._hold else shared.model
        if path is None:
            return None
        if model is None or not _is_torch_model(model):
            return ModelSource(path, Quantizing("none"), None, bool(shared.args.cpu), self.model_label())
        return source_of(describe(model, shared.tokenizer, self.model_label(), path))

    def models(self) -> list[str]:
        root = self.folders.models
        inside = root.iterdir() if root.is_dir() else ()
        return sorted((folder.name for folder in inside if (folder / "config.json").is_file()), key=natural_key)

    def loaded_model(self) -> LoadedModel:
        return self._described(self._present_model())

    def _described(self, model: Any) -> LoadedModel:
        """Raises: ModelError: no model, or one that is not a torch model."""
        path = self.model_path()
        if path is None or model is None:
            raise ModelError(f"No model is loaded; {HOW_TO_LOAD}")
        if not _is_torch_model(model):
            raise ModelError(
                f"{self.model_label()} was loaded with {shared.args.loader}, whose models can't be trained; "
                f"{HOW_TO_LOAD}"
            )
        return describe(model, shared.tokenizer, self.model_label(), path)

    def trainable_model(self) -> LoadedModel:
        self._refuse_in_multi_user_mode()
        loaded = self.loaded_model()
        self._refuse_untrainable(loaded)
        return loaded

    def _refuse_untrainable(self, loaded: LoadedModel) -> None:
        if shared.lora_names:
            raise ModelError(why_loras_block(self.loras_in_use()))
        if shared.model_dirty_from_training or _holds_lora_layers(loaded.model):
            raise ModelError(
                f"Another trainer has changed {loaded.label} in memory; unload it and load it again in the Model tab."
            )
        if any(parameter.is_meta for parameter in loaded.model.parameters()):
            raise ModelError(
                f"Parts of {loaded.label} are in main memory or on disk, because the graphics card is too small for "
                f"it. {'Choose' if loaded.quantization == '4-bit' else 'Load it with load-in-4bit, or choose'} a "
                "smaller model."
            )

    def obstacle(self) -> str:
        held = self._hold
        if held:
            return held.sentence()
        try:
            self._refuse_in_multi_user_mode()
            if shared.model is None and self.model_label() and shared.args.idle_timeout > 0:
                return ""  # unloaded because it was idle: it is loaded again when a run begins
            self._refuse_untrainable(self._described(shared.model))
        except ModelError as error:
            return str(error)
        lock = shared.generation_lock
        return REPLY_RUNNING if lock is not None and lock.locked() else ""

    def loras_in_use(self) -> list[str]:
        return [str(name) for name in shared.lora_names]

    def stop_using_loras(self) -> None:
        self._refuse_changes()
        if not shared.lora_names:
            return
        with self._changing, self._model_to_ourselves():
            if _brings_own_modules(shared.model):  # PEFT would leave them in the base model
                name, loader = shared.model_name, shared.args.loader
                models.unload_model(keep_model_name=True)
                _load(name, loader)
            else:
                add_lora_to_model([])

    def use_lora(self, name: str) -> None:
        self._refuse_changes()
        folder = lora_folder(self.folders.loras, name)
        if "." in name:
            raise ModelError(f"The WebUI can't apply a LoRA with a dot in its name ({name}); rename {folder}.")
        self.stop_using_loras()
        loaded = self.trainable_model()
        if rows_wanted(folder) > len(loaded.tokenizer):
            raise ModelError(
                f"The LoRA {name} brings new words, which the WebUI can't give a loaded model. Merge it into its base "
                "model (the command merge), and load the merged model."
            )
        with self._changing, self._model_to_ourselves(), untouched_on_failure(shared.model, name):
            add_lora_to_model([name])

    @contextmanager
    def hold(self, sentence: Callable[[], str]) -> Iterator[None]:
        with self._changing:
            if self._hold:
                raise ModelError(self._hold.sentence())
            with _no_reply_running():
                if shared.model is None:
                    models.load_model_if_idle_unloaded()
                held = _Hold(sentence, ModelInTraining(sentence), shared.model, shared.model is None)
                models.last_generation_time = time.time()
                shared.model = held.stand_in
                self._hold = held
        finished = threading.Event()
        threading.Thread(target=_keep_awake, args=(finished,), name="training-pro-awake", daemon=True).start()
        try:
            yield
        finally:
            finished.set()
            self._give_back(held)

    def reply_during_run(self) -> Reply | None:
        """What chat is to be answered with; None: whatever model is loaded may answer.

        Asked under the WebUI's generation lock, which is also taken to begin and to end a hold: the answer
        can't change between two questions.
        """
        held = self._hold
        return partial(_one_sentence, held.sentence) if held and shared.model is held.stand_in else None

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        from training_pro.training.answering import Manner, answer

        if not prompt:
            raise UserError("The prompt is empty; write how the text should begin.")
        if self._hold:
            raise ModelError(self._hold.sentence())
        loaded = self.loaded_model()
        with _no_reply_running():
            return answer(loaded.model, loaded.tokenizer, prompt, Manner(max_new_tokens)).text

    def as_character(self, prompt: str) -> tuple[str, tuple[str, ...]]:
        from modules.chat import generate_chat_prompt, get_stopping_strings, replace_character_names

        state = dict(shared.persistent_interface_state)
        if not state.get("character_menu") or "history" not in state:
            raise ModelError("The Chat tab has no character yet. Open the Chat tab once, or ask as a chat.")
        if state.get("mode") == "instruct":  # which leaves the character out
            state["mode"] = "chat"
        greeting = replace_character_names(str(state.get("greeting") or ""), state["name1"], state["name2"])
        begun = [["<|BEGIN-VISIBLE-CHAT|>", greeting]] if greeting.strip() else []
        text = str(generate_chat_prompt(prompt, state, history={"internal": begun, "visible": begun}))
        return text, tuple(map(str, get_stopping_strings(state)))

    def release(self) -> None:
        with self._changing:
            if self._released is None and self.model_label():
                self._released = _Released(self.model_label(), shared.args.loader, tuple(shared.lora_names))
            if self._hold and not self._in_our_hands():
                self._hold.model = None
                return
            with self._model_to_ourselves():
                models.unload_model(keep_model_name=True)
            self._placed = None

    def load(self, name: str) -> None:
        if name not in self.models():
            raise ModelError(f"There is no model {name!r} in {self.folders.models}; choose one from the list.")
        with self._changing:
            self.release()
            if not self._in_our_hands():
                raise ModelError(
                    "Another model was loaded in the Model tab in the meantime. Start again when it is free."
                )
            with self._model_to_ourselves():
                _load(name, "Transformers")
                self._placed = shared.model

    def reload(self) -> None:
        with self._changing:
            released, self._released = self._released, None
            if released is None:
                return
            if not self._in_our_hands():
                logger.info("%s is not loaded again: another model was loaded or unloaded", released.name)
                return
            with self._model_to_ourselves():
                models.unload_model(keep_model_name=True)
                _load(released.name, released.loader)
                if released.loras:
                    add_lora_to_model(list(released.loras))
            self._placed = None

    def _present_model(self) -> Any:
        """The real model; loaded now if the WebUI had unloaded it because it was idle."""
        if self._hold and shared.model is self._hold.stand_in:
            return self._hold.model
        if shared.model is None:
            models.load_model_if_idle_unloaded()
        return shared.model

    def _in_our_hands(self) -> bool:
        """False once a person has loaded or unloaded a model since the hold or the release: theirs stays."""
        return shared.model is (self._hold.stand_in if self._hold else self._placed)

    @contextmanager
    def _model_to_ourselves(self) -> Iterator[None]:
        """No reply runs, and `shared.model` is the real model, hold or not; the WebUI's functions need it there."""
        held, tokenizer = self._hold, shared.tokenizer
        with _no_reply_running():
            if held:
                shared.model, held.model = held.model, None
            try:
                yield
            finally:
                if held:
                    shared.model, held.model = held.stand_in, shared.model
                    shared.tokenizer = shared.tokenizer or tokenizer  # chat still counts the prompt's tokens

    def _give_back(self, held: _Hold) -> None:
        lock = shared.generation_lock
        locked = lock is not None and lock.acquire(timeout=REPLY_SECONDS)
        try:
            models.last_generation_time = time.time()
            self._hold = None
            if shared.model is not held.stand_in:
                return
            shared.model = held.model
            if held.model is None and not held.empty:
                shared.tokenizer, shared.model_name = None, "None"
        finally:
            if locked:
                lock.release()

    def _refuse_in_multi_user_mode(self) -> None:
        if self.multi_user:
            raise ModelError("The WebUI runs in multi-user mode, where training is read only; start it without that.")

    def _refuse_changes(self) -> None:
        self._refuse_in_multi_user_mode()
        if self._hold:
            raise ModelError(self._hold.sentence())


@contextmanager
def _no_reply_running() -> Iterator[None]:
    """The WebUI's generation lock.

    Raises:
        ModelError: a reply is still being written after some seconds.
    """
    lock = shared.generation_lock
    if lock is None:
        yield
        return
    if not lock.acquire(timeout=REPLY_SECONDS):
        raise ModelError(REPLY_RUNNING)
    try:
        yield
    finally:
        lock.release()


def _load(name: str, loader: str | None) -> None:
    """Into `shared`, as the Model tab does.

    Raises:
        ModelError: it didn't load; `shared` then says that no model is loaded.
    """
    failed: Exception | None = None
    try:
        shared.model, shared.tokenizer = models.load_model(name, loader)
    except loading_errors() as error:
        failed = error
    if failed or shared.model is None:
        models.unload_model()
        shared.model_name = "None"
        reason = f" ({str(failed).strip().splitlines()[0][:200]})" if failed and str(failed).strip() else ""
        raise ModelError(f"{name} could not be loaded{reason}; load it in the Model tab to see why.") from failed


def _keep_awake(finished: threading.Event) -> None:
    while not finished.wait(KEEP_AWAKE_SECONDS):
        models.last_generation_time = time.time()


def _one_sentence(sentence: Callable[[], str], *question: Any, **how: Any) -> Iterator[str]:
    yield sentence()


def _is_torch_model(model: Any) -> bool:
    """Servers and engines of other loaders have no parameters, even where they pose as a PreTrainedModel."""
    from peft import PeftModel
    from transformers import PreTrainedModel

    return isinstance(model, (PreTrainedModel, PeftModel)) and next(model.parameters(), None) is not None


def _holds_lora_layers(model: Any) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return any(isinstance(module, BaseTunerLayer) for module in model.modules())


def _brings_own_modules(model: Any) -> bool:
    kinds = ("modules_to_save", "trainable_token_indices")
    configs = getattr(model, "peft_config", {}).values()
    return any(getattr(config, kind, None) for config in configs for kind in kinds)
