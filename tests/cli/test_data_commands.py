"""The commands on datasets: what they make, where it goes, and how they refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from training_pro.cli.main import main
from training_pro.folders import Folders

TASKS: list[dict[str, Any]] = [{"instruction": f"q {i}", "input": "", "output": f"a {i}"} for i in range(10)]


@pytest.fixture
def rows(folders: Folders) -> Path:
    path = folders.datasets / "tasks.json"
    path.write_text(json.dumps(TASKS), encoding="utf-8")
    return path


def call(folders: Folders, *arguments: str) -> int:
    return main([*arguments, "--user-data", str(folders.user_data)])


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_split(folders: Folders, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folders, "split", "tasks.json", "--percent", "30", "--seed", "1") == 0
    train, evaluation = map(Path, capsys.readouterr().out.splitlines())
    assert train.parent == folders.datasets
    assert (len(lines(train)), len(lines(evaluation))) == (7, 3)
    assert call(folders, "split", "tasks.json") == 2
    assert "tasks_train.jsonl already exists" in capsys.readouterr().err
    assert call(folders, "split", "tasks.json", "--overwrite") == 0
    assert len(lines(evaluation)) == 1  # a tenth


def test_a_dataset_may_be_given_by_its_path(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.json").write_text(json.dumps(TASKS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert call(folders, "split", "elsewhere/mine.json") == 0
    assert Path(capsys.readouterr().out.splitlines()[0]) == folders.datasets / "mine_train.jsonl"


def test_rows_to_jsonl(folders: Folders, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folders, "rows-to-jsonl", "tasks.json", "--system", "Be brief.") == 0
    made = lines(Path(capsys.readouterr().out.strip()))
    assert [turn["content"] for turn in made[0]["messages"]] == ["Be brief.", "q 0", "a 0"]
    assert len(made) == 10


def test_text_to_jsonl(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    (folders.datasets / "t.txt").write_text("One.***Two.", encoding="utf-8")
    assert call(folders, "text-to-jsonl", "t.txt", "--prompt", "Tell me.", "--hard-cut", "***") == 0
    made = lines(Path(capsys.readouterr().out.strip()))
    assert [[turn["content"] for turn in row["messages"]] for row in made] == [
        ["Tell me.", "One."],
        ["Tell me.", "Two."],
    ]


def test_unwrap(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    line = "The fox of the long grey tower ran over the hill and down to the harbour, where"
    book = folders.datasets / "book"
    book.mkdir()
    for name in ("1.txt", "2.txt"):
        (book / name).write_text(f"{line}\n{line}\nit slept.\n", encoding="utf-8")
    assert call(folders, "unwrap", "book") == 0
    said = capsys.readouterr()
    made = Path(said.out.strip())
    assert made == folders.datasets / "book_unwrapped.txt" and "4 line ends" in said.err
    assert made.read_text(encoding="utf-8").split("\n\n\n\n") == [
        f"{line} {line} it slept.",
        f"{line} {line} it slept.\n",
    ]
    assert call(folders, "unwrap", "book") != 0
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "begins"), [([], "<|im_start|>The"), (["--no-ends"], "The"), (["--evaluation"], "<|im_start|>The")]
)
def test_dump(
    folders: Folders, tiny_folder: Path, tmp_path: Path, options: list[str], begins: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    text = "\n\n\n".join(f"The fox of tower {n} ran." for n in range(40))
    (folders.datasets / "t.txt").write_text(text, encoding="utf-8")
    settings, target = tmp_path / "s.json", tmp_path / "blocks.jsonl"
    settings.write_text('{"text_file": "t.txt", "eval_percent": 10}', encoding="utf-8")
    arguments = ["dump", str(settings), str(target), "--model", str(tiny_folder), "--no-4bit", *options]
    assert call(folders, *arguments) == 0
    made = lines(target)
    assert len(made) == (4 if "--evaluation" in options else 36)
    assert all(row["text"].startswith(begins) and row["kind"] == "packed" for row in made)
    assert f"{len(made)} blocks are in {target}" in capsys.readouterr().out
    assert call(folders, *arguments) == 2
    assert "already exists" in capsys.readouterr().err


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "far.jsonl").write_text('{"text": "far"}\n' * 200_000, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/far.jsonl"
    server.shutdown()
    server.server_close()


def test_download(folders: Folders, site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folders, "download", site) == 2
    assert "allow private addresses" in capsys.readouterr().err
    assert call(folders, "download", site, "--allow-private", "--max-mb", "1") == 2
    assert "at most 1,048,576 are fetched" in capsys.readouterr().err
    assert not list(folders.datasets.iterdir())
    assert call(folders, "download", site, "--allow-private") == 0
    assert len(lines(Path(capsys.readouterr().out.strip()))) == 200_000
    assert call(folders, "download", site, "--allow-private") == 2
    assert "far.jsonl already exists" in capsys.readouterr().err
    assert call(folders, "download", site, "--allow-private", "--overwrite") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["split", "none.json"], "none.json"),
        (["split", "tasks.json", "--percent", "0"], "between 0 and 100"),
        (["rows-to-jsonl", "../tasks.json"], "'../tasks.json'"),
        (["text-to-jsonl", "tasks.json", "--prompt", "x"], "tasks.json holds rows"),
        (["unwrap", "tasks.json"], "tasks.json holds rows"),
        (["download", "ftp://host/a.txt"], "http://"),
        (["download", "http://host/a.exe"], "must end in one of"),
    ],
)
def test_a_fault_is_one_sentence(
    arguments: list[str], said: str, folders: Folders, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folders, *arguments) == 2
    told = capsys.readouterr().err.strip()
    assert said in told and "Traceback" not in told and "\n" not in told
    assert list(folders.datasets.iterdir()) == [rows]


def test_a_size_that_is_none_is_a_wrong_call(folders: Folders) -> None:
    with pytest.raises(SystemExit) as caught:
        call(folders, "download", "http://host/a.txt", "--max-mb", "0")
    assert caught.value.code == 2


def test_the_files_are_listed_and_what_can_not_be_used(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.txt", "b.jsonl", "c.mobi"):
        (folders.datasets / name).write_text("x")
    assert call(folders, "files") == 0
    told = capsys.readouterr()
    assert told.out.split() == ["text", "a.txt", "rows", "b.jsonl"]
    assert "c.mobi" in told.err and "epub" in told.err
