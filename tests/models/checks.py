"""What is checked of one family, a cell each. Every check takes a `Case` and gives a `Result`.

Loss within 1e-5 and gradients within 1e-4 of the model's own, in float32; a LoRA loaded by plain PEFT, a resumed run
and the restored base are compared for equality.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from tests.models import families
from tests.training.tiny import TinyOwner, TinySamples, finish, make_run, prepared, small_settings
from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel, Quantization, Quantizing
from training_pro.settings import Settings
from training_pro.training.model.adapter import attach
from training_pro.training.model.prepare import ready
from training_pro.training.model.snapshot import ModelSnapshot
from training_pro.training.run import Begin

PRESETS = ("q-v", "q-k-v-o", "all", "all-linear")
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
SAME_LOGITS, MERGED_LOGITS = 1e-5, 1e-3
Word = Literal["sound", "refused", "FAULT", "not built"]


@dataclass(frozen=True)
class Result:
    """`detail`: the sentence of a refusal, what differs in a fault, notes of what is sound."""

    word: Word
    detail: str = ""


@dataclass
class Case:
    """One family in one quantization, with a folder of its own for models and runs."""

    family: str
    quantization: Quantization
    folder: Path
    targets: str = "q-v"
    notes: list[str] = field(default_factory=list)
    trained_logits: Any = None

    @property
    def path(self) -> Path:
        return self.folder / "models" / self.family

    @property
    def folders(self) -> Folders:
        return Folders.under(self.folder / "user_data", None, self.folder / "models")

    @property
    def run_folder(self) -> Path:
        return self.folders.loras / "whole"

    def load(self) -> LoadedModel:
        """The model of this folder, loaded anew."""
        from training_pro.hosts.model_folder import load_model_folder

        return load_model_folder(self.path, dtype="float32", quantizing=Quantizing(self.quantization))

    @cached_property
    def loaded(self) -> LoadedModel:
        return self.load()

    def settings(self, **changes: Any) -> Settings:
        return small_settings(**{"targets": self.targets, "dropout": 0.0, "name": "whole", "epochs": 1.0, **changes})


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, labels and mask of three blocks, padded on the right."""
    draw = torch.Generator().manual_seed(5)
    ids = torch.randint(10, families.WORDS, (3, 40), generator=draw)
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[:, 0] = -100
    labels[1, :7] = -100
    for row, length in enumerate((40, 23, 31)):
        ids[row, length:], labels[row, length:], mask[row, length:] = 2, -100, 0
    return ids, labels, mask


def logits_of(model: Any) -> torch.Tensor:
    """The logits of all real tokens of `batch`."""
    ids, _, mask = batch()
    training = model.training
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
    model.train(training)
    return found[mask.bool()]


def weights_hash(model: Any) -> str:
    """Of every parameter and buffer, its flags included."""
    digest = hashlib.sha256()
    for name, tensor in sorted([*model.named_parameters(), *model.named_buffers()], key=lambda pair: pair[0]):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}{tensor.requires_grad}{tensor.grad is None}".encode())
        digest.update(
            tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            if len(tensor.shape) and tensor.numel()
            else b""
        )
    return digest.hexdigest()


