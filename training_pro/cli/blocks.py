"""``blocks FILE``: the blocks that training would be given, as JSON lines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from training_pro.cli.common import add_user_data_option, own_abbreviations
from training_pro.cli.terminal import Bar, say
from training_pro.errors import ModelError
from training_pro.settings import DEFAULTS, EOS_PLACES
from training_pro.words import reason_of


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .txt file or a folder of them")
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=DEFAULTS["max_tokens"],
        help="most tokens in a block, BOS and EOS included (default: %(default)s)",
    )
    parser.add_argument(
        "--hard-cut", default=DEFAULTS["hard_cut"], help=r"hard cut string; \n and \t work (default: \n\n\n)"
    )
    parser.add_argument(
        "--overlap",
        action=argparse.BooleanOptionalAction,
        default=DEFAULTS["overlap"],
        help="add blocks across the borders of blocks, or not",
    )
    parser.add_argument("--dementor", action="store_true", help="start a block at every sentence")
    parser.add_argument("--min-chars", type=int, default=0, help="drop blocks of at most this many characters")
    parser.add_argument(
        "--eos",
        choices=EOS_PLACES,
        default=DEFAULTS["eos"],
        help="which blocks end with EOS: none, every block, or those at a hard cut",
    )
    parser.add_argument("--no-bos", action="store_true", help="no BOS before each block")
    parser.add_argument(
        "--control-tokens", action="store_true", help="read tags such as <|im_end|> as tokens, not as text"
    )
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="a model folder (default: the included model's)")
    add_user_data_option(parser)


def run(options: argparse.Namespace) -> int:
    from training_pro.data.workshop import slicing_of
    from training_pro.hosts.embedded import embedded_model
    from training_pro.settings import from_dict
    from training_pro.text.blocks.corpus import Corpus
    from training_pro.text.blocks.slicing import slice_documents
    from training_pro.text.reading import text_files
    from training_pro.text.tokenizing.encoding import TextEncoder

    checked = from_dict(
        {
            "max_tokens": options.max_tokens,
            "hard_cut": options.hard_cut,
            "overlap": options.overlap,
            "dementor": options.dementor,
            "min_block_chars": options.min_chars,
            "add_bos": not options.no_bos,
            "eos": options.eos,
        }
    )
    slicing = slicing_of(checked, own_abbreviations(options))
    files = text_files(options.file)
    with Bar() as bar:
        tokenizer = _tokenizer(options.tokenizer or embedded_model(progress=bar))
        encoder = TextEncoder(tokenizer, options.control_tokens)
        blocks = slice_documents(Corpus.of_files(files, progress=bar), slicing, encoder, bar)
    for number in range(len(blocks)):
        block = blocks.block(number)
        line = {
            "section": block.section,
            "kind": block.kind,
            "start": block.start,
            "end": block.end,
            "tokens": block.tokens,
            "text": blocks.text(number),
            "bos": block.bos,
            "eos": block.eos,
        }
        if len(files) > 1:
            line["document"] = block.document
        say(json.dumps(line, ensure_ascii=False))
    return 0


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    from training_pro.hosts.loaded import loading_errors

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except loading_errors() as error:
        reason = reason_of(error)
        raise ModelError(f"{folder} holds no tokenizer that can be read ({reason}); give a model folder.") from error
