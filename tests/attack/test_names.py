"""Names and paths of LoRAs, data, formats, templates, presets, models and runs: none leads out of its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.attack.refusing import all_refused, complaint
from tests.promises import Cases
from training_pro.data.files import find_dataset
from training_pro.data.rendering.formats import load_format
from training_pro.data.rendering.templates import load_template
from training_pro.data.sources import files_state
from training_pro.folders import Folders
from training_pro.hosts.loaded import lora_folder
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.aside import delete_run, keep_aside, put_back, rename_run
from training_pro.record.checkpoints import checkpoints
from training_pro.record.names import check_name, run_folder
from training_pro.record.runs import write_notes
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.ui.presets import drop_preset, keep_preset, preset_values

WANDERING = (
    "..", "../x", "../../etc/passwd", "a/../../x", "a/../b", "/etc/passwd", "//server/share/x", "./../x",
    "..\\x", "\\\\server\\share", "C:\\x", "C:x", "~/x", "file:///etc/passwd", "....//x", "%2e%2e/x", "..%00/x",
)  # fmt: skip
ODD = (
    "", " ", "\t\n", "a\x00b", "\x00", "a\nb", "\x1b[31mred", "x" * 300, "文" * 300, "🙂", "\u202egpj", "\ud800",
    "-rf", "*", "?", "a|b", 'a"b', "<script>alert(1)</script>", "$(touch x)", "`id`", "{{7*7}}", "%s%n", "a:b",
)  # fmt: skip
RESERVED = (
    "CON", "nul", "AUX", "com1", "LPT9", "com¹", "CON ", " nul", "None", "none", "keys", "train", "lora", "old-np",
    ".", ".hidden", "v1.5", "name.", "name. ", "a.b.c", ".training_pro-np",
)  # fmt: skip
pytestmark = pytest.mark.promise("bad input")


def test_names_of_new_loras(folders: Folders, cases: Cases) -> None:
    names = (*WANDERING, *ODD, *RESERVED)
    attempts = {repr(name): partial(check_name, name) for name in names}
    attempts |= {f"folder {name!r}": partial(run_folder, folders, name) for name in names}
    attempts |= {repr(value): partial(check_name, value) for value in (None, 5, True, [], {}, b"x")}
    all_refused(attempts, folders.user_data, cases)


@pytest.mark.parametrize("kind", ["dataset", "format", "template", "lora", "preset", "preset to drop", "model"])
def test_names_of_what_is_there(kind: str, folders: Folders, tmp_path: Path, cases: Cases) -> None:
    for place in (tmp_path, folders.user_data, folders.user_data / "training"):
        for name in ("x", "x.json", "x.yaml", "config.json", "adapter_config.json"):
            (place / name).write_text('{"instruction,output": "%instruction%%output%"}')
    (folders.instruction_templates).mkdir(parents=True)
    host = StandaloneHost(folders)
    find = {
        "dataset": lambda name: find_dataset(name, folders.datasets),
        "format": lambda name: load_format(name, folders.formats),
        "template": lambda name: load_template(name, folders.instruction_templates),
        "lora": lambda name: lora_folder(folders.loras, name),
        "preset": lambda name: preset_values(name, folders),
        "preset to drop": lambda name: drop_preset(name, folders),
        "model": host.load,
    }[kind]
    # An empty dataset's name is refused before; an absolute one names a file of a person's own.
    names = [name for name in (*WANDERING, *ODD) if kind != "dataset" or (name.strip(" .") and name[0] != "/")]
    all_refused({repr(name): partial(find, name) for name in names}, tmp_path, cases)


@pytest.mark.parametrize("name", [*ODD, *WANDERING])
def test_looking_whether_files_have_changed_never_fails(name: str, folders: Folders) -> None:
    if "\x00" not in name and name != "\ud800":
        files_state(Settings(text_file=name, dataset=name, format=name, chat_template=name), folders)


def test_presets_are_kept_under_plain_names_alone(folders: Folders, cases: Cases) -> None:
    names = [*(name for name in (*WANDERING, *ODD)), "Defaults", "v1.5", "x" * 61]
    all_refused({repr(name): partial(keep_preset, name, {}, folders) for name in names}, folders.user_data, cases)


def test_runs_elsewhere_are_never_moved_noted_or_removed(folders: Folders, tmp_path: Path, cases: Cases) -> None:
    outside, inner = tmp_path / "outside", folders.loras / "mine" / "checkpoint-1"
    for folder in (outside, inner, folders.loras / ".hidden"):
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
    (folders.loras / "link").symlink_to(outside, target_is_directory=True)
    (folders.loras / "broken").symlink_to(tmp_path / "nowhere")
    (folders.loras / "file").write_text("x")
    places = [outside, inner, folders.loras, folders.user_data, Path("/"), Path(), folders.loras / ".hidden"]
    places += [folders.loras / name for name in ("link", "broken", "file", "gone", "..", "../outside", "mine/../link")]
    attempts = {}
    for place in places:
        attempts[f"delete {place}"] = partial(delete_run, folders, place)
        attempts[f"override {place}"] = partial(keep_aside, folders, place)
        attempts[f"rename {place}"] = partial(rename_run, folders, place, "new")
        attempts[f"put back {place}"] = partial(put_back, folders, place)
    for name in ("link", "broken", "file", "gone"):
        attempts[f"notes on {name}"] = partial(write_notes, folders.loras / name, "mine")
    for name in ("link", "broken", "file"):
        attempts[f"train {name}"] = partial(run_folder, folders, name)
    for name in ("../x", "link", "v1.5", "CON", "", "mine/x"):
        attempts[f"rename to {name}"] = partial(rename_run, folders, folders.loras / "mine", name)
    all_refused(attempts, tmp_path, cases)


def test_a_link_in_place_of_what_is_moved_aside_is_not_followed(folders: Folders, tmp_path: Path) -> None:
    outside, run = tmp_path / "outside", folders.loras / "mine"
    for folder in (outside, run):
        folder.mkdir()
    (run / "adapter_config.json").write_text("{}")
    (folders.loras / ".training_pro-np").symlink_to(outside, target_is_directory=True)
    assert not complaint(partial(delete_run, folders, run))
    assert not list(outside.iterdir()) and run.is_dir()


def test_files_of_a_run_that_are_links_are_replaced_not_written_through(folders: Folders, tmp_path: Path) -> None:
    secret, run = tmp_path / "secret", folders.loras / "mine"
    secret.write_text("mine")
    run.mkdir()
    for name in ("training_notes.md", "notes.txt", "training_notes.txt"):
        (run / name).symlink_to(secret)
    (folders.presets / "own.json").symlink_to(secret)
    write_notes(run, "other")
    keep_preset("own", {"rank": 4}, folders)
    drop_preset("own", folders)
    assert secret.read_text() == "mine"
    (run / "checkpoint-5").symlink_to(tmp_path, target_is_directory=True)
    assert checkpoints(run) == []


def test_names_asked_for_by_a_page_are_looked_up_and_never_joined(folders: Folders) -> None:
    """A page's own list holds the names; anything else is refused."""
    session = Session(StandaloneHost(folders))
    for name in (*WANDERING, *ODD):
        assert not complaint(partial(session.attach, name))