def _differs(what: str, found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> Result:
    difference = float((found - wanted).abs().max())
    if difference <= tolerance * max(1.0, float(wanted.abs().max())):
        return Result("sound", f"{difference:.0e}")
    return Result("FAULT", f"{what} differ by {difference:.2g}")


# -- the cells --------------------------------------------------------------------------------------------------------


def load(case: Case) -> Result:
    """It is built, saved and loaded by the host; the logits are those of the model that was saved."""
    try:
        built = families.build(case.family)
    except Exception as error:  # noqa: BLE001 - a package that is missing, a family of another release
        return Result("not built", f"{type(error).__name__}: {str(error).strip()[:120]}")
    shutil.rmtree(case.path, ignore_errors=True)
    families.save(built, case.path)
    try:
        wanted = logits_of(built)
    except AttributeError:  # a wrapper that fails by itself; its text part is what is loaded
        wanted = None
    found = logits_of(case.loaded.model)
    if case.quantization != "none" or wanted is None:
        return Result("sound")
    return _differs("logits of the loaded model", found, wanted, SAME_LOGITS)


def targets(case: Case) -> Result:
    """Each preset is met or refused in one sentence; PEFT adapts exactly what was resolved (`attach` compares)."""
    model, refused, notes = case.loaded.model, {}, []
    for preset in PRESETS:
        snapshot = ModelSnapshot.take(model)
        try:
            attached = attach(model, case.settings(targets=preset), 1)
            notes += attached.notes if preset == "q-v" else ()
        except UserError as error:
            refused[preset] = str(error)
        finally:
            snapshot.restore()
    case.targets = next((preset for preset in PRESETS if preset not in refused), "")
    case.notes += notes
    if not case.targets:
        return Result("refused", refused["all-linear"])
    said = "; ".join(f"{preset}: {sentence}" for preset, sentence in refused.items())
    return Result("refused" if refused else "sound", said or " ".join(notes))


def _learned(case: Case, *, lean: bool, **changes: Any) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one pass, with B matrices that are not 0."""
    model = case.loaded.model
    snapshot = ModelSnapshot.take(model)
    ids, labels, mask = batch()
    try:
        config = model.config.get_text_config()
        if not lean and getattr(config, "output_router_logits", False) is True:
            config.output_router_logits = model.config.output_router_logits = False
        settings = case.settings(**changes)
        wrapped: Any = (
            ready(model, settings, lambda _: None).model if lean else attach(model, settings, settings.seed).model
        )
        draw = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for name, parameter in sorted(wrapped.named_parameters(), key=lambda pair: pair[0]):
                if "lora_B" in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)
        wrapped.train()
        loss = wrapped(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        loss.backward()
        grads = {
            n: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for n, p in wrapped.named_parameters()
            if p.requires_grad
        }
        return float(loss.detach()), grads
    finally:
        snapshot.restore()


def _same_learning(case: Case, wanted: tuple[float, dict[str, torch.Tensor]], **changes: Any) -> Result:
    loss, grads = _learned(case, lean=True, **changes)
    if abs(loss - wanted[0]) > LOSS_TOLERANCE * max(1.0, abs(wanted[0])):
        return Result("FAULT", f"the loss is {loss:.6f}, the model's own {wanted[0]:.6f}")
    worst = max(float((grads[n] - g).norm() / g.norm().clamp(min=1e-6)) for n, g in wanted[1].items())
    if worst > GRADIENT_TOLERANCE:
        return Result("FAULT", f"gradients differ by {worst:.1e} of their size")
    dead = [name for name, grad in grads.items() if "lora_B" in name and not bool(grad.any())]
    if dead:
        return Result("FAULT", f"{len(dead)} LoRAs have no gradient, such as {dead[0]}")
    return Result("sound", f"loss {abs(loss - wanted[0]):.0e}, gradients {worst:.0e}")


def loss(case: Case) -> Result:
    """Loss and gradients are the model's own, without the balancing loss of its routers."""
    return _same_learning(case, _learned(case, lean=False))


def checkpointing(case: Case) -> Result:
    """The same with gradient checkpointing."""
    return _same_learning(case, _learned(case, lean=False), gradient_checkpointing=True)


def train_head(case: Case) -> Result:
    """The same with embeddings and head trained as well."""
    return _same_learning(case, _learned(case, lean=False, train_head=True), train_head=True)


def experts(case: Case) -> Result:
    """The same with the experts trained as well; a word on those that have none."""
    from training_pro.training.model.targets import resolve_targets

    found = resolve_targets(case.loaded.model, case.targets, with_experts=True)
    if not found.experts:
        return Result("sound", "no experts")
    return _same_learning(case, _learned(case, lean=False, train_experts=True), train_experts=True)


def _trained(case: Case, settings: Settings, begin: Begin | None = None, stop_at: int | None = None) -> Any:
    """A whole run; the trained model's logits are kept in the case. `stop_at`: interrupted before that update."""
    from training_pro.training.job import Job
    from training_pro.training.loop.trainer import LoraTrainer

    write, step = Job._write_adapter, LoraTrainer.training_step

    def kept(self: Job, trainer: Any) -> None:
        write(self, trainer)
        case.trained_logits = logits_of(trainer.model)

    def stopped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == stop_at:
            self.parts.controls.interrupt("the check")
        return step(self, *args, **kwargs)

    Job._write_adapter, LoraTrainer.training_step = kept, stopped  # type: ignore[method-assign]  # put back below
    try:
        owner = TinyOwner(case.folders, case.loaded)
        return finish(make_run(owner, settings, prepared(TinySamples(6)), begin))
    finally:
        Job._write_adapter, LoraTrainer.training_step = write, step  # type: ignore[method-assign]  # as they were


def run(case: Case) -> Result:
    """A whole run with sample answers finishes; the base is afterwards bit for bit what it was."""
    shutil.rmtree(case.folders.loras, ignore_errors=True)
    before = weights_hash(case.loaded.model)
    status = _trained(case, case.settings(sample_prompts="The model", sample_tokens=4))
    case.notes += [note for note in status.notes if note not in case.notes]
    if status.ending.kind != "finished":
        unexpected = "unexpected" in status.ending.reason
        return Result("FAULT" if unexpected else "refused", status.ending.reason)
    if weights_hash(case.loaded.model) != before:
        return Result("FAULT", "the base is not what it was before the run")
    silent = [note for note in status.notes if "no gradient" in note]
    return Result("FAULT", silent[0]) if silent else Result("sound", f"{status.update} updates")


def reload(case: Case) -> Result:
    """Plain PEFT on a freshly loaded model gives the logits that the run ended with."""
    from peft import PeftModel

    model = PeftModel.from_pretrained(case.load().model, str(case.run_folder))
    return _differs("logits with plain PEFT", logits_of(model), case.trained_logits, SAME_LOGITS)


def resume(case: Case) -> Result:
    """A run that is interrupted and continued gives the same bytes as one that was not."""
    settings = case.settings(name="parted", sample_prompts="The model", sample_tokens=4)
    _trained(case, settings, stop_at=2)
    _trained(case, settings, Begin(continue_exactly=True))
    whole, parted = (case.folders.loras / name / "adapter_model.safetensors" for name in ("whole", "parted"))
    if whole.read_bytes() == parted.read_bytes():
        return Result("sound")
    return Result("FAULT", "a resumed run ends with other weights")


def merge(case: Case) -> Result:
    """The merged model loads and answers as the model with its LoRA."""
    from training_pro.export.lora_source import open_lora
    from training_pro.export.merge import merge_lora
    from training_pro.hosts.model_folder import load_model_folder

    target = case.folder / "merged"
    shutil.rmtree(target, ignore_errors=True)
    lora = open_lora(case.run_folder, case.folders, base=case.path)
    merge_lora(lora, target, dtype="float32")
    merged = load_model_folder(target, dtype="float32", quantizing=Quantizing("none")).model
    return _differs("logits of the merged model", logits_of(merged), case.trained_logits, MERGED_LOGITS)


def gguf(case: Case) -> Result:
    """A GGUF LoRA is written, or refused."""
    from training_pro.export.gguf_lora import export_gguf, gguf_place
    from training_pro.export.lora_source import open_lora

    lora = open_lora(case.run_folder, case.folders, base=case.path)
    return Result("sound", export_gguf(lora, gguf_place(lora), replace=True).arch)


CELLS: dict[str, Callable[[Case], Result]] = {
    check.__name__: check
    for check in (load, targets, loss, checkpointing, train_head, experts, run, reload, resume, merge, gguf)
}
NEEDS = {"reload": "run", "resume": "run", "merge": "run", "gguf": "run"}
UNQUANTIZED = ("checkpointing", "train_head", "experts", "resume", "merge", "gguf")


def cells_of(case: Case) -> dict[str, Result]:
    """All cells of one family, in order; what rests on a cell that is not sound is left out."""
    found: dict[str, Result] = {}
    for name, check in CELLS.items():
        if case.quantization != "none" and name in UNQUANTIZED:
            continue
        if name in NEEDS and found[NEEDS[name]].word != "sound":
            continue
        found[name] = _checked(check, case)
        if found[name].word in ("not built",) or (name == "load" and found[name].word != "sound"):
            break
        if name == "targets" and not case.targets:
            break
    return found


def _checked(check: Callable[[Case], Result], case: Case) -> Result:
    try:
        return check(case)
    except UserError as error:
        return Result("refused", str(error))
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        import traceback

        at = traceback.extract_tb(error.__traceback__)[-1]
        return Result("FAULT", f"{type(error).__name__}: {str(error)[:200]} ({Path(at.filename).name}:{at.lineno})")
