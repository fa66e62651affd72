"""The page on which models train, made of the lines of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from tests.models.families import FAMILIES
from training_pro.export.gguf_families import FAMILIES as GGUF_FAMILIES
from training_pro.export.gguf_families import MERGE_INSTEAD

HEAD = """# Which models train

Look here before you download 20 GB. Every model names its kind: `model_type` in its `config.json`, a small file that
you can open on the model's page (on Hugging Face under *Files*). If the kind is on this page, a LoRA for it can be
trained. In a model that also sees or hears, only the text part is trained.

A kind that is not on this page was not tried, and most kinds were not tried in 4-bit and 8-bit. They may work all the
same. To find out, load the model: *Your run* (or the command `verify`) shows whether the layers to train are found.

In most *mixtures of experts* (models in which each token uses only some of the weights) the experts stay in 16 bit even
when you load them in 4-bit. *Your run* shows how much memory they need.
"""
NAMED = """\
## Well-known models

*GGUF LoRA*: can the LoRA be saved for llama.cpp? If not, [merge it](export.md) and convert the merged model.
*(text)*: saved as the text part alone, with a `model_type` of its own.
"""
TESTED = """\
## How we tested

`make models` builds a tiny model of each kind, with random weights, and checks:

- The loss and its gradients, from which a LoRA learns, are the same as the model's own.
- A whole run finishes. Afterwards the model is bit for bit as before.
- Plain PEFT, the usual library for LoRAs, loads the LoRA and gives the same answers.
- A run that was interrupted and resumed ends with the same bytes (not tested in 4-bit and 8-bit).
"""
COLUMNS = (
    ("Training", "none", ("load", "loss", "run", "reload", "resume")),
    ("Training in 4-bit (bitsandbytes)", "4-bit", ("load", "loss", "run", "reload")),
    ("Training in 8-bit (bitsandbytes)", "8-bit", ("load", "loss", "run", "reload")),
    ("Train Head", "none", ("train_head",)),
    ("Gradient Checkpoint", "none", ("checkpointing",)),
    ("Train Experts", "none", ("experts",)),
    ("Merging the LoRA into the model", "none", ("merge",)),
)
GGUF = ("none", ("gguf",))
FEW = 30  # names of so many are listed
MARKS = {"no": "", "**FAULT**": " (**FAULT**)"}  # beside the name of what fails
WHOSE = {"Train Experts": "mixtures of experts"}
Cells = dict[tuple[str, str, str], dict[str, str]]


def page(lines: list[dict[str, str]]) -> str:
    """The whole page."""
    cells = {(line["family"], line["quantization"], line["cell"]): line for line in lines}
    families = [family for family in FAMILIES if (family, "none", "load") in cells]
    built = [family for family in families if cells[family, "none", "load"]["result"] != "not built"]
    parts = [HEAD, *_summary(cells, built), "", NAMED, *_named(cells, built), "", *_others(cells, built)]
    return "\n".join([*parts, TESTED, *_counts(cells, built), *_remarks(cells, families)]) + "\n"


def _summary(cells: Cells, families: list[str]) -> Iterator[str]:
    yield "| what works | with |"
    yield "|---|---|"
    for name, quantization, of in COLUMNS:
        shown = {family: _shown(cells, family, quantization, of) for family in families}
        tried = [family for family, word in shown.items() if word != "-"]
        fails = [f"`{family}`{MARKS[word]}" for family, word in shown.items() if word in MARKS]
        if len(tried) == len(families):
            who = f"all {len(families)} kinds"
        elif name in WHOSE:
            who = f"all {len(tried)} {WHOSE[name]}"
        else:
            who = f"all {len(tried)} kinds that were tried"
        but = f" but {', '.join(fails)}" if fails else ""
        which = f": {_listed(tried)}" if len(tried) <= FEW and name not in WHOSE else ""
        yield f"| {name} | {who}{but}{which} |"


def _named(cells: Cells, families: list[str]) -> Iterator[str]:
    yield "| model | `model_type` | GGUF LoRA |"
    yield "|---|---|---|"
    known = [family for family in families if FAMILIES[family].known]
    for family in sorted(known, key=lambda family: FAMILIES[family].known.casefold()):
        yield f"| {FAMILIES[family].known} | `{FAMILIES[family].kind}` | {_gguf(cells, family)} |"


def _gguf(cells: Cells, family: str) -> str:
    """A kind that llama.cpp takes, but not with the targets of the presets, is no plain "no"."""
    word = _shown(cells, family, *GGUF)
    some = word == "no" and FAMILIES[family].kind in GGUF_FAMILIES
    return "only with [own targets](export.md#which-models)" if some else word


def _others(cells: Cells, families: list[str]) -> Iterator[str]:
    """The kinds that no well-known model has."""
    named = {FAMILIES[family].kind for family in families if FAMILIES[family].known}
    left = [family for family in families if FAMILIES[family].kind not in named]
    yield "## Other kinds"
    yield ""
    ready = [family for family in left if _shown(cells, family, *GGUF) == "yes"]
    yield f"- With a GGUF LoRA: {_listed(ready)}"
    yield f"- Without a GGUF LoRA: {_listed([family for family in left if family not in ready])}"
    yield ""


def _listed(families: list[str]) -> str:
    kinds = dict.fromkeys(FAMILIES[family].kind for family in families)
    return ", ".join(f"`{kind}`" for kind in sorted(kinds))


def _counts(cells: Cells, families: list[str]) -> Iterator[str]:
    words = [line["result"] for line in cells.values() if line["cell"] != "notes"]
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "peft", "torch", "bitsandbytes"))
    yield (
        f"{len(families)} kinds and variants, {len(words)} checks: {words.count('sound')} passed, "
        f"{words.count('refused')} refused with a reason, {words.count('FAULT')} failed. With {versions}."
    )
    refused = [line for line in cells.values() if line["result"] == "refused" and line["cell"] == "gguf"]
    if refused:
        yield ""
        why = "[why](export.md#which-models)"
        yield f"GGUF LoRAs among the refused: {len(refused)} ({why}). Any others are listed below."


def _shown(cells: Cells, family: str, quantization: str, of: tuple[str, ...]) -> str:
    found = [cells[family, quantization, cell] for cell in of if (family, quantization, cell) in cells]
    words = {cell["result"] for cell in found}
    if "FAULT" in words or "refused" in words:
        return "**FAULT**" if "FAULT" in words else "no"
    return "-" if len(found) < len(of) or any(cell["detail"] == "no experts" for cell in found) else "yes"


def _remarks(cells: Cells, families: list[str]) -> Iterator[str]:
    """What was refused or failed and why. Why there is no GGUF LoRA stands on the page about exports."""
    found = [_remark(line) for (name, *_), line in cells.items() if name in families and line["result"] in _TO_EXPLAIN]
    said = [remark for remark in dict.fromkeys(found) if remark]
    if said:
        yield from ("", "## Refused or failed", "", *said)


_TO_EXPLAIN = ("refused", "FAULT", "not built")


def _remark(line: dict[str, str]) -> str:
    if line["cell"] == "gguf" and line["result"] == "refused":
        return ""
    where = "" if line["quantization"] == "none" else f" ({line['quantization']})"
    cell, detail = line["cell"].replace("_", " "), line["detail"].removesuffix(MERGE_INSTEAD)
    return f"- `{line['family']}`, {cell}{where}: {line['result']}. {detail}"
