"""A run of our own in a process of its own: the host's model is unloaded for it and loaded again afterwards.

Whatever happens to that process, this one continues and says in a sentence what happened. If this one ends first, the
other continues and is found again by its channel.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from training_pro.errors import BusyError, RunError, UserError, explain
from training_pro.hosts.host import Host, ModelSource
from training_pro.hosts.loaded import source_of
from training_pro.record.whole_files import write_fault, write_whole
from training_pro.remote.channel import read_live
from training_pro.remote.launching import OwnProcess, start_child, this_python, train_command
from training_pro.remote.page_side import PACE_S, RemoteRun
from training_pro.remote.snapshot import Live
from training_pro.settings import Settings, to_json
from training_pro.training.resume import Begin
from training_pro.training.status import Ending
from training_pro.words import time_words

logger = logging.getLogger(__name__)

_LOG_TAIL_BYTES = 65536
_NO_MEMORY = "Error out of memory at line"  # printed by bitsandbytes' native code, which then ends the process
_WORDS = {
    9: "by a kill, or by the system because memory ran out",
    15: "it was ended from outside",
    2: "it was ended from outside",
    1: "its terminal was closed",
    6: "a library gave up",
    11: "a fault in a library's native code",
    7: "a fault in a library's native code",
    4: "a library is built for another processor",
}


class OwnProcessRun(RemoteRun):
    """A run in a child process.

    Guarantees: as `Run`; besides, a child that is killed, crashes or runs out of memory leaves this process alive.
    """

    def __init__(self, host: Host, settings: Settings, folder: Path, begin: Begin, where: OwnProcess) -> None:
        super().__init__(host, settings, folder, begin)
        self._host = host
        self.where = where
        self._child: subprocess.Popen[bytes] | None = None
        self._died = False
        self._log = _logs(host) / f"{settings.name}.log"

    def sentence(self) -> str:
        """The answer for chat while the model is away."""
        status = self.status
        if status.plan is None:
            return f'The model is unloaded while "{status.name}" trains in its own process. Wait until it has finished.'
        left = f", about {time_words(status.remaining_s)} left" if status.remaining_s is not None else ""
        return (
            f'The model is unloaded while "{status.name}" trains in its own process (update '
            f"{status.update} of {status.total_updates}{left}). It answers again afterwards."
        )

    def _work(self) -> None:
        try:
            with self._owner.hold(self.sentence):
                self._board.phase("loading")
                ending = self._with_room()
        except BaseException as error:  # noqa: BLE001 - the thread's last stop: everything becomes an ending
            self.fault = error
            ending = Ending("failed", explain(error, f"training {self.settings.name} in its own process"))
        self._end(ending, tells=self._died)  # a process that died could not say so

    def _with_room(self) -> Ending:
        """Unload the host's model, run the child, load the host's model again."""
        loaded = self._host.trainable_model()
        check_device(loaded.model.get_input_embeddings().weight.device.type)
        source = source_of(loaded)
        self._host.release()
        try:
            return self._child_to_its_end(source)
        finally:
            self._board.phase("restoring")
            try:
                self._host.reload()
            except UserError as error:
                self._board.note(str(error))

    def _child_to_its_end(self, source: ModelSource) -> Ending:
        self._child = child = self._started(source)
        while child.poll() is None:
            if self._is_of(read_live(self._channel)):
                self._look()
            time.sleep(PACE_S)
        told = read_live(self._channel)
        if self._is_of(told):
            self._look()
            if told is not None and (told.status.ending is not None or told.began):
                return self._ending()
        return self._refused(child.returncode)

    def _is_of(self, live: Live | None) -> bool:
        """Whether what is in the channel was written since our child began; of several processes, one writes."""
        return live is not None and live.watched and live.settings == self.settings and self._child is not None

    def _started(self, source: ModelSource) -> subprocess.Popen[bytes]:
        settings_file = self._log.with_suffix(".json")
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            write_whole(settings_file, to_json(self.settings))
            words = train_command(str(settings_file), source, self._host.folders, self.where, this_python())
            return start_child([*words, "--existing", self._existing(), "--watched", "--json"], source, self._log)
        except OSError as error:
            raise write_fault(self._log, error) from error

    def _existing(self) -> str:
        begin = self.begin
        ways = (
            ("further", begin.further),
            ("continue", begin.continue_exactly),
            ("on-top", begin.on_top),
            ("replace", begin.replace),
        )
        return next((way for way, chosen in ways if chosen), "refuse")

    def _refused(self, code: int) -> Ending:
        """The child ended before it had a run: what it wrote last says why."""
        said = refusal_in(self._log)
        if said is not None:
            self.fault = BusyError(said) if code == 5 else RunError(said)
            return Ending("failed", said)
        return self._gone(None)

    def _gone(self, told: Live | None) -> Ending:
        code = self._child.returncode if self._child is not None else 0
        self._died = True
        said = f"{exit_words(code)}{library_gave_up(self._log)}"
        return Ending("failed", f"The training process {said}. {self._way_out()} Its output is in {self._log}.")


def check_device(kind: str) -> None:
    """Raises:
    RunError: the host's model is on a device that a process of its own would not use.
    """
    if kind not in ("cpu", "cuda"):  # ROCm calls its cards "cuda"
        raise RunError(
            f"The model is on a device of the kind {kind}, but a process of its own would train on the processor: it "
            "uses NVIDIA and AMD cards alone. Choose: In this process."
        )


def exit_words(code: int) -> str:
    """What an exit code of a child means; launchers hand signals on as 128 and more."""
    number = -code if code < 0 else code - 128
    if not 0 < number < 65:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    words = f" ({_WORDS[number]})" if number in _WORDS else ""
    return f"was ended by signal {number}, {name}{words}"


def library_gave_up(log: Path) -> str:
    """What is known of the end of a child that a library ended by itself, as a part of a sentence; "" for nothing."""
    if not any(_NO_MEMORY in line for line in _last_lines(log)):
        return ""
    return (
        ": bitsandbytes got no memory for its optimizer and ended it. Choose another Optimizer, or lower the True "
        "Batch Size"
    )


def refusal_in(log: Path) -> str | None:
    """What the child refused with, in its last lines; None where it said nothing of the kind."""
    for line in reversed(_last_lines(log)):
        values = _object(line)
        if "refused" in values or "reason" in values:
            return str(values.get("refused") or values.get("reason"))
    return None


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _object(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _logs(host: Host) -> Path:
    return host.folders.logs / "training_pro"
