"""One contender after another, each in a process of its own on one thread; what is done already is not run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evidence.rivals.contenders import BARE, BY_KIND, COMMON, CONTENDERS, DTYPES, KINDS, Contender, Kind, Way
from evidence.rivals.data import SHAPES, Data, data
from evidence.rivals.entries.watch import FIGURES, TRAINED
from evidence.rivals.environments import ROOT, WEBUI, Environment, children_cpu_s, installed, webui
from evidence.rivals.held_out import HeldOut
from evidence.rivals.results import Result, add, read
from evidence.rivals.text_loss import share_of_line_ends, share_trained

LONGEST_S = 600
BATCHES = "batches.pt"
ALONE = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Heat:
    """One contender with one kind of data in one precision; the round is its seed."""

    contender: Contender
    kind: Kind
    dtype: str
    round: int

    @property
    def result(self) -> Result:
        return Result(self.contender.name, self.contender.environment, self.kind, self.dtype, self.round)


def heats(rounds: int, only: str = "") -> Iterator[Heat]:
    """All of the first round, then all of the second: what is cut short is even. `only` those with this in the name."""
    for number in range(1, rounds + 1):
        for dtype in DTYPES:
            for kind in KINDS:
                yield from (Heat(one, kind, dtype, number) for one in CONTENDERS if only in one.name)


class Race:
    """`torch` is pip's word for the torch to install; `checkout` the WebUI's folder, if given, and `python` its own."""

    def __init__(self, torch: str, checkout: Path | None, python: str, model: Path) -> None:
        self._torch, self._checkout, self._python, self._model = torch, checkout, python, model
        self._data: Data = data()
        self._held_out = HeldOut(model)
        self._batches = tempfile.TemporaryDirectory(prefix="rivals-")  # the last batches of ours, for the bare loop

    def run(self, rounds: int, until: float, only: str = "") -> Iterator[Result]:
        """What is not done yet or failed, each result written before it is given; nothing is begun after `until`."""
        done = {result.key for result in read() if not result.why_not}
        for heat in heats(rounds, only):
            if time.monotonic() > until:
                return
            if heat.result.key not in done and self._takes_part(heat):
                if heat.contender == BARE and not self._batches_of(heat).is_file():
                    self._measured(replace(heat, contender=CONTENDERS[0]))
                result = self._measured(heat)
                add(result)
                yield result

    def _takes_part(self, heat: Heat) -> bool:
        return isinstance(heat.contender.ways[heat.kind], Way) and (
            heat.contender.environment != WEBUI or self._checkout is not None
        )

    def _batches_of(self, heat: Heat) -> Path:
        return Path(self._batches.name) / f"{heat.kind}-{heat.dtype}-{heat.round}.pt"

    def _environment(self, name: str) -> Environment:
        return webui(self._checkout, self._python) if name == WEBUI and self._checkout else installed(name, self._torch)

    def _measured(self, heat: Heat) -> Result:
        try:
            environment = self._environment(heat.contender.environment)
        except (RuntimeError, OSError) as error:
            return replace(heat.result, why_not=f"no environment for it: {str(error).splitlines()[0][:200]}")
        base = replace(
            heat.result, install_s=environment.seconds, install_cpu_s=environment.cpu_s, versions=environment.versions
        )
        with tempfile.TemporaryDirectory(prefix="rivals-") as name:
            folder = Path(name)
            self._data.write(folder)
            task = self._task(heat, folder)
            (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
            began, before = time.monotonic(), children_cpu_s()
            why_not = self._trained(heat, environment, folder)
            if why_not:
                return replace(base, why_not=why_not.replace(name, "…"))
            spent = {"run_s": time.monotonic() - began, "run_cpu_s": children_cpu_s() - before}
            if (folder / BATCHES).is_file():
                (folder / BATCHES).rename(self._batches_of(heat))
            return replace(base, **_rounded({**spent, **self._found(heat, folder, Path(task["out"]))}))

    def _task(self, heat: Heat, folder: Path) -> dict[str, Any]:
        way = heat.contender.ways[heat.kind]
        assert isinstance(way, Way)
        source = self._batches_of(heat) if way.shape == "batches" else folder / SHAPES[way.shape]
        numbers = {**COMMON, **BY_KIND[heat.kind], **({"batch": way.batch} if way.batch else {})}
        places = {"model": str(self._model), "data": str(source), "folder": str(folder)}
        chosen = {"kind": heat.kind, "dtype": heat.dtype, "seed": heat.round, "options": dict(way.options)}
        return {**numbers, **places, **chosen, "out": str(folder / "loras" / "race")}

    def _trained(self, heat: Heat, environment: Environment, folder: Path) -> str:
        """Run it; why there are no figures, or nothing."""
        entry = f"evidence.rivals.entries.{heat.contender.entry}"
        environ = {**os.environ, **ALONE, "PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(folder / "cache")}
        place = self._checkout if environment.name == WEBUI else folder
        try:
            done = subprocess.run(
                [environment.python, "-m", entry, str(folder / "task.json")],
                capture_output=True, text=True, check=False, cwd=place, env=environ, timeout=LONGEST_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not done after {LONGEST_S} s"
        if done.returncode or not (folder / FIGURES).is_file():
            sys.stderr.write(done.stdout[-1000:] + done.stderr[-3000:])
            return f"it failed: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1][:200]}"
        return ""

    def _found(self, heat: Heat, folder: Path, adapter: Path) -> dict[str, Any]:
        figures: dict[str, Any] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        trained: list[str] = json.loads((folder / TRAINED).read_text(encoding="utf-8"))
        lines = share_of_line_ends(self._data.text, trained) if heat.kind == "text" else 0.0
        return {
            **figures,
            "held_out_loss": self._held_out.loss(adapter, heat.kind, self._data),
            "share_trained": share_trained(self._data.pieces(heat.kind), trained),
            "line_ends": lines,
        }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
