"""What a LoRA may be called, the one folder that name stands for, and names for new ones.

A name becomes a folder, an entry in the host's menu and a key inside PEFT, on every system the folder may
be carried to: all of them must accept it. Costs nothing but a look at the LoRA folder.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePath

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.whole_files import HIDDEN_ENDING

MOST_CHARACTERS = 100
_MOST_OF_A_FILE = 40  # characters of a file's name that a new run's name takes
_NUMBERED = re.compile(r"(.*?)-(\d+)")
MOST_BYTES = 200  # of the 255 a file name may have; the rest is for what is put behind the name

_WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}
_HOST_WORDS = {"none"}  # the host's menu entry for "no LoRA"
_PEFT_PREFIX = "lora_"  # PEFT loads an adapter whose name is part of this with fresh weights
# Attributes of torch's ModuleDict and ParameterDict: no adapter can have them as its key.
_TORCH_WORDS = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children clear compile copy cpu cuda double
    dump_patches eval extra_repr float forward fromkeys get get_buffer get_extra_state get_parameter get_submodule
    half ipu items keys load_state_dict modules mtia named_buffers named_children named_modules named_parameters
    parameters pop popitem register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule setdefault share_memory state_dict to
    to_empty train training type update values xpu zero_grad
    """.split()  # noqa: SIM905 (65 lines otherwise)
)


def check_name(name: str) -> str:
    """The name as it will be used: without outer white space, its characters composed (NFC).

    Letters, marks and digits of any script, spaces, "-" and "_" may be in it.

    Raises:
        RunError: one sentence on the first thing that is wrong.
    """
    if not isinstance(name, str):
        raise _fault(f"The name of a LoRA is {name!r}; it must be text.")
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise _fault("The LoRA has no name; type one under Name.")
    _check_length(name)
    _check_characters(name)
    _check_reserved(name)
    return name


def run_folder(folders: Folders, name: str) -> Path:
    """The folder of the LoRA `name`, which may or may not be there yet; always a direct child of `folders.loras`.

    Raises:
        RunError: a name that can't be used, a link, a file in its place, or one that differs only in
            capitals on a disk that does not tell them apart.
    """
    name = check_name(name)
    folder = folders.loras / name
    if folder.is_symlink():
        raise _fault(
            f'The LoRA "{name}" is a link to {folder.readlink()}; nothing is written there, choose another name.'
        )
    if not os.path.lexists(folder):
        return folder
    if not folder.is_dir():
        raise _fault(f'"{name}" is a file in the LoRA folder {folders.loras}; choose another name.')
    spelled = {entry.name for entry in folders.loras.iterdir()}
    if name not in spelled:
        twins = [other for other in spelled if _folded(other) == _folded(name)]
        raise _fault(
            f'"{name}" is the same folder as the LoRA "{(twins or [name])[0]}" on this disk; choose another name.'
        )
    return folder


def free_name(folders: Folders, name: str) -> str:
    """`name` with the first number behind it that no LoRA has: "tales" becomes "tales-2"."""
    numbered = _NUMBERED.fullmatch(name)
    stem, number = (numbered[1], int(numbered[2])) if numbered and numbered[1] else (name, 1)
    while True:
        number += 1
        if not (folders.loras / f"{stem}-{number}").exists():
            return f"{stem}-{number}"


def free_name_for(folders: Folders, file: str) -> str:
    """A name after a file that no LoRA has: "My Tales.txt" becomes "My_Tales"."""
    stem = re.sub(r"[^\w-]+", "_", PurePath(file).stem)[:_MOST_OF_A_FILE].strip("_-") or "lora"
    return stem if not (folders.loras / stem).exists() else free_name(folders, stem)


def _check_length(name: str) -> None:
    if len(name) > MOST_CHARACTERS:
        raise _fault(f"The name has {len(name)} characters; use at most {MOST_CHARACTERS}.")
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise _fault(f'The name "{_shown(name)}" takes {size} bytes on disk; shorten it to at most {MOST_BYTES} bytes.')


def _check_characters(name: str) -> None:
    if "." in name:
        raise _fault(
            f'The name "{_shown(name)}" has a dot; the model can\'t use such a LoRA: write "-" or "_" instead.'
        )
    if "/" in name or "\\" in name:
        raise _fault(f'The name "{_shown(name)}" has a slash; write "-" or "_" instead.')
    for character in name:
        if unicodedata.category(character)[0] not in "LMN" and character not in " -_":
            raise _fault(
                f'The name "{_shown(name)}" has the character "{_shown(character)}" in it; '
                'use letters, digits, spaces, "-" and "_".'
            )
    if unicodedata.category(name[0])[0] not in "LN":
        raise _fault(f'The name "{name}" begins with "{name[0]}"; begin with a letter or a digit.')


def _check_reserved(name: str) -> None:
    if name.lower() in _WINDOWS_DEVICES:
        raise _fault(f'The name "{name}" is reserved on Windows. Choose another.')
    if name.endswith(HIDDEN_ENDING):
        raise _fault(f'The name "{name}" ends in "{HIDDEN_ENDING}", which the host\'s menu leaves out; choose another.')
    if name.lower() in _HOST_WORDS or name in _TORCH_WORDS or name in _PEFT_PREFIX:
        raise _fault(f'The name "{_shown(name)}" is reserved. Choose another.')


def _shown(text: str) -> str:
    """What can't be printed is shown as its escape."""
    return text if text.isprintable() else repr(text)[1:-1]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _fault(text: str) -> RunError:
    return RunError(text, option="--set name=NAME", setting="name")
