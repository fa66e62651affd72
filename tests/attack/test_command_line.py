"""Command lines that can't be: each ends with its exit code and one sentence on standard error, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.refusing import listing
from tests.promises import Cases
from training_pro.cli.main import main
from training_pro.data.rendering.formats import ship_formats
from training_pro.folders import Folders

pytestmark = pytest.mark.promise("bad input")
# {there}: a settings file that can be read, {text}: a text, {none}: no such place, {junk}: a file of rubbish
LINES = (
    "", "nonsense", "--nonsense", "train --nonsense", "train {there} --existing maybe",
    "train {there} --on-top --existing refuse", "train {none}", "train {junk}", "train {text}", "train",
    "train {there} --set rank", "train {there} --set rank=NaN", "train {there} --set name=../x --dry-run",
    "train {there} --set name=CON --dry-run", "train {there} --dry-run --set name=", "train {there} --set name=v1.5",
    "train {there} --set name=a/b", "train {there} --set rank=0 --set alpha=no", "train {there} --model {none}",
    "train {there} --model {text}", "train {there} --quantization 3-bit", "train {there} --dtype float99",
    "verify {none}", "verify {junk} --json",
    "verify {there} --set text_file=", "batch-size {none}", "sentences",
    "sentences {none}", "sentences {junk}", "blocks {none}", "blocks {text} --max-tokens many",
    "blocks {text} --max-tokens -1", "blocks {text} --max-tokens 99999999999", "blocks {text} --eos sometimes",
    "blocks {text} --tokenizer {none}", "blocks {text} --tokenizer {junk}", "blocks {text} --min-chars -5", "download",
    "download file:///etc/passwd", "download ftp://a/b.txt", "download http://127.0.0.1/a.txt",
    "download http://localhost/a.txt", "download http://[::1]/a.txt", "download http://a/b.txt --max-mb 0",
    "download http://a/b.txt --max-mb NaN", "download http://a/b.exe", "download http://169.254.169.254/a.txt",
    "split {none}", "split ../x.jsonl", "split {junk} --percent NaN", "split {junk} --percent 500",
    "rows-to-jsonl {none}", "rows-to-jsonl ../x", "text-to-jsonl {none}", "text-to-jsonl ../x", "unwrap {none}",
    "unwrap {junk}", "dump {none}", "merge",
    "merge nobody", "merge ../x", "gguf nobody", "gguf ../x", "perplexity", "perplexity gone.txt --model {none}",
    "control", "control nobody status", "control ../x pause", "queue nonsense", "queue remove nobody",
    "experiment {none}", "experiment {there} rank", "experiment {there} rank=", "settings --nonsense",
)  # fmt: skip


@pytest.fixture
def places(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    ship_formats(folders.formats)  # which the first command of any kind does
    (folders.datasets / "t.txt").write_text("The hen slept. The fox did not.")
    files = {"there": tmp_path / "s.json", "junk": tmp_path / "junk", "text": folders.datasets / "t.txt"}
    files["there"].write_text('{"name": "mine", "text_file": "t.txt"}')
    files["junk"].write_bytes(bytes(range(256)))
    monkeypatch.chdir(tmp_path)
    return {**{name: str(path) for name, path in files.items()}, "none": str(tmp_path / "nowhere")}


def test_command_lines(
    places: dict[str, str], folders: Folders, capsys: pytest.CaptureFixture[str], cases: Cases
) -> None:
    wrong, before = {}, listing(folders.user_data.parent)
    for line in LINES:
        what = answered(line.format(**places).split(), capsys)
        if listing(folders.user_data.parent) != before:
            what = what or f"wrote {sorted(set(listing(folders.user_data.parent)) - set(before))}"
            before = listing(folders.user_data.parent)
        cases.count(not what)
        if what:
            wrong[line] = what
    assert not wrong, "\n".join(f"{line}: {what}" for line, what in wrong.items())


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with the answer; "" if it is a refusal as it should be."""
    try:
        code = main(arguments)
    except SystemExit as end:  # argparse: the usage, and one line
        code = int(end.code or 0)
    except Exception as error:  # noqa: BLE001 - that none gets out is what is tested
        return f"{type(error).__name__}: {str(error)[:200]}"
    said = capsys.readouterr().err
    if not code:
        return "went through"
    last = said.strip().splitlines()[-1] if said.strip() else ""
    return "" if 10 < len(last) < 600 and "Traceback" not in said else f"said {said[-300:]!r}"
