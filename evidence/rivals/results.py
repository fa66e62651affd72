"""Results, a JSON line for each contender, kind of data, precision and round, in results/rivals.jsonl."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evidence.results import RESULTS

NAME = "rivals.jsonl"


@dataclass(frozen=True)
class Result:
    """`tokens` went through the model without padding, `learned` were trained, `computed` is with padding. `loop`:
    from the start of the first update to the end of the last, of which `looks` are those of ours
    whether the LoRA makes the model worse; `run`: the process. `why_not`: in place of figures."""

    contender: str
    environment: str
    kind: str
    dtype: str
    round: int
    why_not: str = ""
    tokens: int = 0
    learned: int = 0
    computed: int = 0
    updates: int = 0
    loop_s: float = 0.0
    loop_cpu_s: float = 0.0
    loop_kernel_s: float = 0.0
    looks_cpu_s: float = 0.0
    growth_mb: float = 0.0
    peak_mb: float = 0.0
    run_s: float = 0.0
    run_cpu_s: float = 0.0
    held_out_loss: float = 0.0
    share_trained: float = 0.0
    line_ends: float = 0.0
    install_s: float = 0.0
    install_cpu_s: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.contender, self.kind, self.dtype, self.round

    @property
    def tokens_a_cpu_s(self) -> float:
        return self.tokens / self.loop_cpu_s


def read(folder: Path = RESULTS) -> list[Result]:
    path = folder / NAME
    if not path.is_file():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def add(result: Result, folder: Path = RESULTS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
