"""What comes with a model: adapters, model folders, tokenizers and chat templates that are wrong, broken or hostile."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.attack.refusing import all_refused, complaint, listing
from tests.data.chat_templates import CHATML
from tests.data.tiny import tiny_tokenizer
from tests.fakes import save_tiny_lora
from tests.promises import Cases
from tests.record.adapters import NAME, make_adapter, tensors
from training_pro.data.prepare import prepare
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.hosts.lora_in_use import LoraInUse
from training_pro.hosts.model_folder import load_model_folder
from training_pro.record.adapter_files import check_adapter, check_fits, convert_old_weights
from training_pro.settings import Settings

pytestmark = pytest.mark.promise("bad input")
WEIGHTS, CONFIG, PICKLED = "adapter_model.safetensors", "adapter_config.json", "adapter_model.bin"
MODULE = NAME.removeprefix("base_model.model.")
DEEP = "[" * 100_000


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def place(start: int, end: int, shape: tuple[int, ...] = (2,), kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


WEIGHT_FILES: dict[str, bytes] = {
    "empty": b"",
    "seven bytes": bytes(7),
    "a header of no bytes": safetensors(b""),
    "a header of 2**63 bytes": safetensors({}, length=2**63),
    "a header of 99 MB that is not there": safetensors({}, length=99_000_000),
    "a header past the end": safetensors({}, length=50),
    "a header that is no JSON": safetensors(b"nonsense"),
    "a header in latin-1": safetensors(b'{"\xe9": 1}'),
    "a nested header": safetensors(DEEP.encode()),
    "a header of digits": safetensors(b"1" * 9999),
    "a list as header": safetensors([]),
    "nothing in it": safetensors({}),
    "only metadata": safetensors({"__metadata__": {"format": "pt"}}),
    "overlapping": safetensors({"a": place(0, 8), "b": place(4, 12)}, bytes(12)),
    "one on the other": safetensors({"a": place(0, 8), "b": place(0, 8)}, bytes(8)),
    "a gap": safetensors({"a": place(0, 8), "b": place(12, 20)}, bytes(20)),
    "a gap before the first": safetensors({"a": place(8, 16)}, bytes(16)),
    "backwards": safetensors({"a": place(8, 0)}, bytes(8)),
    "past the end": safetensors({"a": place(0, 8)}, bytes(4)),
    "bytes left over": safetensors({"a": place(0, 8)}, bytes(9)),
    "2**62 items": safetensors({"a": place(0, 8, (2**31, 2**31))}, bytes(8)),
    "numbers of 4,000 digits": safetensors({"a": {**place(0, 8), "shape": [10**4000, 0.5]}}, bytes(8)),
    "negative": safetensors({"a": place(-8, 0)}, bytes(8)),
    "an unknown kind": safetensors({"a": place(0, 8, kind="F3")}, bytes(8)),
    "no offsets": safetensors({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "a name of 100 kB": safetensors({"x" * 100_000: place(0, 4)}, bytes(8)),
    "zeros": bytes(5000),
    "a page": b"<!doctype html><title>404</title>" * 20,
    "a pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "another rank": safetensors(
        {f"{NAME}.lora_A.weight": place(0, 64, (2, 8)), f"{NAME}.lora_B.weight": place(64, 112, (6, 2))}, bytes(112)
    ),
}
CONFIGS: dict[str, Any] = {
    "empty": b"",
    "no JSON": b"{oops",
    "zeros": bytes(100),
    "latin-1": b'{"\xe9": 1}',
    "nested": DEEP.encode(),
    "5,000 digits": b'{"peft_type": "LORA", "r": ' + b"1" * 5000 + b"}",
    "a list": [],
    "nothing in it": {},
    "another kind": {"peft_type": "IA3"},
    "a kind of 100 kB": {"peft_type": "x" * 100_000},
    "a list as kind": {"peft_type": ["LORA"] * 1000},
    **{f"rank {str(rank)[:9]}": {"peft_type": "LORA", "r": rank} for rank in (0, -1, 1.5, "4", True, None, [4], {}, 7)},
    "a rank of 4,000 digits": {"peft_type": "LORA", "r": 10**4000},
    "a rank of -4,000 digits": {"peft_type": "LORA", "r": -(10**4000)},
    "an alpha of 4,000 digits": {"peft_type": "LORA", "r": 4, "lora_alpha": 10**4000},
    "an infinite alpha": b'{"peft_type": "LORA", "r": 4, "lora_alpha": Infinity}',
    "not a number as alpha": b'{"peft_type": "LORA", "r": 4, "lora_alpha": NaN}',
}


def test_adapters(tmp_path: Path, cases: Cases) -> None:
    attempts = {}
    for number, (name, content) in enumerate(WEIGHT_FILES.items()):
        folder = make_adapter(tmp_path / f"w{number}")
        (folder / WEIGHTS).write_bytes(content)
        attempts[f"weights: {name}"] = partial(check_adapter, folder)
    for number, (name, content) in enumerate(CONFIGS.items()):
        folder = make_adapter(tmp_path / f"c{number}")
        (folder / CONFIG).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        attempts[f"config: {name}"] = partial(check_adapter, folder)
    for name in (WEIGHTS, CONFIG):
        folder = make_adapter(tmp_path / f"no {name}")
        (folder / name).unlink()
        attempts[f"no {name}"] = partial(check_adapter, folder)
        folder = make_adapter(tmp_path / f"folder {name}")
        (folder / name).unlink()
        (folder / name).mkdir()
        attempts[f"{name} is a folder"] = partial(check_adapter, folder)
    info = check_adapter(make_adapter(tmp_path / "a", base_model_name_or_path="x" * 100_000))
    for name, shapes in {
        "none": {},
        "other": {MODULE: (6, 9)},
        "turned": {MODULE: (8, 6)},
        "deeper": {"x": (6, 8)},
    }.items():
        attempts[f"another base: {name}"] = partial(check_fits, info, shapes)
    all_refused(attempts, tmp_path, cases)


def pickles(mark: Path) -> dict[str, Callable[[Path], Any]]:
    """How a file that would make the folder `mark` is written, and files that hold no weights."""
    plain = pickle.dumps({"a": Trap(mark)})
    return {
        "plain": lambda path: path.write_bytes(plain),
        "of protocol 0": lambda path: path.write_bytes(pickle.dumps(Trap(mark), 0)),
        "of torch": lambda path: torch.save({"a": Trap(mark)}, path),
        "of old torch": lambda path: torch.save({"a": Trap(mark)}, path, _use_new_zipfile_serialization=False),
        "beside weights": lambda path: torch.save({**tensors(), "a": Trap(mark)}, path),
        "as a name": lambda path: torch.save({Trap(mark): torch.zeros(1)}, path),
        "cut short": lambda path: path.write_bytes(plain[:-3]),
        "a zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
        "empty": lambda path: path.write_bytes(b""),
        "a list": lambda path: torch.save([torch.zeros(1)], path),
        "a number": lambda path: torch.save({"a": 5}, path),
    }


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.promise("no one in")
def test_pickles_are_refused_and_never_run(tmp_path: Path, cases: Cases) -> None:
    mark, attempts = tmp_path / "run", {}
    for name, write in pickles(mark).items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder / PICKLED)
        attempts[name] = partial(convert_old_weights, folder)
        disguised = make_adapter(tmp_path / f"{name} in disguise")
        write(disguised / WEIGHTS)
        attempts[f"{name} in disguise"] = partial(check_adapter, disguised)
    all_refused(attempts, tmp_path, cases)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.is_dir(), "the trap works"


HOSTILE_LORAS: dict[str, dict[str, Any]] = {
    "another rank": {"r": 2},
    "no rank": {"r": 0},
    "other targets": {"target_modules": ["o_proj"]},
    "targets that are not there": {"target_modules": ["nowhere"]},
    "another kind": {"peft_type": "NO_SUCH"},
    "text as rank": {"r": "four"},
    "an alpha that is text": {"lora_alpha": "loud"},
}


def test_loras_that_do_not_fit_leave_the_model_as_it_was(
    tiny_folder: Path, tiny_model: LoadedModel, tmp_path: Path, cases: Cases
) -> None:
    good = save_tiny_lora(tiny_folder, tmp_path / "good")
    attempts: dict[str, Callable[[], Any]] = {}
    for name, changes in HOSTILE_LORAS.items():
        folder = shutil.copytree(good, tmp_path / name)
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**config, **changes}))
        attempts[name] = partial(LoraInUse, tiny_model.model, folder, name)
    for name in ("cut short", "empty", "a gap", "a page"):
        folder = shutil.copytree(good, tmp_path / name)
        content = (good / WEIGHTS).read_bytes()[:-10] if name == "cut short" else WEIGHT_FILES[name]
        (folder / WEIGHTS).write_bytes(content)
        attempts[name] = partial(LoraInUse, tiny_model.model, folder, name)
    trapped = shutil.copytree(good, tmp_path / "trapped")
    (trapped / WEIGHTS).unlink()
    torch.save({"a": Trap(tmp_path / "run")}, trapped / PICKLED)
    attempts["trapped"] = partial(LoraInUse, tiny_model.model, trapped, "trapped")
    before = {name: value.clone() for name, value in tiny_model.model.state_dict().items()}
    modules = [name for name, _ in tiny_model.model.named_modules()]
    all_refused(attempts, tmp_path, cases)
    after = tiny_model.model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    assert [name for name, _ in tiny_model.model.named_modules()] == modules
    assert not (tmp_path / "run").exists()


MODEL_FILES: dict[str, dict[str, bytes | None]] = {
    "no config": {"config.json": None},
    "an empty config": {"config.json": b""},
    "zeros as config": {"config.json": bytes(200)},
    "a nested config": {"config.json": DEEP.encode()},
    "a config of 5,000 digits": {"config.json": b"1" * 5000},
    "a config in latin-1": {"config.json": b'{"model_type": "\xe9"}'},
    "a list as config": {"config.json": b"[]"},
    "no type": {"config.json": b"{}"},
    "an unknown type": {"config.json": b'{"model_type": "no-such"}'},
    "a list as type": {"config.json": b'{"model_type": ["llama"]}'},
    "no heads": {"config.json": b'{"model_type": "llama", "num_attention_heads": 0}'},
    "a size as text": {"config.json": b'{"model_type": "llama", "hidden_size": "large"}'},
    "a negative size": {"config.json": b'{"model_type": "llama", "hidden_size": -64}'},
    "no weights": {"model.safetensors": None},
    "empty weights": {"model.safetensors": b""},
    "weights cut short": {"model.safetensors": b"\x10\0\0\0"},
    "weights that overlap": {"model.safetensors": WEIGHT_FILES["overlapping"]},
    "weights that are a page": {"model.safetensors": WEIGHT_FILES["a page"]},
    "only gguf rubbish": {"config.json": None, "model.safetensors": None, "m.gguf": b"GGUF" + bytes(50)},
    "no tokenizer": {"tokenizer.json": None, "tokenizer_config.json": None},
    "an empty tokenizer": {"tokenizer.json": b""},
    "a tokenizer of nothing": {"tokenizer.json": b"{}"},
    "a nested tokenizer": {"tokenizer.json": DEEP.encode()},
    "a tokenizer that is a page": {"tokenizer.json": b"<html>"},
    "a broken tokenizer config": {"tokenizer_config.json": b"{oops"},
}


def test_model_folders(tiny_folder: Path, tmp_path: Path, cases: Cases) -> None:
    attempts: dict[str, Callable[[], Any]] = {}
    for name, files in MODEL_FILES.items():
        folder = shutil.copytree(tiny_folder, tmp_path / name)
        for file, content in files.items():
            (folder / file).unlink(missing_ok=True)
            if content is not None:
                (folder / file).write_bytes(content)
        attempts[name] = partial(load_model_folder, folder, load_in_4bit=False, dtype="float32")
    trapped = shutil.copytree(tiny_folder, tmp_path / "trapped")
    (trapped / "model.safetensors").unlink()
    torch.save({"a": Trap(tmp_path / "run")}, trapped / "pytorch_model.bin")
    attempts["a pickle that does something"] = partial(load_model_folder, trapped, load_in_4bit=False)
    for name, place_ in {"nowhere": tmp_path / "nowhere", "a file": trapped / "config.json", "/": Path("/")}.items():
        attempts[name] = partial(load_model_folder, place_, load_in_4bit=False)
    all_refused(attempts, tmp_path, cases)
    assert not (tmp_path / "run").exists()


@pytest.mark.promise("no one in")
def test_code_that_comes_with_a_model_is_never_run(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'run')!r})\n")
    calls = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "evil", "auto_map": calls}
    (folder / "config.json").write_text(json.dumps(config))
    assert not complaint(partial(load_model_folder, folder, load_in_4bit=False))
    assert not (tmp_path / "run").exists()


BAD_TEMPLATES: dict[str, str] = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}",
    "loops for a system": CHATML.replace(
        "{%",
        "{% if messages[0].role == 'system' %}{% for a in range(99999) %}"
        "{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}{%",
        1,
    ),
    "too long a range": "{% for a in range(10**9) %}x{% endfor %}",
    "a range too long": "{% for a in range(999999) %}x{% endfor %}",
    "a power": "{{ 10**10**10 }}",
    "a large number": "{{ 'x' * 9999999999 }}",
    "a large hexadecimal number": "{{ 'x' * 0xffffffffff }}",
    "a large number with underscores": "{{ 'x' * 9_999_999_999 }}",
    "a wide field": "{{ 'x'|center(9999999999) }}",
    "10 MB": "{% for a in range(10000) %}{{ 'x' * 1000 }}{% endfor %}",
    "a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a class by attr": "{{ (''|attr('__class__')).__mro__ }}",
    "a class by index": "{{ ''['__class__']['__mro__'] }}",
    "globals": "{{ messages.append.__globals__ }}",
    "globals of a function": "{{ raise_exception.__globals__['os'].system('touch OWNED') }}",
    "globals of cycler": "{{ cycler.__init__.__globals__.os.popen('touch OWNED').read() }}",
    "globals of lipsum": "{{ lipsum.__globals__['os'].popen('touch OWNED').read() }}",
    "builtins by format": "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "builtins by format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "an import": "{% import 'os' as os %}",
    "an include": "{% include '/etc/passwd' %}",
    "extends": "{% extends 'base' %}",
    "changes the messages": "{{ messages.clear() }}",
    "takes from the messages": "{{ messages.pop() }}",
    "raises": "{{ raise_exception('no') }}",
    "raises much": "{{ raise_exception('no\\n' * 9999) }}",
    "divides by nothing": "{{ 1 / 0 }}",
    "an unknown filter": "{{ messages|nonsense }}",
    "an unknown name": "{{ nonsense.more.less }}",
    "recurses": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "broken off": "{% for message in messages",
    "no end": "{% for message in messages %}x",
    "nested": "{{ " + "(" * 5000 + " }}",
    "writes nothing": "",
    "writes no answer": "hello",
    "writes the answer twice": "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
    "writes objects": "{{ messages }}{{ messages }}",
}
CHAT = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


@pytest.mark.promise("no one in")
@pytest.mark.parametrize("own", [True, False])
def test_chat_templates(own: bool, folders: Folders, cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.data.rendering.templates.PROBE_SECONDS", 0.5)
    (folders.datasets / "a.jsonl").write_text(CHAT)
    folders.instruction_templates.mkdir(parents=True)
    attempts = {}
    for number, (name, template) in enumerate(BAD_TEMPLATES.items()):
        if own and not template:
            template = " "
        (folders.instruction_templates / f"t{number}.jinja").write_text(template)
        settings = Settings(dataset="a.jsonl", chat_template="" if own else f"t{number}")
        tokenizer = tiny_tokenizer(template if own else CHATML)
        attempts[name] = partial(prepare, settings, tokenizer, folders, cache=False)
    all_refused(attempts, folders.user_data, cases)
    assert not Path("OWNED").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"a: [", b"[]", b"instruction_template:", b"instruction_template: 5", b"instruction_template: ' '",
     b"instruction_template: 2024-13-45", b"&a [*a]", b"a: !!python/object/apply:os.mkdir [OWNED]", b"[" * 5000,
     b"instruction_template: [a]", b"other: text", bytes(100), b"0x" + b"f" * 9999],
)  # fmt: skip
def test_template_files(content: bytes, folders: Folders, cases: Cases) -> None:
    (folders.datasets / "a.jsonl").write_text(CHAT)
    folders.instruction_templates.mkdir(parents=True)
    (folders.instruction_templates / "t.yaml").write_bytes(content)
    attempt = partial(prepare, Settings(dataset="a.jsonl", chat_template="t"), tiny_tokenizer(CHATML), folders)
    all_refused({str(content[:30]): attempt}, folders.user_data, cases)
    assert not Path("OWNED").exists()


ODD_TOKENIZERS: dict[str, dict[str, Any]] = {
    "no EOS": {"eos": None},
    "no BOS": {"bos": None},
    "neither": {"bos": None, "eos": None},
    "BOS is EOS": {"bos": "</s>"},
    "no control tokens": {"control": ()},
    "BOS of its own accord": {"adds_bos": True},
}


@pytest.mark.parametrize("name", ODD_TOKENIZERS)
@pytest.mark.parametrize("pad", [None, "</s>", "<pad>"])
def test_odd_tokenizers_prepare_data_and_stay_as_they_are(name: str, pad: str | None, folders: Folders) -> None:
    tokenizer = tiny_tokenizer(CHATML, **ODD_TOKENIZERS[name])
    if pad is not None:
        tokenizer.pad_token = pad
    before, length = tokenizer.backend_tokenizer.to_str(), len(tokenizer)
    (folders.datasets / "a.txt").write_text("The hen went to the river. The fox said nothing. " * 20)
    (folders.datasets / "a.jsonl").write_text(CHAT * 3)
    settings = Settings(text_file="a.txt", dataset="a.jsonl", hybrid=True, max_tokens=32, eos="block")
    made = prepare(settings, tokenizer, folders, cache=False)
    assert len(made.train) > 3
    assert tokenizer.backend_tokenizer.to_str() == before and len(tokenizer) == length


def test_what_is_refused_is_listed_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = listing(tmp_path)
    (tmp_path / "a").write_text("xy")
    assert listing(tmp_path) != before
