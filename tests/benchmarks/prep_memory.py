"""How much memory preparation takes: the growth with the depth, and 300 MB of text.

Each figure is measured in a process of its own, from what it held before to its highest resident size, mapped files
included; Linux alone tells and resets that peak. `prep_memory_growth` compares DEMENTOR at 2,048 tokens with packing
at 256 on the same 30 MB. `prep_memory_300mb_*` is the highest resident size of all, against 2 GB. Takes some five
minutes on two free processors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_prep import TEXT_BYTES, repeated
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.reading import read_text, text_files
from training_pro.text.tokenizing.encoding import TextEncoder

LARGE_TEXT_BYTES = 300_000_000
LIMIT_MB = 2000
_SLICINGS = {
    "packed": Slicing(max_tokens=256),
    "dementor": Slicing(max_tokens=2048, dementor=True),
}
_STATUS = Path("/proc/self/status")
_CLEAR_PEAK = Path("/proc/self/clear_refs")
_PROJECT = Path(__file__).parents[2]


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The growth with the depth, then both ways of slicing over the large text."""
    books = [read_text(file) for file in text_files(data)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "books.txt"
        file.write_text(repeated(books, TEXT_BYTES), encoding="utf-8")
        packed, dementor = (measured(file, way) for way in ("packed", "dementor"))
        yield {
            "name": "prep_memory_growth",
            "ratio": round(dementor["growth_mb"] / packed["growth_mb"], 3),
            "ours": dementor["growth_mb"],
            "reference": packed["growth_mb"],
            "unit": "MB",
            "median_of": 1,
            "depth": dementor["depth"],
        }
        file.write_text(repeated(books, LARGE_TEXT_BYTES), encoding="utf-8")
        for way in _SLICINGS:
            large = measured(file, way)
            yield {
                "name": f"prep_memory_300mb_{way}",
                "ratio": round(large["peak_mb"] / LIMIT_MB, 3),
                "ours": large["peak_mb"],
                "reference": LIMIT_MB,
                "unit": "MB",
                "median_of": 1,
                **{name: large[name] for name in ("text_mb", "growth_mb", "blocks", "depth", "seconds")},
            }


def measured(file: Path, way: str) -> dict[str, Any]:
    """What one preparation in a fresh process takes."""
    command = [sys.executable, "-m", "tests.benchmarks.prep_memory", str(file), way]
    done = subprocess.run(command, cwd=_PROJECT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _resident_mb(name: str) -> float:
    """VmRSS (now) or VmHWM (the highest) of this process."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    from transformers import AutoTokenizer

    from training_pro.hosts.embedded import embedded_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a .txt file")
    parser.add_argument("way", choices=list(_SLICINGS))
    chosen = parser.parse_args()
    encoder = TextEncoder(AutoTokenizer.from_pretrained(embedded_model()))
    slice_documents(["Everything is loaded before it is measured. " * 2000], Slicing(), encoder)
    _CLEAR_PEAK.write_text("5")
    before, start = _resident_mb("VmRSS"), time.perf_counter()
    blocks = slice_documents(Corpus.of_files([chosen.file]), _SLICINGS[chosen.way], encoder)
    blocks.ids(len(blocks) // 2)
    peak = _resident_mb("VmHWM")
    found = {
        "text_mb": round(chosen.file.stat().st_size / 1e6, 1),
        "peak_mb": round(peak),
        "growth_mb": round(peak - before, 1),
        "blocks": len(blocks),
        "depth": round(blocks.report.depth, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
