"""``demo``: the main job on the embedded model and the sample text, with the same prompt answered before and after."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.cli import common
from training_pro.cli.report import lines_of
from training_pro.cli.terminal import Bar, say
from training_pro.cli.train import train
from training_pro.settings import Settings

if TYPE_CHECKING:
    from training_pro.session import Session

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SAMPLE = "sample.txt"
NAME = "demo"


def add_options(parser: argparse.ArgumentParser) -> None:
    common.add_host_options(parser)


def demo_settings() -> Settings:
    """The settings of the demo: a small model learns a short text by heart in a few minutes on two cores."""
    values: dict[str, Any] = json.loads((ASSETS / "demo_settings.json").read_text(encoding="utf-8"))
    return Settings(name=NAME, text_file=SAMPLE, override=True, **values)


def run(options: argparse.Namespace) -> int:
    session = common.session_from(options)
    folders = session.host.folders
    shutil.copyfile(ASSETS / SAMPLE, folders.datasets / SAMPLE)
    settings = demo_settings()
    prompts = [entry["prompt"] for entry in json.loads((ASSETS / "sample_prompts.json").read_text(encoding="utf-8"))]
    with Bar() as bar:
        checked = session.check(settings, bar)
    for line in lines_of(checked):
        say(line)
    before = _answers(session, prompts)
    code = train(session, settings, "replace")
    if code == 0:
        session.host.use_lora(NAME)
        _compare(prompts, before, _answers(session, prompts))
        _list_files(folders.loras / NAME)
    return code


def _answers(session: Session, prompts: list[str]) -> list[str]:
    return [session.host.generate(prompt, 16).strip().split("\n")[0] for prompt in prompts]


def _compare(prompts: list[str], before: list[str], after: list[str]) -> None:
    for prompt, old, new in zip(prompts, before, after, strict=True):
        say(f"\n{prompt} ...\n  before: {old}\n  after:  {new}")


def _list_files(folder: Path) -> None:
    say(f"\nIn {folder}:")
    for path in sorted(folder.iterdir()):
        size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
        say(f"  {path.name + ('/' if path.is_dir() else ''):<32} {size / 1024:>10,.0f} kB")
