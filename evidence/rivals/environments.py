"""A virtual environment for each contender in build/rivals, made by plain pip and timed: `installed` costs minutes and
some gigabytes where it isn't made yet."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "rivals"
OURS, TRL, LLAMA_FACTORY, WEBUI = "ours", "trl", "llama-factory", "webui"
PACKAGES: dict[str, tuple[str, ...]] = {
    OURS: (str(ROOT),),
    TRL: ("trl==1.16.0", "peft"),
    LLAMA_FACTORY: ("llamafactory==0.9.5",),
}
# The registry's builds of them don't load beside a torch for processors, and then nothing does.
UNWANTED: dict[str, tuple[str, ...]] = {LLAMA_FACTORY: ("torchvision", "torchaudio")}
SHOWN = ("torch", "transformers", "peft", "trl", "llamafactory")


@dataclass(frozen=True)
class Environment:
    """`seconds`: wall time of the venv and pip, `cpu_s`: their processor time. `versions` of what matters."""

    name: str
    python: str
    seconds: float
    cpu_s: float
    versions: dict[str, str]


def installed(name: str, torch: str) -> Environment:
    """The environment, made first if it isn't there. `torch` is pip's word for the torch to install.

    Raises:
        RuntimeError: pip failed; its last words are in the message.
    """
    note = BUILT / name / "installed.json"
    if not note.is_file():
        began, before = time.monotonic(), children_cpu_s()
        python = str(BUILT / name / "bin" / "python")
        _run(sys.executable, "-m", "venv", "--clear", str(BUILT / name))
        _run(python, "-m", "pip", "install", "--quiet", torch, *PACKAGES[name])
        if name in UNWANTED:
            _run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *UNWANTED[name])
        spent = round(time.monotonic() - began, 1), round(children_cpu_s() - before, 1)
        made = Environment(name, python, *spent, versions(python))
        note.write_text(json.dumps(asdict(made)), encoding="utf-8")
    return Environment(**json.loads(note.read_text(encoding="utf-8")))


def webui(folder: Path, python: str) -> Environment:
    """The WebUI's own environment: the Python that was named, else the one of its installer."""
    python = python or str(folder / "installer_files" / "env" / "bin" / "python")
    return Environment(WEBUI, python, 0.0, 0.0, versions(python))


def children_cpu_s() -> float:
    """Processor time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def versions(python: str) -> dict[str, str]:
    asked = (
        "import json, importlib.metadata as m; have = {d.name.lower(): d.version for d in m.distributions()}; "
        f"print(json.dumps({{n: have[n] for n in {SHOWN!r} if n in have}}))"
    )
    found: dict[str, str] = json.loads(_run(python, "-c", asked))
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
