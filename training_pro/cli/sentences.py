"""``sentences FILE``: the sentences of a text, one JSON string a line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training_pro.cli.common import add_user_data_option, own_abbreviations
from training_pro.cli.terminal import say


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .txt file or a folder of them")
    add_user_data_option(parser)


def run(options: argparse.Namespace) -> int:
    from training_pro.text.reading import read_text, text_files
    from training_pro.text.splitting.sentences import split_sentences

    abbreviations = own_abbreviations(options)
    for path in text_files(options.file):
        for sentence in split_sentences(read_text(path), abbreviations):
            say(json.dumps(sentence, ensure_ascii=False))
    return 0
