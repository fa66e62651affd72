"""The readers of all that comes from outside, by name, for hypothesis and for a fuzzer that watches the code.

``python -m tests.attack.fuzzing SECONDS``: bytes changed at random, kept where they reach lines no input reached
before; prints how many inputs each reader survived. Costs the time it is given and one processor.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import training_pro
from training_pro.cli.settings_file import settings_in
from training_pro.data.bad_rows import BadRows
from training_pro.data.chat import load_template
from training_pro.data.conversations import conversation_of
from training_pro.data.formats import load_format
from training_pro.data.rows import read_rows
from training_pro.errors import UserError
from training_pro.legacy_settings import settings_from
from training_pro.queue.kept_list import KeptList
from training_pro.record.adapter_files import check_adapter
from training_pro.record.history import read_history
from training_pro.record.runs import summarize
from training_pro.record.safetensors_file import tensor_places
from training_pro.record.state import read_state
from training_pro.settings import read_json_object

Reader = Callable[[Path, bytes], Any]
SEEDS = (
    b'{"rank": 8, "name": "a"}',
    b'{"micro_batch_size": 4, "lora_rank": 8, "warmup_steps": 10}',
    b'{"instruction,output": "%instruction% %output%"}',
    b'[{"instruction": "a", "output": "b"}]',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
    b"instruction,output\na,b\n",
    b'{"update": 1, "loss": 1.0}\n{"event": "checkpoint", "update": 1, "text": "x"}\n',
    b'\x10\0\0\0\0\0\0\0{"a":{"dtype":1}}',
    b'{"state": "finished", "update": 1}',
    b'{"entries": [{"settings": {}, "state": "waiting"}]}',
    b"instruction_template: |\n  {{ messages }}\n",
)


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def rows(ending: str) -> Reader:
    return lambda place, content: [
        row for row in read_rows(written(place / f"a.{ending}", content), BadRows("a", "skip"))
    ]


def conversation(place: Path, content: bytes) -> Any:
    row = (
        json.loads(content)
        if content[:1] == b"{" and len(content) < 10_000
        else {"messages": content.decode("latin-1")}
    )
    return conversation_of(row)


def adapter(place: Path, content: bytes) -> Any:
    written(place / "adapter_model.safetensors", content)
    return check_adapter(written(place / "adapter_config.json", content).parent)


def run(place: Path, content: bytes) -> Any:
    names = ("training_state.json", "training_history.jsonl", "training_parameters.json", "training_log.json")
    for name in (*names, "training_graph.json", "adapter_config.json", "checkpoint-1/training_checkpoint.json"):
        written(place / "run" / name, content)
    return summarize(place / "run")


def overrides(place: Path, content: bytes) -> Any:
    return settings_in(None, content.decode("latin-1").split("\n"))


READERS: dict[str, Reader] = {
    "settings": lambda place, content: settings_in(written(place / "a.json", content), []),
    "settings in YAML": lambda place, content: settings_in(written(place / "a.yaml", content), []),
    "old settings": lambda place, content: settings_from(
        {"micro_batch_size": 4, **read_json_object(written(place / "a.json", content))}
    ),
    "overrides": overrides,
    "history": lambda place, content: read_history(written(place / "a.jsonl", content)),
    "format": lambda place, content: load_format("a", written(place / "a.json", content).parent),
    "template": lambda place, content: load_template("a", written(place / "a.yaml", content).parent),
    "JSON rows": rows("json"),
    "JSON lines": rows("jsonl"),
    "CSV": rows("csv"),
    "Parquet": rows("parquet"),
    "conversation": conversation,
    "safetensors": lambda place, content: tensor_places(written(place / "a.safetensors", content)),
    "safetensors header": lambda place, content: tensor_places(
        written(place / "a.safetensors", len(content).to_bytes(8, "little") + content)
    ),
    "adapter": adapter,
    "state": lambda place, content: read_state(written(place / "training_state.json", content).parent),
    "queue": lambda place, content: KeptList(written(place / "queue.json", content)).read(),
    "run": run,
}


def survives(read: Reader, content: bytes, place: Path) -> str:
    """ "" where `read` gave a value or a sentence; else what it raised."""
    try:
        read(place, content)
    except UserError as error:
        return "" if str(error).strip() else "an empty sentence"
    except Exception as error:  # noqa: BLE001 - that there is another is what is looked for
        if type(error).__name__ in ("RowFault", "JSONDecodeError", "UnicodeDecodeError") and read is conversation:
            return ""  # `conversation` reads JSON for itself; a RowFault is told with its row by who asked
        return f"{type(error).__name__}: {error} for {content[:200]!r}"
    return ""


class Lines:
    """Which lines of the package have run."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._own = str(Path(training_pro.__file__).parent)

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._own):
            return None
        self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self


def mutated(content: bytes, other: bytes, luck: random.Random) -> bytes:
    """A few random changes: bytes replaced, cut out, doubled, or taken from another input."""
    made = bytearray(content)
    for _ in range(luck.randint(1, 4)):
        at, length = luck.randint(0, len(made)), luck.randint(0, 8)
        piece = luck.choice(
            (
                bytes([luck.randrange(256)]),
                b"",
                made[at : at + length] * 2,
                other[at : at + 20],
                b'"',
                b"[",
                b"{",
                b"9" * 20,
            )
        )
        made[at : at + length] = piece
    return bytes(made[:2000])


def fuzz(read: Reader, seconds: float, place: Path, luck: random.Random) -> Iterator[str]:
    """What went wrong with each input, "" for nothing, for so many seconds."""
    pool, lines = list(SEEDS), Lines()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        content, before = mutated(luck.choice(pool), luck.choice(pool), luck), len(lines.seen)
        sys.settrace(lines)
        try:
            wrong = survives(read, content, place)
        finally:
            sys.settrace(None)
        if len(lines.seen) > before:
            pool.append(content)
        yield wrong


def main() -> int:
    seconds, failed = float(sys.argv[1]) / len(READERS), 0
    for name, read in READERS.items():
        with tempfile.TemporaryDirectory() as folder:
            results = list(fuzz(read, seconds, Path(folder), random.Random(0)))
        wrong = sorted({result for result in results if result})
        failed += len(wrong)
        sys.stdout.write(f"{name}: {len(results) - sum(map(bool, results)):,} of {len(results):,} inputs\n")
        sys.stdout.writelines(f"  {result}\n" for result in wrong[:5])
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
