"""An export that was made: where it is, and how other programs use it. No gradio."""

from __future__ import annotations

from pathlib import Path

from training_pro.errors import RunError
from training_pro.export.other_programs import Usage
from training_pro.ui.views.markup import text


def export_view(made: Path, usage: Usage, *, in_webui: bool) -> str:
    """The path, and a block for each program; `in_webui`: textgen is the very program that shows this."""
    blocks = (
        ("textgen (this WebUI)" if in_webui else "textgen (text-generation-webui)", usage.textgen),
        ("Ollama", "\n".join(usage.ollama)),
        (f"Ollama's {usage.modelfile.name}", _content(usage.modelfile)),
        ("llama.cpp", usage.llama_cpp),
        ("LM Studio", usage.lm_studio),
    )
    shown = "".join(f"<dt>{text(name)}</dt><dd><pre>{text(lines)}</pre></dd>" for name, lines in blocks)
    return f'<p class="tp-path">{text(made)}</p><dl class="tp-usage">{shown}</dl>'


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise RunError(f"{path} can't be read ({error.strerror}). Export again.") from error
