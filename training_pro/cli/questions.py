"""``questions TEXT`` and ``questions-to-jsonl TEXT``: questions that a text answers, and the dataset made of them."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common
from training_pro.cli.common import CliCommand, ExitCode
from training_pro.cli.terminal import Bar, complain, say, with_options
from training_pro.data.questions.kept import QuestionFile, as_csv, changes_in_csv, edited
from training_pro.data.questions.passages import SHORTEST_CHARS, Cutting
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError
from training_pro.questions import AT_ONCE, Asking, question_file
from training_pro.record.whole_files import write_whole
from training_pro.settings import DEFAULTS

if TYPE_CHECKING:
    from training_pro.questions import QuestionsJob

_LOOK_AGAIN_S = 0.2
_TEXT = "a text or a folder of texts: a path, or a name in the datasets folder"


def _text_of(given: str) -> str:
    path = Path(given).expanduser()
    return str(path.resolve()) if path.exists() else given


def _write_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help=_TEXT)
    parser.add_argument(
        "--hard-cut", default=DEFAULTS["hard_cut"], metavar="TEXT", help=r"what separates sections (default: \n\n\n)"
    )
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=DEFAULTS["max_tokens"],
        metavar="N",
        help=f"longer sections are cut at sentences (default: {DEFAULTS['max_tokens']})",
    )
    parser.add_argument(
        "--shortest",
        type=int,
        default=SHORTEST_CHARS,
        metavar="N",
        help=f"sections of up to this many characters get no question (default: {SHORTEST_CHARS})",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=AT_ONCE,
        metavar="N",
        help=f"sections that go through the model together (default: {AT_ONCE})",
    )
    parser.add_argument(
        "--wish", default="", metavar="TEXT", help="what to ask the model, with %%text%% where the section goes"
    )
    parser.add_argument("--again", action="store_true", help="begin again; an older table is kept aside")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the table for a spreadsheet")
    common.add_host_options(parser)


def _write(options: argparse.Namespace) -> int:
    if options.at_once < 1:
        raise DataError(f"--at-once is {options.at_once}; it must be 1 or more.", option="--at-once 4")
    session = common.session_from(options)
    cutting = Cutting(options.hard_cut, options.max_tokens, options.shortest)
    job = session.write_questions(Asking(_text_of(options.text), cutting, options.at_once, options.wish, options.again))
    before = signal.signal(signal.SIGINT, lambda *_: job.interrupt())
    try:
        code = _watched(job, options.takes)
    finally:
        signal.signal(signal.SIGINT, before)
        session.host.release()
    found = job.status.questions
    if found is not None and options.csv is not None:
        write_whole(options.csv.expanduser().absolute(), as_csv(found))
        say(f"The table for a spreadsheet is in {options.csv}")
    return code


def _watched(job: QuestionsJob, takes: frozenset[str]) -> int:
    told = 0
    with Bar() as bar:
        while True:
            status = job.status
            if status.notes[told:]:
                bar.clear()
            for note in status.notes[told:]:
                complain(note)
            told = len(status.notes)
            if not status.running:
                bar.ending = "interrupted" if status.interrupted else "failed" if status.fault else "done"
                break
            if status.progress[1]:
                bar(*status.progress)
            time.sleep(_LOOK_AGAIN_S)
    if status.summary():
        say(status.summary())
        say(f"The questions are in {status.file}")
    if status.fault is not None:
        complain(with_options(status.fault.text, status.fault.options, takes))
        return ExitCode.FAILED
    return ExitCode.INTERRUPTED if status.interrupted else ExitCode.DONE


def _to_jsonl_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help=f"{_TEXT}; or its table of questions (.jsonl)")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="take questions and what to keep from this edited table"
    )
    parser.add_argument("--system", default="", metavar="TEXT", help="system message before every question")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that already exists")
    common.add_user_data_option(parser, "the dataset is written to its training/datasets")


def _to_jsonl(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    given = Path(options.text).expanduser()
    file = QuestionFile(given) if given.suffix == ".jsonl" else question_file(_text_of(options.text), folders)
    questions = file.read()
    if options.csv is not None:
        changes = changes_in_csv(options.csv.expanduser())
        gone = {line.number: (line.question, False) for line in questions.lines if line.number not in changes}
        questions = edited(questions, {**gone, **changes})
        file.put(questions)
    with Bar() as bar:
        name = DatasetTools(folders, options.overwrite, bar).questions_to_chats(file, options.system)
    complain(f"{len(questions.kept):,} of {len(questions.lines):,} questions are kept.")
    say(str(folders.datasets / name))
    return 0


WRITE = CliCommand(_write_options, _write)
TO_JSONL = CliCommand(_to_jsonl_options, _to_jsonl)
