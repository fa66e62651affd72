from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.record.adapters import NAME, make_adapter, tensors
from training_pro.errors import RunError
from training_pro.record.adapter_files import check_adapter, check_fits, convert_old_weights

MODULE = "model.layers.0.self_attn.q_proj"


class Trap:
    """Would make a file when unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_a_whole_adapter_tells_what_it_is(tmp_path: Path) -> None:
    info = check_adapter(make_adapter(tmp_path / "a", use_rslora=True))
    assert (info.base_model, info.rank, info.alpha, info.targets) == ("models/Smol", 4, 8.0, ("q_proj",))
    assert info.use_rslora and not info.use_dora
    assert info.shapes[f"{NAME}.lora_A.weight"] == (4, 8)
    assert info.weights_bytes > 200


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"peft_type": "IA3"}, "'IA3', not a LoRA"), ({"r": 0}, "rank r as 0"), ({"r": "4"}, "rank r as '4'"),
        ({"r": None}, "rank r"), ({"r": True}, "rank r"), ({"r": 8}, "different LoRAs"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit(tmp_path: Path, config: dict[str, object], words: str) -> None:
    with pytest.raises(RunError, match=words):
        check_adapter(make_adapter(tmp_path / "a", **config))


@pytest.mark.parametrize(
    "config",
    [{"lora_alpha": "x"}, {"target_modules": 5}, {"target_modules": "all-linear"}, {"rank_pattern": {"a": []}}],
)
def test_odd_values_that_do_no_harm_are_passed_over(tmp_path: Path, config: dict[str, object]) -> None:
    assert check_adapter(make_adapter(tmp_path / "a", **config)).rank == 4


def test_a_module_may_have_a_rank_of_its_own(tmp_path: Path) -> None:
    assert check_adapter(make_adapter(tmp_path / "a", rank=2, rank_pattern={"q_proj": 2})).rank == 4


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b"[" * 99999])
def test_a_broken_config_is_a_sentence(tmp_path: Path, raw: bytes) -> None:
    folder = make_adapter(tmp_path / "a")
    (folder / "adapter_config.json").write_bytes(raw)
    with pytest.raises(RunError, match=r"adapter_config.json (is not valid JSON|describes)"):
        check_adapter(folder)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "a")
    weights = folder / "adapter_model.safetensors"
    weights.rename(folder / "adapter_model.bin")
    with pytest.raises(RunError, match="convert it"):
        check_adapter(folder)
    (folder / "adapter_model.bin").unlink()
    with pytest.raises(RunError, match="unfinished"):
        check_adapter(folder)
    (folder / "adapter_config.json").unlink()
    with pytest.raises(RunError, match="has no adapter_config.json"):
        check_adapter(folder)


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "a")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(RunError, match="truncated"):
        check_adapter(folder)


def test_another_base_model_is_told_by_its_modules(tmp_path: Path) -> None:
    info = check_adapter(make_adapter(tmp_path / "a"))
    check_fits(info, {MODULE: (6, 8), "lm_head": (100, 8)})
    with pytest.raises(RunError, match="which the loaded model lacks. Load its base model .models/Smol"):
        check_fits(info, {"transformer.h.0.attn": (6, 8)})
    for shape in ((6, 9), (5, 8)):
        with pytest.raises(RunError, match="where the loaded model has [95]"):
            check_fits(info, {MODULE: shape})


def test_old_weights_are_written_on_unchanged(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    shared = torch.ones(3, 4)
    old = {**tensors(), "x.lora_B.weight": shared, "y.lora_B.weight": shared.t().contiguous().t()}
    torch.save(old, folder / "adapter_model.bin")
    new = convert_old_weights(folder)
    found = load_file(new)
    assert found.keys() == old.keys() and all(torch.equal(found[name], old[name]) for name in old)
    assert (folder / "adapter_model.bin").exists()
    assert check_adapter(folder).rank == 4
    before = new.stat().st_mtime_ns
    assert convert_old_weights(folder) == new and new.stat().st_mtime_ns == before


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "run"
    for name, save in (("torch", torch.save), ("plain", lambda value, path: path.write_bytes(pickle.dumps(value)))):
        folder = tmp_path / name
        folder.mkdir()
        save({"a": Trap(mark)}, folder / "adapter_model.bin")
        with pytest.raises(RunError, match="can't be read safely"):
            convert_old_weights(folder)
        assert [path.name for path in folder.iterdir()] == ["adapter_model.bin"]
    assert not mark.exists()


@pytest.mark.parametrize(
    "value", [{}, [torch.zeros(1)], {"a": 1}, {1: torch.zeros(1)}, torch.zeros(1), {"a": torch.eye(2).to_sparse()}]
)
def test_what_is_no_set_of_named_weights_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "adapter_model.bin")
    with pytest.raises(RunError, match="something other than named weights|can't be read safely"):
        convert_old_weights(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"x", b"PK\x03\x04" + b"\0" * 50, b"\x80\x02", json.dumps({}).encode()])
def test_rubbish_as_old_weights_is_a_sentence(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(raw)
    with pytest.raises(RunError, match="Download it again"):
        convert_old_weights(tmp_path)


def test_nothing_to_convert(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no adapter_model.bin"):
        convert_old_weights(tmp_path)
