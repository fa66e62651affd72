"""The page on which models train, made of the lines of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from tests.models.families import FAMILIES
from training_pro.export.gguf_families import MERGE_INSTEAD

HEAD = """# Which models train

See here whether a *kind* of model works before you download 20 GB of one. The name in the first column is `model_type`
in the model's `config.json`, sometimes with a suffix for one form of the family (`falcon_new`). In a model that also
sees or hears, only the text part is trained. Tested with a tiny model of each family, with random weights
(`make models`).

- **Trains**: loss and gradients are the same as the model's own; the whole run finishes; afterwards the base is bit for
  bit as before; plain PEFT loads the LoRA and gives the same answers; a run that was interrupted and resumed ends with
  the same bytes.
- **4-bit, 8-bit**: the same with bitsandbytes (resuming was not tested). Experts that share one tensor stay in 16 bit.
- **Head, Checkpoint, Experts**: Train Head, Gradient Checkpoint and Train Experts.
- **Merge, GGUF**: the LoRA merged into the model, and written for llama.cpp.

"yes": it works. "no": refused with an explanation. "-": the model has no such part, it needs something that is
refused, or it was not tried. Most families were not tried in 4-bit and 8-bit; that doesn't mean that they fail.
"""
NOTES = """\
The notes that a run shows (with the first preset that fits), and why something is refused. The sizes are those of the
tiny test models, so 0.00 GB is much more in a real one.
Where no GGUF LoRA can be made, merge the LoRA (the command `merge`) and convert the merged model.
"""
COLUMNS = (
    ("Trains", "none", ("load", "loss", "run", "reload", "resume")),
    ("4-bit", "4-bit", ("load", "loss", "run", "reload")),
    ("8-bit", "8-bit", ("load", "loss", "run", "reload")),
    ("Head", "none", ("train_head",)),
    ("Checkpoint", "none", ("checkpointing",)),
    ("Experts", "none", ("experts",)),
    ("Merge", "none", ("merge",)),
    ("GGUF", "none", ("gguf",)),
)
Cells = dict[tuple[str, str, str], dict[str, str]]


def page(lines: list[dict[str, str]]) -> str:
    """The whole page."""
    cells = {(line["family"], line["quantization"], line["cell"]): line for line in lines}
    families = [family for family in FAMILIES if (family, "none", "load") in cells]
    return (
        "\n".join([HEAD, *_counts(cells, families), "", *_table(cells, families), "", *_remarks(cells, families)])
        + "\n"
    )


def _counts(cells: Cells, families: list[str]) -> Iterator[str]:
    built = [family for family in families if cells[family, "none", "load"]["result"] != "not built"]
    words = [line["result"] for line in cells.values() if line["cell"] != "notes"]
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "peft", "torch", "bitsandbytes"))
    yield (
        f"{len(built)} families, {len(words)} checks: {words.count('sound')} passed, {words.count('refused')} "
        f"refused with a reason, {words.count('FAULT')} failed. With {versions}."
    )


def _table(cells: Cells, families: list[str]) -> Iterator[str]:
    yield "| family | such as | " + " | ".join(name for name, *_ in COLUMNS) + " |"
    yield "|---" * (2 + len(COLUMNS)) + "|"
    for family in families:
        if cells[family, "none", "load"]["result"] == "not built":
            continue
        shown = " | ".join(_shown(cells, family, quantization, of) for _, quantization, of in COLUMNS)
        yield f"| `{family}` | {FAMILIES[family].known} | {shown} |"


def _shown(cells: Cells, family: str, quantization: str, of: tuple[str, ...]) -> str:
    found = [cells[family, quantization, cell] for cell in of if (family, quantization, cell) in cells]
    words = {cell["result"] for cell in found}
    if "FAULT" in words or "refused" in words:
        return "**FAULT**" if "FAULT" in words else "no"
    return "-" if len(found) < len(of) or any(cell["detail"] == "no experts" for cell in found) else "yes"


def _remarks(cells: Cells, families: list[str]) -> Iterator[str]:
    yield "## Notes and refusals"
    yield ""
    yield from NOTES.splitlines()
    yield ""
    for family in families:
        said = [line for (name, *_), line in cells.items() if name == family and _is_remark(line)]
        if said:
            yield f"- `{family}`"
            yield from dict.fromkeys(_remark(line) for line in said)


def _is_remark(line: dict[str, str]) -> bool:
    if line["cell"] == "notes":
        return bool(line["detail"]) and line["quantization"] != "8-bit"
    return line["result"] in ("refused", "FAULT", "not built")


def _remark(line: dict[str, str]) -> str:
    if line["cell"] == "notes":
        return f"  - {line['detail']}"
    where = "" if line["quantization"] == "none" else f" ({line['quantization']})"
    return (
        f"  - {line['cell'].replace('_', ' ')}{where}: {line['result']}. {line['detail'].removesuffix(MERGE_INSTEAD)}"
    )
