"""The commands on datasets, as one table: download, convert, split, rows-to-jsonl, text-to-jsonl, unwrap, dump.

Each writes a file into the user data's datasets folder and prints its path; `dump` writes the file that is named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli import common, settings_file
from training_pro.cli.common import CliCommand
from training_pro.cli.terminal import Bar, complain, say
from training_pro.data.chat_logs import PAUSE_HOURS
from training_pro.data.documents.extracted import removed_words
from training_pro.data.download import MAX_BYTES, Limits, download, download_format
from training_pro.data.files import list_datasets, list_unusable
from training_pro.data.tools import DatasetTools, cleaned_words
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import DEFAULTS

_DEFAULT_MB = MAX_BYTES >> 20
_DATASET = "a row file in the datasets folder, or a path"
_TEXT = "a text or a folder of texts: a path, or a name in the datasets folder"


def _add_place(parser: argparse.ArgumentParser) -> None:
    """``--overwrite`` and ``--user-data``."""
    _add_overwrite(parser)
    common.add_user_data_option(parser, "the datasets are read from and written to its training/datasets")


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace a file that already exists")


def _dataset(given: str, folders: Folders) -> str:
    """The dataset that a person means: one of the datasets folder, else a file by its path."""
    path = Path(given).expanduser()
    if path.exists() and not (folders.datasets / given).exists():
        return str(path.resolve())
    return given


def _megabytes(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number of megabytes; write 1 or more")
    return int(given)


def _download_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the file's own address, http:// or https://")
    parser.add_argument(
        "--max-mb", type=_megabytes, default=_DEFAULT_MB, metavar="N", help=f"size limit (default: {_DEFAULT_MB})"
    )
    parser.add_argument(
        "--into",
        choices=("datasets", "formats"),
        default="datasets",
        help="the folder it goes to: datasets (default), or formats for a Data Format",
    )
    parser.add_argument(
        "--allow-private", action="store_true", help="allow addresses of this machine and of the local network"
    )
    _add_place(parser)


def _download(options: argparse.Namespace) -> int:
    limits = Limits(options.max_mb << 20, options.allow_private, options.overwrite)
    with Bar() as bar:
        folders = common.folders_of(options)
        if options.into == "formats":
            target = download_format(options.url, folders.formats, limits, bar)
        else:
            target = download(options.url, folders.datasets, limits, bar)
    say(str(target))
    return 0


def _list_options(parser: argparse.ArgumentParser) -> None:
    common.add_user_data_option(parser, "the folder whose training/datasets is listed")


def _list(options: argparse.Namespace) -> int:
    folder = common.folders_of(options).datasets
    for file in list_datasets(folder):
        say(f"{file.kind:<5} {file.name}")
    for unusable in list_unusable(folder):
        complain(f"Can't be used: {unusable.name}: {unusable.reason}.")
    return 0


def _split_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help=_DATASET)
    parser.add_argument(
        "--percent", type=float, default=10.0, metavar="P", help="percentage of rows to evaluate on (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=DEFAULTS["seed"], help="another seed picks other rows")
    _add_place(parser)


def _split(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        names = _tools(options, bar).split(_dataset(options.dataset, folders), options.percent, options.seed)
    return _say_files(folders, *names)


def _rows_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help=_DATASET)
    parser.add_argument("--system", default="", metavar="TEXT", help="system message for rows that have none")
    _add_place(parser)


def _rows_to_jsonl(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        name, left_out = _tools(options, bar).rows_to_chats(_dataset(options.dataset, folders), options.system)
    for note in left_out:
        complain(note)
    return _say_files(folders, name)


def _text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help=_TEXT)
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="the question that every section answers")
    parser.add_argument("--system", default="", metavar="TEXT", help="system message before every prompt")
    parser.add_argument(
        "--hard-cut", default=DEFAULTS["hard_cut"], metavar="TEXT", help=r"what separates sections (default: \n\n\n)"
    )
    _add_place(parser)


def _text_to_jsonl(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        text = _dataset(options.text, folders)
        name = _tools(options, bar).text_to_chats(text, options.hard_cut, options.system, options.prompt)
    return _say_files(folders, name)


def _unwrap_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help=_TEXT)
    _add_place(parser)


def _unwrap(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        name, joined = _tools(options, bar).unwrap(_dataset(options.text, folders))
    complain(joined.words())
    return _say_files(folders, name)


def _clean(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        name, counts = _tools(options, bar).clean(_dataset(options.text, folders))
    complain(cleaned_words(counts))
    return _say_files(folders, name)


def _cut(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        name, count = _tools(options, bar).cut(_dataset(options.text, folders))
    complain(f"{count:,} scene breaks, form feeds and chapter headings became hard cuts.")
    return _say_files(folders, name)


def _log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help=_TEXT)
    parser.add_argument("--assistant", default="", metavar="NAME", help="the person whose messages are learned")
    parser.add_argument(
        "--pause-hours",
        type=float,
        default=PAUSE_HOURS,
        metavar="H",
        help="a pause that ends a conversation (default: 6)",
    )
    _add_place(parser)


def _log_to_jsonl(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        text = _dataset(options.text, folders)
        name, log = _tools(options, bar).log_to_chats(text, options.assistant, options.pause_hours)
    removed = f"; left out: {removed_words(log.removed)}" if log.removed else ""
    complain(f"{log.manner}: {len(log.messages):,} messages{removed}.")
    return _say_files(folders, name)


def _convert_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file in the datasets folder, or a path")
    parser.add_argument("--encoding", default="", metavar="NAME", help="the file's encoding, such as cp1252 or gb18030")
    _add_place(parser)


def _convert(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    with Bar() as bar:
        done = _tools(options, bar).convert(_dataset(options.file, folders), options.encoding)
    if done.encoding:
        complain(f'It was read as {done.encoding}: "{done.sample}"')
    if done.removed:
        complain(f"Left out of the text: {removed_words(done.removed)}.")
    return _say_files(folders, done.name)


def _dump_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    parser.add_argument(
        "file",
        type=Path,
        help="the file to write; NAME.txt gives the text as it is trained, any other name JSON lines with the text, "
        "kind, tokens and trained tokens of each block",
    )
    parser.add_argument("--no-ends", action="store_true", help="leave out the BOS and EOS of the blocks")
    parser.add_argument("--evaluation", action="store_true", help="the evaluation blocks, not the training blocks")
    _add_overwrite(parser)
    common.add_host_options(parser)


def _dump(options: argparse.Namespace) -> int:
    settings = settings_file.checked_settings_of(options, named=False)
    session = common.session_from(options)
    target = options.file.expanduser().absolute()
    with Bar() as bar:
        prepared = session.check(settings, bar).prepared
        samples = prepared.eval if options.evaluation else prepared.train
        if samples is None:
            raise DataError(
                "There are no evaluation blocks; choose an Evaluation Dataset, or set Hold out for evaluation.",
                option=("--set eval_dataset=FILE", "--set eval_percent=10"),
            )
        DatasetTools(session.host.folders, options.overwrite, bar).write_blocks(samples, target, not options.no_ends)
    say(f"{len(samples):,} blocks are in {target}")
    return 0


def _tools(options: argparse.Namespace, bar: Bar) -> DatasetTools:
    return DatasetTools(common.folders_of(options), options.overwrite, bar)


def _say_files(folders: Folders, *names: str) -> int:
    for name in names:
        say(str(folders.datasets / name))
    return 0


DOWNLOAD = CliCommand(_download_options, _download)
LIST = CliCommand(_list_options, _list)
SPLIT = CliCommand(_split_options, _split)
ROWS_TO_JSONL = CliCommand(_rows_options, _rows_to_jsonl)
TEXT_TO_JSONL = CliCommand(_text_options, _text_to_jsonl)
UNWRAP = CliCommand(_unwrap_options, _unwrap)
CLEAN = CliCommand(_unwrap_options, _clean)
CUT = CliCommand(_unwrap_options, _cut)
LOG_TO_JSONL = CliCommand(_log_options, _log_to_jsonl)
CONVERT = CliCommand(_convert_options, _convert)
DUMP = CliCommand(_dump_options, _dump)
