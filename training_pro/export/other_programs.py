"""How other programs use what was exported: an Ollama Modelfile, and a line each for the others. Costs a few looks.

Ollama's own documentation (Modelfile reference, "Importing a model") says what is written here: a GGUF LoRA is an
ADAPTER over the model of FROM, whose chat template is used unless TEMPLATE says another; a merged model becomes a GGUF
file with llama.cpp's converter first, because Safetensors folders run on its MLX engine alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from training_pro.data.rendering.formats import Format, prompt_in, reading_of
from training_pro.errors import UserError
from training_pro.export.lora_source import Lora
from training_pro.folders import Folders
from training_pro.record.runs import SETTINGS_FILE
from training_pro.record.whole_files import write_whole
from training_pro.settings import Settings, from_dict, read_json_object
from training_pro.words import natural_key

_PROMPT = "\ue000"  # where the question goes; in no format


@dataclass(frozen=True)
class Usage:
    """What to do with an export: the Modelfile, the commands that use it, and a line for each other program."""

    modelfile: Path
    ollama: tuple[str, ...]
    llama_cpp: str
    lm_studio: str
    textgen: str


def use_gguf(lora: Lora, file: Path, folders: Folders, base: str = "") -> Usage:
    """Write the Modelfile for the GGUF LoRA `file`, beside it.

    Args:
        base: what stands after FROM: the base model's name in Ollama, or a GGUF file of it. Empty: a GGUF of the models
            folder whose name begins with that of the base, else a line to fill in.

    Raises:
        RunError: the disk refuses.
    """
    found = base.strip() or _gguf_of(lora, folders)
    start = f"FROM {found}" if found else f"# The name of {lora.base.name} in Ollama, or a GGUF file of it:\nFROM BASE"
    lines = [start, f"ADAPTER ./{file.name}", *_asked_as(lora, folders)]
    modelfile = file.with_name(f"{lora.name}.Modelfile")
    write_whole(modelfile, "\n".join(lines) + "\n")
    base_gguf = found if found.endswith(".gguf") else "BASE.gguf"
    return Usage(
        modelfile,
        _ollama_commands(lora, modelfile),
        f'llama-server -m "{base_gguf}" --lora "{file}"',
        "LM Studio adds no LoRA to a GGUF model. Export a merged model for it.",
        f'Model tab, loader llama.cpp, a GGUF of {lora.base.name}; extra-flags: --lora "{file.as_posix()}"',
    )


def use_merged(lora: Lora, folder: Path, folders: Folders) -> Usage:
    """Write the Modelfile for the merged model in `folder`, into it.

    Raises:
        RunError: the disk refuses.
    """
    gguf = f"{folder.name}-f16.gguf"
    convert = f'python convert_hf_to_gguf.py "{folder}" --outfile "{folder / gguf}" --outtype f16'
    start = f"# The model as a GGUF file, made by llama.cpp:\n#   {convert}\nFROM ./{gguf}"
    modelfile = folder / "Modelfile"
    write_whole(modelfile, "\n".join([start, *_asked_as(lora, folders)]) + "\n")
    return Usage(
        modelfile,
        (convert, *_ollama_commands(lora, modelfile)),
        f'{convert}\nllama-server -m "{folder / gguf}"',
        f'lms import "{folder / gguf}" (after {convert})',
        f"Model tab, loader Transformers: {folder.name}. Its llama.cpp loader takes {gguf}, which "
        "convert_hf_to_gguf.py makes.",
    )


def _gguf_of(lora: Lora, folders: Folders) -> str:
    """A GGUF file of the base in the host's models folder; "" for none."""
    if not folders.models.is_dir():
        return ""
    wanted = lora.base.name.casefold()
    found = (path for path in folders.models.glob("*.gguf") if path.name.casefold().startswith(wanted))
    return next((str(path) for path in sorted(found, key=lambda path: natural_key(path.name))), "")


def _asked_as(lora: Lora, folders: Folders) -> list[str]:
    """TEMPLATE and stops, so that it is asked as it was trained; nothing for chats, whose template FROM brings."""
    settings = _settings(lora)
    if settings is None:
        return []
    if not settings.dataset or settings.dataset_kind == "text rows":
        return [
            "# It was trained to continue texts. To chat with it, delete the next line.",
            'TEMPLATE """{{ .Prompt }}"""',
        ]
    format_ = _format(settings, folders)
    if format_ is None:
        own = settings.chat_template
        return [f'# It was trained with the chat template "{own}".'] if own else []
    return _template(format_)


def _template(format_: Format) -> list[str]:
    text = prompt_in(format_, _PROMPT)
    first = text.lstrip().splitlines()[0].strip() if text.strip() else ""
    stop = first if len(first) > 3 and _PROMPT not in first else ""
    if '"""' in text:
        return [f"# It was trained with the format {format_.name}, which can't be written here."]
    written = re.sub(r"\{\{|\}\}", lambda found: '{{ "' + found[0] + '" }}', text).replace(_PROMPT, "{{ .Prompt }}")
    lines = [f"# The format {format_.name}, as it was trained.", f'TEMPLATE """{written}"""']
    return lines + ([f'PARAMETER stop "{stop}"'] if stop and '"' not in stop else [])


def _format(settings: Settings, folders: Folders) -> Format | None:
    if settings.dataset_kind not in ("auto", "alpaca"):
        return None
    try:
        found = reading_of(settings, folders.formats).format
    except UserError:  # removed since
        return None
    return found if found is not None and found.entries else None


def _settings(lora: Lora) -> Settings | None:
    try:
        return from_dict(read_json_object(lora.run / SETTINGS_FILE))
    except UserError:  # a LoRA from elsewhere
        return None


def _ollama_commands(lora: Lora, modelfile: Path) -> tuple[str, ...]:
    """From the Modelfile's own folder: some releases of Ollama read its paths from where they are called."""
    name = _ollama_name(lora)
    return (f'cd "{modelfile.parent}"', f'ollama create {name} -f "{modelfile.name}"', f"ollama run {name}")


def _ollama_name(lora: Lora) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", lora.name.lower()).strip("-._") or "lora"
