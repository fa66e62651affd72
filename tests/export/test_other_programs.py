"""What is written for other programs: the Modelfile that fits how a LoRA was trained, and the lines beside it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.record.adapters import make_adapter
from training_pro.export.forecast import ExportForecast, gguf_forecast, merge_forecast
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.other_programs import use_gguf, use_merged
from training_pro.folders import Folders
from training_pro.record.runs import SETTINGS_FILE
from training_pro.settings import Settings, to_json


@pytest.fixture
def lora(folders: Folders) -> Lora:
    run = make_adapter(folders.loras / "My Tales")
    base = folders.models / "Smol"
    base.mkdir(parents=True)
    (base / "config.json").write_text("{}")
    return open_lora(run, folders)


def trained_on(lora: Lora, **settings: Any) -> None:
    (lora.run / SETTINGS_FILE).write_text(to_json(Settings(name="tales", **settings)), encoding="utf-8")


def modelfile(lora: Lora, folders: Folders, base: str = "smol") -> list[str]:
    usage = use_gguf(lora, lora.run / "tales-lora-f32.gguf", folders, base)
    return usage.modelfile.read_text(encoding="utf-8").splitlines()


def test_a_lora_is_an_adapter_over_the_named_base(lora: Lora, folders: Folders) -> None:
    assert modelfile(lora, folders) == ["FROM smol", "ADAPTER ./tales-lora-f32.gguf"]


def test_a_gguf_of_the_base_in_the_models_folder_is_found(lora: Lora, folders: Folders) -> None:
    assert modelfile(lora, folders, "")[-2] == "FROM BASE", "a line to fill in"
    for name in ("Other.gguf", "smol-Q4_K_M.gguf"):
        (folders.models / name).touch()
    assert modelfile(lora, folders, "")[0] == f"FROM {folders.models / 'smol-Q4_K_M.gguf'}"


def test_a_texts_lora_continues_what_it_is_given(lora: Lora, folders: Folders) -> None:
    trained_on(lora, text_file="tales.txt")
    assert modelfile(lora, folders)[-1] == 'TEMPLATE """{{ .Prompt }}"""'


def test_rows_of_a_format_are_asked_in_it_and_end_where_the_next_would_begin(lora: Lora, folders: Folders) -> None:
    entry = {"instruction,output": "### Ask {{now}}:\n%instruction%\n### Say:\n%output%"}
    (folders.formats / "mine.json").write_text(json.dumps(entry), encoding="utf-8")
    trained_on(lora, dataset="rows.json", format="mine")
    written = "\n".join(modelfile(lora, folders))
    assert 'TEMPLATE """### Ask {{ "{{" }}now{{ "}}" }}:\n{{ .Prompt }}\n### Say:\n"""' in written
    assert 'PARAMETER stop "### Ask {{now}}:"' in written


def test_for_chats_the_base_brings_the_template(lora: Lora, folders: Folders) -> None:
    trained_on(lora, dataset="chats.jsonl")
    assert not any(line.startswith("TEMPLATE") for line in modelfile(lora, folders))


def test_commands_run_in_the_modelfiles_folder_and_keep_odd_paths_whole(lora: Lora, folders: Folders) -> None:
    file = lora.run / "tales-lora-f32.gguf"
    usage = use_gguf(lora, file, folders, "smol")
    into, create, run = map(shlex.split, usage.ollama)
    assert into == ["cd", str(lora.run)] and create[:3] == ["ollama", "create", "my-tales"]
    assert (lora.run / create[-1]) == usage.modelfile and run[-1] == "my-tales"
    assert shlex.split(usage.llama_cpp)[-2:] == ["--lora", str(file)]
    assert shlex.split(usage.textgen)[-2:] == ["--lora", file.as_posix()]


def test_a_merged_model_becomes_a_gguf_first(lora: Lora, folders: Folders, tmp_path: Path) -> None:
    folder = tmp_path / "Smol-My Tales"
    folder.mkdir()
    usage = use_merged(lora, folder, folders)
    made = shlex.split(usage.ollama[0])
    assert made[:3] == ["python", "convert_hf_to_gguf.py", str(folder)]
    gguf = Path(made[made.index("--outfile") + 1])
    assert f"FROM ./{gguf.name}" in (folder / "Modelfile").read_text(encoding="utf-8").splitlines()
    assert gguf.parent == folder and str(gguf) in usage.lm_studio and str(gguf) in usage.llama_cpp


def test_what_an_export_takes_is_known_before(tiny_folder: Path, tmp_path: Path, folders: Folders) -> None:
    from tests.fakes import save_tiny_lora

    lora = open_lora(save_tiny_lora(tiny_folder, folders.loras / "sea"), folders)
    half, whole = gguf_forecast(lora, "float16"), gguf_forecast(lora, "float32")
    assert whole.size_bytes == 2 * half.size_bytes > 0 and whole.memory_bytes == 0
    merged = merge_forecast(lora, folders, "bfloat16")
    weights = (tiny_folder / "model.safetensors").stat().st_size
    assert abs(merged.size_bytes - weights / 2) < 0.1 * weights and merged.memory_bytes > merged.size_bytes
    assert merged.fits and merged.target.name in merged.words()
    assert not ExportForecast(tmp_path, 2, 1, 0, 1).fits and not ExportForecast(tmp_path, 1, 2, 5, 4).fits
