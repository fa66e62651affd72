"""``make models``: every family x every cell x no, 4-bit and 8-bit quantization; one JSON line a cell, and a page.

    python -m tests.models                    # all; writes build/models.jsonl and docs/models.md
    python -m tests.models llama qwen3_5      # these only; the lines of the others stay
    python -m tests.models --page             # the page alone, from the lines that are there

Takes about 4 seconds a family and quantization. Each family runs in a child process, so that a crash ends none other.
The exit code is 1 where any cell is a FAULT.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from tests.models.families import FAMILIES, is_known
from tests.models.page import page

ROOT = Path(__file__).parents[2]
LINES = ROOT / "build" / "models.jsonl"
WORK = ROOT / "build" / "models"
PAGE = ROOT / "docs" / "models.md"
QUANTIZATIONS = ("none", "4-bit", "8-bit")


def main() -> int:
    options = _options()
    cells = _read()
    if not options.page:
        _prepare()
        for family in options.families or FAMILIES:
            for quantization in options.quantization or QUANTIZATIONS:
                _check(family, quantization, cells)
    PAGE.write_text(page(list(cells.values())), encoding="utf-8")
    faults = [cell for cell in cells.values() if cell["result"] == "FAULT"]
    for cell in faults:
        sys.stdout.write(f"FAULT {cell['family']} {cell['quantization']} {cell['cell']}: {cell['detail']}\n")
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.models", description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", choices=[[], *FAMILIES], metavar="FAMILY")
    parser.add_argument("--quantization", action="append", choices=QUANTIZATIONS)
    parser.add_argument("--page", action="store_true", help="only write the page")
    return parser.parse_args()


def _prepare() -> None:
    """What every child needs is imported once; the children are forked."""
    import torch
    import transformers
    from transformers import Trainer  # noqa: F401 (only to have it imported)

    import training_pro.training.job  # noqa: F401 (only to have it imported)

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    shutil.rmtree(WORK, ignore_errors=True)


def _check(family: str, quantization: Any, cells: dict[tuple[str, str, str], dict[str, str]]) -> None:
    """One family in a child process; its lines take the place of its older ones."""
    if not is_known(family):
        rows = [("load", "not built", "the installed transformers doesn't have this family")]
    else:
        queue: Any = multiprocessing.get_context("fork").Queue()
        child = multiprocessing.get_context("fork").Process(target=_child, args=(family, quantization, queue))
        child.start()
        rows = _received(child, queue)
        child.join()
    for key in [key for key in cells if key[:2] == (family, quantization)]:
        del cells[key]
    for cell, result, detail in rows:
        line = {"family": family, "quantization": quantization, "cell": cell, "result": result, "detail": detail}
        cells[family, quantization, cell] = line
    words = " ".join(f"{cell}:{result}" for cell, result, _ in rows)
    sys.stdout.write(f"{family} {quantization} {words}\n")
    sys.stdout.flush()
    _write(cells)


def _received(child: Any, queue: Any) -> list[tuple[str, str, str]]:
    from queue import Empty

    while True:
        try:
            found: list[tuple[str, str, str]] = queue.get(timeout=1)
            return found
        except Empty:
            if not child.is_alive():
                return [("load", "FAULT", f"the process ended with code {child.exitcode}")]


def _child(family: str, quantization: Any, queue: Any) -> None:
    from tests.models.checks import Case, cells_of
    from training_pro.training import results

    results.draw_graph = lambda *_: "no picture"  # type: ignore[assignment]  # nobody looks at it
    folder = WORK / f"{family}-{quantization}"
    case = Case(family, quantization, folder)
    found = cells_of(case)
    rows = [(name, result.word, result.detail.replace(str(folder), "...")) for name, result in found.items()]
    notes = " ".join(note for note in case.notes if "picture" not in note and "FP_low" not in note)
    queue.put([*rows, ("notes", "sound", notes)])
    shutil.rmtree(folder, ignore_errors=True)


def _read() -> dict[tuple[str, str, str], dict[str, str]]:
    if not LINES.is_file():
        return {}
    lines = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]
    return {(line["family"], line["quantization"], line["cell"]): line for line in lines}


def _write(cells: dict[tuple[str, str, str], dict[str, str]]) -> None:
    LINES.parent.mkdir(exist_ok=True)
    order = {family: number for number, family in enumerate(FAMILIES)}
    lines = sorted(
        cells.values(), key=lambda line: (order.get(line["family"], 0), QUANTIZATIONS.index(line["quantization"]))
    )
    LINES.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
