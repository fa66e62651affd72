"""A session without a model, and how a page's handlers are called without a page."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from training_pro.data.sources import files_state
from training_pro.errors import ModelError, NameTaken, RunError
from training_pro.folders import Folders
from training_pro.hosts.host import ModelSource, Quantizing
from training_pro.queue.kept_list import KeptList
from training_pro.queue.run_queue import RunQueue
from training_pro.record.history import Event, HistoryData
from training_pro.record.points import Points
from training_pro.settings import SPECS, Settings
from training_pro.training.controls import Controls
from training_pro.training.status import RunStatus
from training_pro.ui.form import Form


class StandInHost:
    """A host that answers at once; `asked` has each prompt with the LoRAs that were on."""

    name = "standalone"

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.multi_user = False
        self.label = "tiny"
        self.on: list[str] = []
        self.stands = ""
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.tokenizer: Any = SimpleNamespace(chat_template=None)
        self.misfits: set[str] = set()

    def model_label(self) -> str:
        return self.label

    def model_path(self) -> Path | None:
        return self.folders.models / self.label if self.label else None

    def source(self) -> ModelSource | None:
        path = self.model_path()
        return ModelSource(path, Quantizing(), None, on_cpu=False) if path is not None else None

    def models(self) -> list[str]:
        return ["other", "tiny"]

    def obstacle(self) -> str:
        return self.stands

    def loras_in_use(self) -> list[str]:
        return list(self.on)

    def stop_using_loras(self) -> None:
        self.on = []

    def use_lora(self, name: str) -> None:
        self.on = []
        if name in self.misfits:
            raise ModelError(f"The LoRA {name} can't be put on this model.")
        self.on = [name]

    def loaded_model(self) -> Any:
        return SimpleNamespace(tokenizer=self.tokenizer)

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        self.asked.append((prompt, tuple(self.on)))
        return f"{max_new_tokens} tokens with {', '.join(self.on) or 'nothing'}"


class StandInHistory:
    def __init__(self, points: Points, events: tuple[Event, ...] = ()) -> None:
        self.made = HistoryData(points, events)

    def data(self) -> HistoryData:
        return self.made


class StandInRun:
    """A run that goes for as long as a test wants it to."""

    def __init__(self, folders: Folders, settings: Settings, history: Any = None, **status: Any) -> None:
        self.settings = settings
        self.folder = folders.loras / settings.name
        self.controls = Controls(settings)
        self.history = history
        self.status = RunStatus(settings.name, self.folder, **{"phase": "training", **status})

    def sentence(self) -> str:
        return f'The model is in training ("{self.settings.name}").'


class StandInSession:
    """`started` has what was asked to begin; `checked` is what a check gives, or raises."""

    def __init__(self, folders: Folders) -> None:
        self.host: Any = StandInHost(folders)
        self.run: Any = None
        self.measuring: Any = None
        self.asking: Any = None
        self.runs_by_name = False
        self.asked: list[Any] = []
        self.questions: Any = None
        self.started: list[tuple[Settings, str]] = []
        self.checked: Any = None
        self.told: list[tuple[int, int, str]] = []
        self.queue = RunQueue(self, KeptList(None))
        self.last_place: Any = None

    @property
    def busy(self) -> bool:
        return self.run is not None and self.run.status.running

    def elsewhere(self) -> list[Any]:
        return []

    def occupied(self) -> str:
        return f'The run "{self.run.settings.name}" is going.' if self.busy else ""

    def data_state(self, settings: Settings) -> object:
        return self.host.model_label(), files_state(settings, self.host.folders)

    def check(self, settings: Settings, progress: Any) -> Any:
        for done, total, what in self.told:
            progress(done, total, what)
        if isinstance(self.checked, Exception):
            raise self.checked
        return self.checked

    def name_taken(self, settings: Settings) -> Any:
        folder = self.host.folders.loras / settings.name
        return NameTaken("", False, standing="it is finished") if folder.exists() else None

    def ask(self, question: Any) -> None:
        if self.busy:
            raise RunError(self.occupied())
        self.asked.append(question)

    def start(self, settings: Settings, existing: str = "ask", where: Any = None) -> Any:
        self.started.append((settings, existing))
        self.run = StandInRun(self.host.folders, settings)
        return self.run


def build_form(form: Form) -> None:
    """Every setting's control, where a page is being built."""
    form.build_kind()
    form.build_fields(*(name for name in SPECS if name != "hybrid"))


def page(name: str = "one", address: str = "127.0.0.1") -> Any:
    """What gradio tells a handler of the page that asks."""
    return SimpleNamespace(session_hash=name, client=SimpleNamespace(host=address))


def no_bar(*_: Any, **__: Any) -> None:
    """A progress bar that nobody looks at."""


def press(blocks: Any, control: Any, *given: Any, event: str = "click") -> dict[Any, Any]:
    """What the handlers hooked up to a control's event answer, all together; none hooked up is an error."""
    hooked = [
        found.fn for found in blocks.fns.values() if (control._id, event) in map(tuple, found.targets) and found.fn
    ]
    assert hooked, f"nothing is hooked up to {event} of {control.elem_id}"
    answers = [handler(*given) for handler in hooked]
    return {key: value for answer in answers if isinstance(answer, dict) for key, value in answer.items()}


def drawn(panel: Any, name: str) -> str:
    """The HTML that a page would show in the slot `name` of this panel."""
    (shown,) = [one for one in panel.shown if one.name == name]
    return shown.draw()


def pulled(panel: Any, name: str) -> dict[Any, Any]:
    """The updates that a page would get of the controls `name` of this panel."""
    (found,) = [one for one in panel.pulled if one.name == name]
    updates = found.updates()
    assert set(updates) <= set(found.outputs)
    return updates


def look(live: Any, had: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One look of a page that has what `had`, an earlier answer, gave it."""
    have = {name: version for name, (version, _) in (had or {"slots": {}})["slots"].items()}
    return json.loads(live.look(json.dumps({"have": have, **more})))
