"""The part of text-generation-webui's `modules` that a host touches, with the real one's names and habits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import training_pro.hosts


class FakeWebUI:
    """`shared` and `models` are the modules; `answer()` is how its chat finds out who replies."""

    def __init__(self, user_data: Path) -> None:
        for folder in ("models", "loras"):
            (user_data / folder).mkdir(parents=True)
        self.shared: Any = ModuleType("modules.shared")
        self.models: Any = ModuleType("modules.models")
        self.shared.model = self.shared.tokenizer = None
        self.shared.model_name = "None"
        self.shared.lora_names = []
        self.shared.model_dirty_from_training = False
        self.shared.persistent_interface_state = {}
        self.shared.generation_lock = threading.Lock()
        self.shared.user_data_dir = user_data
        self.shared.args = SimpleNamespace(
            loader=None,
            lora_dir=str(user_data / "loras"),
            model_dir=str(user_data / "models"),
            cpu=True,
            multi_user=False,
            idle_timeout=0,
        )
        self.models.last_generation_time = 0.0
        self.models.load_model = self.load_model
        self.models.unload_model = self.unload_model
        self.models.load_model_if_idle_unloaded = self.load_if_idle_unloaded
        self.broken_models: set[str] = set()

    def load_model(self, name: str, loader: str | None = None) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.shared.model_name = name
        self.shared.args.loader = loader or self.shared.args.loader
        if name in self.broken_models:
            return None, None
        folder = Path(self.shared.args.model_dir) / name
        return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)

    def unload_model(self, keep_model_name: bool = False) -> None:
        if self.shared.model is None:
            return
        self.shared.model = self.shared.tokenizer = None
        self.shared.lora_names = []
        self.shared.model_dirty_from_training = False
        if not keep_model_name:
            self.shared.model_name = "None"

    def load_if_idle_unloaded(self) -> None:
        if self.shared.args.idle_timeout > 0 and self.shared.model is None and self.shared.model_name != "None":
            self.shared.model, self.shared.tokenizer = self.load_model(self.shared.model_name)

    def choose_model(self, name: str, loader: str = "Transformers") -> None:
        """What the Model tab's Load does."""
        self.unload_model()
        self.shared.model, self.shared.tokenizer = self.load_model(name, loader)

    def add_lora_to_model(self, names: list[str]) -> None:
        from peft import PeftModel

        shared = self.shared
        if set(shared.lora_names) - set(names):
            shared.model = shared.model.unload()
        if names:
            folder = Path(shared.args.lora_dir) / names[0]
            shared.model = PeftModel.from_pretrained(shared.model, folder, adapter_name=names[0])
        shared.lora_names = names

    def resolve_model_path(self, name: str) -> Path:
        return Path(self.shared.args.model_dir) / name

    @contextmanager
    def installed(self) -> Iterator[FakeWebUI]:
        """As `modules` for imports; the host's module is imported anew inside and forgotten afterwards."""
        package: Any = ModuleType("modules")
        lora: Any = ModuleType("modules.LoRA")
        utils: Any = ModuleType("modules.utils")
        chat: Any = ModuleType("modules.chat")
        chat.generate_chat_prompt, chat.replace_character_names = chat_prompt, character_names
        chat.get_stopping_strings = lambda state: [f"\n{state['name1']}:"]
        package.shared, package.models = self.shared, self.models
        lora.add_lora_to_model, utils.resolve_model_path = self.add_lora_to_model, self.resolve_model_path
        ours = {
            "modules": package,
            "modules.shared": self.shared,
            "modules.models": self.models,
            "modules.LoRA": lora,
            "modules.utils": utils,
            "modules.chat": chat,
        }
        _forget_host()
        sys.modules.update(ours)
        try:
            yield self
        finally:
            _forget_host()
            for name in ours:
                del sys.modules[name]


def chat_prompt(user_input: str, state: dict[str, Any], **more: Any) -> str:
    """As the real one lays out a chat, without a template: context, what was said, and the start of an answer."""
    if state["mode"] == "instruct":
        return user_input
    said = "".join(f"{state['name2']}: {answer}\n" for _, answer in more["history"]["internal"])
    return f"{state['context']}\n{said}{state['name1']}: {user_input}\n{state['name2']}:"


def character_names(text: str, name1: str, name2: str) -> str:
    return text.replace("{{user}}", name1).replace("{{char}}", name2)


def _forget_host() -> None:
    sys.modules.pop("training_pro.hosts.webui", None)
    vars(training_pro.hosts).pop("webui", None)
