from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.names import check_name, run_folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = Folders.under(tmp_path / "user_data")
    found.make()
    return found


@pytest.mark.parametrize("name", ["A", "My novel-style_2", "база", "नमूना शैली", "物語", "عربي", "x" * 100, "١٢", "Å"])
def test_good_names_of_any_script(name: str) -> None:
    assert check_name(name) == name
    assert check_name(f"  {name}\n") == name


def test_names_are_composed() -> None:
    assert check_name("A\u030angstro\u0308m") == unicodedata.normalize("NFC", "Ångström")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "no name"), ("   ", "no name"), (".", "dot"), ("..", "dot"), ("v1.5", "dot"), ("a\n.", "dot"),
        ("a\n/", "slash"), ("../x", "dot"),
        ("a/b", 'slash; write "-"'), ("/etc/passwd", "slash"), ("a\\b", "slash"), ("C:x", '":"'),
        ("a*b", "use letters"),
        ("a\x00b", "use letters"), ("a\nb", "use letters"), ("a\u202eb", "use letters"), ("a\udc80", "use letters"),
        ("<b>x</b>", "slash"), ("<b>", "use letters"), ("$x$", "use letters"), ("🙂", "use letters"),
        ("-rf", "begin with"), ("_x", "begin with"), ("\u0301x", "begin with"), ("CON", "Windows"), ("nul", "Windows"),
        ("Com1", "Windows"), ("LPT9", "Windows"), ("com¹", "Windows"), ("x" * 101, "101 characters"),
        ("文" * 90, "270 bytes"), ("old-np", "menu"), ("None", "reserved"), ("none", "reserved"), ("lora", "reserved"),
        ("r", "reserved"), ("keys", "reserved"), ("train", "reserved"),
    ],
)  # fmt: skip
def test_bad_names_get_one_sentence_with_a_way_out(name: str, word: str) -> None:
    with pytest.raises(RunError) as caught:
        check_name(name)
    sentence = str(caught.value)
    assert word in sentence
    assert sentence.isprintable() and sentence.endswith(".") and len(sentence) < 400


@pytest.mark.parametrize("name", [None, 5, b"x", ["x"]])
def test_what_is_no_text_is_no_name(name: object) -> None:
    with pytest.raises(RunError, match="must be text"):
        check_name(name)


@given(st.text(max_size=120))
def test_whatever_passes_is_safe_everywhere(text: str) -> None:
    try:
        name = check_name(text)
    except RunError:
        return
    assert Path(name).name == name and len(name.encode()) <= 200
    assert not set(name) & set('.\\/:*?"<>|\x00') and name == name.strip()
    assert check_name(name) == name


def test_no_name_that_passes_is_an_attribute_of_torch_s_containers() -> None:
    """Asked of a process of its own: other tests' libraries add attributes to torch's modules."""
    ask = "import torch; print(*{*dir(torch.nn.ModuleDict()), *dir(torch.nn.ParameterDict())})"
    words = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert "keys" in words
    for word in words:
        with pytest.raises(RunError):
            check_name(word)


def test_a_good_name_is_a_key_peft_can_use() -> None:
    container = torch.nn.ModuleDict()
    for name in ("My novel-style_2", "база", "x y"):
        container[check_name(name)] = torch.nn.Identity()


def test_the_folder_is_a_child_of_the_lora_folder(folders: Folders) -> None:
    assert run_folder(folders, " x ") == folders.loras / "x"
    (folders.loras / "x").mkdir()
    assert run_folder(folders, "x") == folders.loras / "x"


def test_links_and_files_in_its_place_are_refused(folders: Folders, tmp_path: Path) -> None:
    (folders.loras / "out").symlink_to(tmp_path, target_is_directory=True)
    (folders.loras / "broken").symlink_to(tmp_path / "nowhere")
    (folders.loras / "file").write_text("x")
    for name in ("out", "broken"):
        with pytest.raises(RunError, match="is a link"):
            run_folder(folders, name)
    with pytest.raises(RunError, match="is a file"):
        run_folder(folders, "file")


def test_capitals_do_not_make_another_folder_on_a_disk_that_ignores_them(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders.loras / "Novel").mkdir()
    assert run_folder(folders, "novel") == folders.loras / "novel"  # here they do
    (folders.loras / "novel").symlink_to(folders.loras / "Novel")  # stands for such a disk
    monkeypatch.setattr(Path, "is_symlink", lambda path: False)
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / "Novel"]))
    with pytest.raises(RunError, match='same folder as the LoRA "Novel"'):
        run_folder(folders, "novel")
