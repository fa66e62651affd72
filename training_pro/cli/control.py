"""``control RUN stop-loss 1.5``: steer a run in another process; shows which values the trainer uses afterwards."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli.common import DEFAULT_USER_DATA, ExitCode
from training_pro.cli.terminal import complain, say, say_json
from training_pro.errors import NotRunning, UserError
from training_pro.folders import Folders
from training_pro.record.history import HISTORY_FILE, Event
from training_pro.record.runs import list_runs
from training_pro.remote.channel import channels, read_live
from training_pro.remote.commands import WORDS, Command, command_from
from training_pro.remote.snapshot import Live
from training_pro.remote.terminal_side import Heard, ask_run, reach
from training_pro.training.controls import live_words
from training_pro.values import plain
from training_pro.words import time_words

DEFAULT_WAIT_S = 60.0
_MOST_SHOWN = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="RUN", nargs="?", help="the name of the run, or its folder")
    parser.add_argument("word", metavar="COMMAND", nargs="?", help=f"one of: {', '.join((*WORDS, 'status'))}")
    parser.add_argument("rest", metavar="VALUE", nargs="*", help="the number, or the prompt of a sample")
    parser.add_argument(
        "--user-data",
        type=Path,
        metavar="DIR",
        default=DEFAULT_USER_DATA,
        help="where LoRAs are, laid out as in the WebUI (default: user_data)",
    )
    parser.add_argument("--loras", type=Path, metavar="DIR", help="the LoRA folder, if it is not in the user data")
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        default=DEFAULT_WAIT_S,
        help=f"how long to wait until it takes effect (default: {DEFAULT_WAIT_S:g}; 0: don't wait)",
    )
    parser.add_argument("--json", action="store_true", help="answer with one line of JSON")


def run(options: argparse.Namespace) -> int:
    folders = Folders.under(options.user_data, options.loras)
    if options.word is None:
        raise UserError(f"{_missing(options.name, folders)}\n{_runs_there(folders)}")
    folder = _folder(options.name, folders)
    try:
        if options.word == "status":
            return _status(reach(folder), options.json)
        command = command_from(options.word, options.rest)
        return _told(command, ask_run(folder, command, options.wait), options.json)
    except NotRunning as error:
        raise NotRunning(f"{error}\n{_runs_there(folders)}") from None


def _told(command: Command, heard: Heard, as_json: bool) -> int:
    code = ExitCode.BAD_INPUT if not heard.ok else ExitCode.DONE if heard.taken else ExitCode.NOT_YET
    sentence = _outcome(command, heard) if heard.ok else heard.said
    if as_json:
        answers = [{**event.details, "update": event.update} for event in heard.answers]
        answer = {"said": sentence, "ok": heard.ok, "taken": heard.taken, "answers": answers, "exit_code": int(code)}
        say_json({**plain(heard.live), **answer})
        return code
    for event in heard.answers:
        say(_answer(event))
    (say if heard.ok else complain)(sentence)
    return code


def _folder(name: str, folders: Folders) -> Path:
    """A plain word is a name; whatever has a slash in it, a folder."""
    if Path(name).name != name:
        return Path(name).expanduser().resolve()
    return folders.loras / name


def _missing(name: str | None, folders: Folders) -> str:
    words = ", ".join((*WORDS, "status"))
    if name is None:
        return f"No run is named. Write: control RUN COMMAND, with one of {words}."
    if name in (*WORDS, "status") and not (folders.loras / name).exists():
        return f"No run is named. Write: control RUN {name}."
    return f"No command for the run {name!r}. Write: control {name} COMMAND, with one of {words}."


def _runs_there(folders: Folders) -> str:
    """The runs in progress, and the latest of the others, a line each."""
    found = [(channel, read_live(channel)) for channel in channels(folders.loras)]
    lives = [live for channel, live in found if live is not None and live.alive(channel)]
    going = {live.name: f"{live.name} ({live.status.phase}, update {live.status.update})" for live in lives}
    others = [run for run in list_runs(folders) if run.name not in going and run.state != "foreign"]
    shown = [f"{run.name} ({run.state})" for run in others[:_MOST_SHOWN]]
    more = [f"{len(others) - len(shown):,} more"] if len(others) > len(shown) else []
    if not going and not others:
        return f"There is no run in {folders.loras}. For another folder add --user-data DIR."
    return "\n".join(
        [
            f"In progress in {folders.loras}: {', '.join(going.values()) or 'none'}.",
            *([f"Ended: {', '.join([*shown, *more])}."] if others else []),
        ]
    )


def _status(live: Live, as_json: bool) -> int:
    if as_json:
        say_json({**plain(live), "exit_code": 0})
    else:
        for line in _lines(live):
            say(line)
    return ExitCode.DONE


def _outcome(command: Command, heard: Heard) -> str:
    """What happened to a command that the run accepted."""
    status = heard.live.status
    if command.do == "sample":
        return _sampled(heard)
    if not heard.taken:
        return f"{heard.said} It is not done yet (update {status.update}). To look again: status"
    if not status.running and command.do != "stop":
        return "The run has ended in the meantime."
    return {
        "set": f"In effect at update {status.update}: {live_words(heard.live.taken)}.",
        "checkpoint": f"Written: {status.checkpoints[-1].path.name if status.checkpoints else 'a checkpoint'}.",
        "pause": f"The run is paused after update {status.update}.",
        "resume": "The run continues.",
        "stop": "The run has ended; the LoRA is saved.",
    }[command.do]


def _sampled(heard: Heard) -> str:
    status = heard.live.status
    if not status.running:
        return f"The run has ended in the meantime; its answers are in {status.folder / HISTORY_FILE}."
    if not heard.taken:
        return (
            f"Not every prompt is answered yet (update {status.update}, {status.phase}). The answers go to "
            f"{status.folder / HISTORY_FILE} and to the page. To wait longer: --wait SECONDS."
        )
    return f"Answered after update {max((event.update for event in heard.answers), default=status.update)}."


def _answer(event: Event) -> str:
    """A prompt, and below it the LoRA's answer."""
    return f"> {event.details.get('prompt')}\n{event.details.get('answer')}\n"


def _lines(live: Live) -> list[str]:
    status, point = live.status, live.status.point
    lines = [
        f"Run            {live.name}",
        f"Phase          {status.phase}",
        f"Process        {live.process.pid} on {live.process.machine}",
    ]
    if status.plan is not None:
        lines.append(f"Update         {status.update:,} of {status.total_updates:,}")
    if point is not None:
        lines += [
            f"Loss           {point.loss:.4f} (smoothed {point.smoothed_loss:.4f})",
            f"Learning rate  {point.learning_rate:.3e}",
            f"Remaining      {time_words(status.remaining_s)}",
        ]
    lines.append(f"In effect      {live_words(live.taken)}")
    if live.values != live.taken:
        lines.append(f"Asked for      {live_words(live.values)}")
    return [*lines, *(f"Note           {note}" for note in status.notes)]
