"""Every choice of a run: default, unit, limits, label and help, as frozen typed data.

One field here is one control on the page, one ``--set NAME=VALUE`` on the command line and one key of
``training_parameters.json``. Lists that depend on what is installed (optimizers, schedules) are checked
where they are used. Standard library only.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from training_pro.errors import Fault, SettingsError, UserError

TARGET_PRESETS = ("q-v", "q-k-v", "q-k-v-o", "k-v-down", "all", "all-linear", "own list")
EOS_PLACES = ("none", "block", "cut")
CONTROL_TOKEN_WAYS = ("auto", "text", "tokens")
LOSS_PLACES = ("all", "assistant", "after")
TOO_LONG_WAYS = ("trim", "split", "eliminate", "stop")
BAD_ROW_WAYS = ("stop", "skip")
DATASET_KINDS = ("auto", "text", "alpaca", "sharegpt", "messages", "text rows")
CHECKPOINT_WAYS = ("auto", "off", "on")
REPORT_TARGETS = ("none", "tensorboard", "wandb")


@dataclass(frozen=True)
class Spec:
    """What a control needs to know about one setting. `auto`: the value that stands for "chosen for this run"; the
    word "auto" is taken for it. `switch`: the choices that false and true stand for, as older files have them."""

    label: str
    help: str
    group: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    auto: float | None = None
    switch: tuple[str, str] | None = None


def _setting(default: Any, spec: Spec) -> Any:
    return field(default=default, metadata={"spec": spec})


def _in_group(group: str, default: Any, label: str, help_: str, **more: Any) -> Any:
    return _setting(default, Spec(label, help_, group, **more))


_run = partial(_in_group, "run")
_data = partial(_in_group, "data")
_text = partial(_in_group, "text")
_adapter = partial(_in_group, "adapter")
_batch = partial(_in_group, "batch")
_schedule = partial(_in_group, "schedule")
_stop = partial(_in_group, "stops")
_checkpoint = partial(_in_group, "checkpoints")
_watch = partial(_in_group, "watch")


@dataclass(frozen=True)
class Settings:
    """All choices of one run, as the person made them.

    Raises:
        SettingsError: on construction, naming every value that has the wrong type or lies outside its limits.
    """

    # run
    name: str = _run("", "Name", 'The folder of the new LoRA: letters, digits, spaces, "-" and "_".')
    override: bool = _run(
        False,
        "Override Existing Files",
        "Trains again under an existing name; the old LoRA is set aside. Off: asks first.",
    )
    deterministic: bool = _run(
        False,
        "Deterministic",
        "Repeats a run bit for bit on a graphics card too; 10 to 30 % slower (a guess).",
    )
    keep_awake: bool = _run(
        False, "Keep the machine awake", "Keeps the computer from sleeping during the run. Needs the package wakepy."
    )
    start_from: str = _run(
        "",
        "Start from",
        "A LoRA to begin with: NAME, NAME/checkpoint-40 or a folder.",
    )
    seed: int = _run(
        42,
        "Seed",
        "Any number; the same one repeats a run (on a card: only with Deterministic).",
        low=0,
        high=2**32 - 1,
        step=1,
    )

    # data
    text_file: str = _data(
        "",
        "Text file",
        "A text, book, PDF or folder. Several: a.txt x2 (twice per epoch); b.txt 50% (half of it).",
    )
    dataset: str = _data(
        "",
        "Dataset",
        "Rows as JSON, JSONL, CSV or Parquet. Several: a.json; b.csv 50% (half of it).",
    )
    dataset_kind: str = _data(
        "auto",
        "Kind of dataset",
        "auto detects it; choose another if that is wrong.",
        choices=DATASET_KINDS,
    )
    format: str = _data(
        "",
        "Data Format",
        "The file that turns instructions into text. Empty: the chat template.",
    )
    columns: str = _data(
        "",
        "Columns",
        'What unusual columns mean: "prompt=Frage,answer=Antwort", or who answers: "assistant=NAME".',
    )
    chat_template: str = _data(
        "", "Chat template", "A file in user_data/instruction-templates. Empty: the model's own."
    )
    bad_rows: str = _data(
        "stop",
        "Bad rows",
        "A row that can't be used: stop, or skip and count it.",
        choices=BAD_ROW_WAYS,
    )
    skip_duplicates: bool = _data(False, "Leave out duplicates", "Trains identical rows or blocks only once.")
    loss_on: str = _data(
        "all",
        "Train on",
        "What is learned: all tokens, the assistant's turns, or what follows a string.",
        choices=LOSS_PLACES,
    )
    train_only_after: str = _data(
        "",
        "Train Only After",
        'Learns only what follows this string, such as "### Response:". Leave Train on at all or after.',
    )
    too_long: str = _data(
        "trim",
        "Rows that are too long",
        "Trim, split chats between turns, leave out, or stop.",
        choices=TOO_LONG_WAYS,
    )
    hybrid: bool = _data(False, "Hybrid Training", "Trains on the text file and the dataset together.")
    hybrid_data_percent: float = _data(
        100.0,
        "Percentage of Dataset used",
        "A random part, chosen by the seed.",
        unit="%",
        low=0,
        high=100,
        step=1,
    )
    hybrid_text_percent: float = _data(
        100.0,
        "Percentage of Text file used",
        "A random part, chosen by the seed.",
        unit="%",
        low=0,
        high=100,
        step=1,
    )
    eval_dataset: str = _data(
        "",
        "Evaluation Dataset",
        "Measured, not trained. If its loss rises, the LoRA is overfitting.",
    )
    eval_percent: float = _data(
        0.0,
        "Hold out for evaluation",
        "A part that is measured, not trained. Usual: 5 to 10 %.",
        unit="%",
        low=0,
        high=50,
        step=0.5,
    )

    # text
    max_tokens: int = _text(
        256,
        "Maximum context length (Cutoff)",
        "The longest block. Texts: 128 to 256. Rows: as long as the longest row.",
        unit="tokens",
        low=8,
        high=131072,
        step=8,
    )
    hard_cut: str = _text(
        "\\n\\n\\n",
        "Hard Cut String",
        "Separates chapters or ideas; no block crosses it. \\n is a line end.",
    )
    overlap: bool = _text(
        True, "Add Overlapping blocks", "Where two blocks meet, adds one that begins in the middle of the first."
    )
    dementor: bool = _text(
        False,
        "DEMENTOR Long-form Learning",
        "A block starts at each sentence: slower. LR Scheduler: constant for 1 epoch, FP_low_epoch_annealing for 2.",
    )
    min_block_chars: int = _text(
        0,
        "Ignore small blocks",
        "Leaves out blocks of up to this many characters.",
        unit="characters",
        low=0,
        high=100000,
        step=1,
    )
    add_bos: bool = _text(True, "Add BOS token", "Adds the token that begins a text. Leave it on.")
    eos: str = _text(
        "block",
        "EOS placement",
        "The token that ends a text. block: after each block; cut: only where a section ends; none: never.",
        choices=EOS_PLACES,
    )

    control_tokens: str = _text(
        "auto",
        "Control tokens in texts",
        "Tags such as <|im_end|>: plain text or real tokens. auto: tokens in rows, text in files.",
        choices=CONTROL_TOKEN_WAYS,
    )

    # adapter
    rank: int = _adapter(
        32,
        "LoRA Rank",
        "How much the LoRA can hold. Up to 100,000 tokens of data: 16; up to 1 million: 32; above: 64 to 128.",
        low=1,
        high=2048,
        step=1,
    )
    alpha: float = _adapter(
        0.0,
        "LoRA Alpha",
        "How strongly the LoRA acts. Usual: 1 to 2 times the rank. auto: 2 times.",
        low=0,
        high=8192,
        step=1,
        auto=0,
    )
    dropout: float = _adapter(
        0.05, "LoRA Dropout", "Reduces overfitting. Usual: 0 to 0.1.", low=0, high=0.99, step=0.01
    )
    use_rslora: bool = _adapter(
        False, "Use rsLoRA", "Scales by alpha / sqrt(rank): more stable at high ranks. Usually off."
    )
    rslora_alpha: float = _adapter(
        16.0, "rsLoRA Alpha", "With rsLoRA: used instead of LoRA Alpha. Usual: 16.", low=0.001, high=8192, step=1
    )
    use_dora: bool = _adapter(
        False,
        "Use DoRA",
        "Often better at low rank, but slower. Usually off.",
    )
    lora_plus_ratio: float = _adapter(
        0.0,
        "LoRA+ ratio",
        "Half of the LoRA (its B matrices) learns this many times faster. Usually 0 (off); else 16.",
        low=0,
        high=1000,
        step=1,
    )
    targets: str = _adapter(
        "q-v", "Target Projections", "Which layers learn. q-v is usual; q-k-v-o learns more.", choices=TARGET_PRESETS
    )
    target_modules: str = _adapter("", "Own list of targets", 'For "own list": module names, separated by commas.')
    train_experts: bool = _adapter(
        False,
        "Train Experts",
        "Also trains the experts of a mixture: a much larger LoRA, no dropout. Usually off.",
    )
    train_head: bool = _adapter(
        False, "Train Head", "Also trains lm_head and embed_tokens, for new vocabulary. Large files."
    )
    new_words: str = _adapter(
        "",
        "New words",
        "Words or tags, separated by commas, that become one token each.",
    )

    # batch
    batch_size: int = _batch(
        4,
        "True Batch Size",
        "Blocks processed at once. 4 is usual; short text: 1. More is faster, but makes fewer updates.",
        unit="blocks",
        low=1,
        high=1024,
        step=1,
    )
    gradient_accumulation_steps: int = _batch(
        1,
        "Gradient Accumulation Steps",
        "Batches per update: like a larger batch without more memory.",
        low=1,
        high=1024,
        step=1,
    )
    epochs: float = _batch(
        3.0,
        "Epochs",
        "How often each block is trained. Long texts: 1 or 2; short ones: 3 to 10.",
        low=0.001,
        high=10000,
        step=0.1,
    )
    group_by_length: bool = _batch(
        True, "Group Samples by Length", "Batches blocks of similar length: less padding, faster."
    )
    gradient_checkpointing: str = _batch(
        "auto",
        "Gradient Checkpoint",
        "Less memory, up to a third slower, same result. auto: only as needed.",
        choices=CHECKPOINT_WAYS,
        switch=("off", "on"),
    )

    # schedule
    learning_rate: float = _schedule(
        3e-4, "Learning Rate", "How far an update moves the LoRA. Usual: 1e-4 to 3e-4.", low=1e-9, high=1.0
    )
    head_learning_rate: float = _schedule(
        0.0,
        "Learning rate of head and embeddings",
        "Train Head: a fifth to a tenth of Learning Rate is usual. New words: auto, the same rate.",
        low=0,
        high=1.0,
        auto=0,
    )
    lr_scheduler_type: str = _schedule(
        "FP_low_epoch_annealing", "LR Scheduler", "How the rate changes during the run; the page draws it."
    )
    warmup_steps: int = _schedule(
        -1,
        "Warmup Steps",
        "Updates in which the rate rises from 0. auto: at most a tenth of the run.",
        unit="updates",
        low=-1,
        high=1_000_000,
        step=1,
        auto=-1,
    )
    warmup_ratio: float = _schedule(
        0.0,
        "Warmup Ratio",
        "Warmup as a part of the run: 0.05 is 5 %. If Warmup Steps is above 0, that counts instead.",
        low=0,
        high=0.5,
        step=0.005,
    )
    optimizer: str = _schedule(
        "adamw_torch",
        "Optimizer",
        "How the weights are changed. Standard: adamw_torch. 8-bit: less memory; paged: uses main memory if needed.",
    )
    weight_decay: float = _schedule(
        0.0, "Weight decay", "Pulls the weights towards 0. Usual: 0 to 0.1.", low=0, high=1, step=0.01
    )
    max_grad_norm: float = _schedule(
        1.0, "Gradient clipping", "Maximum gradient norm. Usual: 1. 0: off.", low=0, high=1000, step=0.1
    )
    neftune_noise_alpha: float = _schedule(
        0.0,
        "NEFTune noise scale",
        "Noise on the embeddings, against overfitting. Try 5. 0: off.",
        low=0,
        high=100,
        step=1,
    )

    # stops
    stop_at_loss: float = _stop(
        0.0,
        "Stop at loss",
        "Stops when the smoothed loss falls to this. Style: 1.5 to 2; facts: 0.6 to 2. 0: off.",
        low=0,
        high=10,
        step=0.01,
    )
    loss_window: int = _stop(
        5,
        "Smoothing of the stop loss",
        "The smoothed loss is the mean of this many updates. 1: the raw loss.",
        unit="updates",
        low=1,
        high=1000,
        step=1,
    )
    stop_ramp: bool = _stop(
        False,
        "Ramp down at the stop loss",
        "First lets the rate fall to 0, within a tenth of the updates so far.",
    )
    stop_at_epoch: int = _stop(
        0,
        "Stop at Epoch",
        "Stops after this many whole epochs. 0: off.",
        unit="epochs",
        low=0,
        high=10000,
        step=1,
    )
    eval_patience: int = _stop(
        0,
        "Early stopping (patience)",
        "Stops after this many evaluations without a better loss. 0: off.",
        low=0,
        high=1000,
        step=1,
    )

    # checkpoints
    save_steps: int = _checkpoint(
        0,
        "Save every n steps",
        "Checkpoint every n updates and each epoch. Usual: a tenth of the run. 0: neither.",
        unit="updates",
        low=0,
        high=1_000_000,
        step=1,
    )
    save_at_loss: float = _checkpoint(
        1.8,
        "Save at 10% Loss change",
        "Checkpoint at this loss, then at each further fall of 10 %. 0: off.",
        low=0,
        high=10,
        step=0.01,
    )
    keep_checkpoints: int = _checkpoint(
        0,
        "Checkpoints to keep",
        "Deletes older ones beyond this number. 0: keeps all.",
        low=0,
        high=1000,
        step=1,
    )
    save_at_end: bool = _checkpoint(
        True,
        "Save at the end",
        "Checkpoint for training further. As large as two or three LoRAs.",
    )
    save_best: bool = _checkpoint(True, "Keep the best", "Checkpoint at each new lowest evaluation loss.")

    # watch
    eval_steps: int = _watch(
        100,
        "Evaluate every n steps",
        "Updates between evaluations. Needs evaluation data.",
        unit="updates",
        low=1,
        high=1_000_000,
        step=1,
    )
    sample_prompts: str = _watch(
        "",
        "Sample prompts",
        "One per line. Answered before, during and after the run.",
    )
    sample_tokens: int = _watch(
        60,
        "Length of samples",
        "The longest answer to a sample prompt.",
        unit="tokens",
        low=1,
        high=2000,
        step=1,
    )
    sample_steps: int = _watch(
        0,
        "Sample every n steps",
        "0: at the start, at evaluations and at the end.",
        unit="updates",
        low=0,
        high=1_000_000,
        step=1,
    )
    tell_when_it_ends: bool = _watch(
        False,
        "Tell when it ends",
        "Sends a message to the addresses under Tools. Needs the package apprise.",
    )
    watch_forgetting: bool = _watch(
        True,
        "Watch for forgetting",
        "Measures a general text during the run. If its loss rises, the model forgets.",
    )
    forgetting_text: str = _watch(
        "", "General text", "A text of your own to measure forgetting. Empty: the included English one."
    )
    report_to: str = _watch(
        "none", "Save detailed logs with", "Also writes logs for TensorBoard or W&B.", choices=REPORT_TARGETS
    )

    def __post_init__(self) -> None:
        faults: list[Fault | str] = []
        for name, value in list(vars(self).items()):
            try:
                object.__setattr__(self, name, checked_value(name, value))
            except SettingsError as error:
                faults.extend(error.faults)
        if faults:
            raise SettingsError(faults)

    def changed(self, **changes: Any) -> Settings:
        """A copy with some values changed, checked again."""
        return from_dict({**dataclasses.asdict(self), **changes})

    def lora_alpha_used(self) -> float:
        """The alpha that counts: rsLoRA has its own; auto is twice the rank."""
        if self.use_rslora:
            return self.rslora_alpha
        return self.alpha or 2.0 * self.rank


SPECS: dict[str, Spec] = {f.name: f.metadata["spec"] for f in dataclasses.fields(Settings)}
_MOST_FAULTS = 100
_MOST_FILE_BYTES = 10_000_000
DEFAULTS: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(Settings)}
_TYPES: dict[str, type] = get_type_hints(Settings)


def _shown(value: Any) -> str:
    try:
        text = repr(value[:100]) if isinstance(value, str) else reprlib.repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def _fault(name: str, value: Any, wanted: str) -> SettingsError:
    shown = "empty" if value is None or (isinstance(value, str) and not value.strip()) else _shown(value)
    sentence = f"{SPECS[name].label} ({name}) is {shown}; it must be {wanted}."
    return SettingsError([Fault(sentence, name, (f"--set {name}=...",))])


def _no_setting(name: Any) -> Fault:
    close = difflib.get_close_matches(str(name)[:100], SPECS, n=1)
    hint = f"did you mean {close[0]}?" if close else "the settings command lists all of them."
    return Fault(f"There is no setting {_shown(name)}; {hint}")


def _as_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _fault(name, value, "a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _fault(name, value, "a number") from None
    if not math.isfinite(number):
        raise _fault(name, value, "a finite number")
    return number


def _in_limits(name: str, value: Any, number: float) -> None:
    spec = SPECS[name]
    low, high = spec.low, spec.high
    if (low is not None and number < low) or (high is not None and number > high):
        unit = f" {spec.unit}" if spec.unit else ""
        raise _fault(name, value, f"from {_plain(low)} to {_plain(high)}{unit}")


def _plain(limit: float | None) -> str:
    """A limit as people write it: 1,000,000, not 1e+06."""
    number = limit or 0.0
    return f"{number:,.0f}" if number >= 1e6 else f"{number:g}"


def checked_value(name: str, value: Any) -> Any:
    """`value` as the setting's own type: whole floats become ints, numbers may come as text.

    Raises:
        SettingsError: unknown name, wrong type, or outside the limits.
    """
    if name not in SPECS:
        raise SettingsError([_no_setting(name)])
    kind = _TYPES[name]
    if kind is bool:
        if not isinstance(value, bool):
            raise _fault(name, value, "true or false")
        return value
    if kind is str:
        return _checked_text(name, value)
    if SPECS[name].auto is not None and isinstance(value, str) and value.strip().lower() == "auto":
        value = SPECS[name].auto
    number = _as_number(name, value)
    _in_limits(name, value, number)
    if kind is int:
        if number != int(number):
            raise _fault(name, value, "a whole number")
        return int(value) if isinstance(value, int) else int(number)
    return number


_SWITCHED = {"false": 0, "no": 0, "0": 0, "true": 1, "yes": 1, "1": 1}


def _checked_text(name: str, value: Any) -> str:
    if value is None:
        value = ""
    switch = SPECS[name].switch
    if switch is not None and str(value).strip().lower() in _SWITCHED:
        value = switch[_SWITCHED[str(value).strip().lower()]]
    if not isinstance(value, str):
        raise _fault(name, value, "text")
    choices = SPECS[name].choices
    if choices and value not in choices:
        raise _fault(name, value, "one of: " + ", ".join(choices))
    if "\x00" in value or len(value) > 100_000:
        raise _fault(name, value, "text of at most 100,000 characters without NUL")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise _fault(name, value, "whole characters, which a half surrogate is not")
    return value


def from_dict(values: Mapping[str, Any]) -> Settings:
    """Settings from a dict of our own names; what is absent has its default.

    Raises:
        SettingsError: all faults at once.
    """
    unknown = [name for name in values if name not in SPECS]
    faults: list[Fault | str] = []
    try:
        made = Settings(**{name: value for name, value in values.items() if name in SPECS})
    except SettingsError as error:
        faults += error.faults
    count = len(faults) + len(unknown)
    faults += map(_no_setting, unknown[:_MOST_FAULTS])  # each looks for the name that was meant
    if count > _MOST_FAULTS:
        faults[_MOST_FAULTS:] = [f"{count - _MOST_FAULTS:,} more faults are not shown. Correct these first."]
    if faults:
        raise SettingsError(faults)
    return made


def sample_prompts(settings: Settings) -> list[str]:
    """The sample prompts, one a line, blank lines left out."""
    return [line.strip() for line in settings.sample_prompts.splitlines() if line.strip()]


def to_dict(settings: Settings) -> dict[str, Any]:
    """Every setting by name, as plain JSON values."""
    return dataclasses.asdict(settings)


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        UserError: the file is missing, unreadable, too large, not UTF-8, not JSON, not an object, or names a setting
            twice.
    """
    where = str(path)[:300]
    try:
        values = json.loads(settings_text(path), object_pairs_hook=without_twins)
    except OSError as error:
        raise UserError(f"The settings file {where} can't be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"The settings file {where} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except RecursionError:
        raise UserError(f"The settings file {where} is nested too deeply; settings are one flat object.") from None
    except ValueError as error:
        reason = str(error)[:200]
        raise UserError(
            f"The settings file {where} is not valid JSON ({reason}); correct it or save it again."
        ) from None
    if not isinstance(values, dict):
        raise UserError(f"The settings file {where} holds a {type(values).__name__}; it must be one JSON object.")
    return values


def settings_text(path: Path) -> str:
    """What a settings file says, its byte order mark left out.

    Raises:
        UserError: it is larger than any settings are.
        OSError, UnicodeDecodeError: from reading.
    """
    with path.open("rb") as file:
        raw = file.read(_MOST_FILE_BYTES + 1)
    if len(raw) > _MOST_FILE_BYTES:
        raise UserError(
            f"The settings file {path} holds more than {_MOST_FILE_BYTES:,} bytes, which settings never do; "
            "choose another."
        )
    return raw.decode("utf-8-sig")


def twice_named(names: Sequence[Any]) -> str:
    """The first of the names that comes again, as shown in a sentence; "" for none."""
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            return _shown(name)
        seen.add(name)
    return ""


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for `json.loads`.

    Raises:
        ValueError: a name stands there twice.
    """
    twin = twice_named([name for name, _ in pairs])
    if twin:
        raise ValueError(f"{twin} appears twice: remove one of them")
    return dict(pairs)


def to_json(settings: Settings) -> str:
    """The text of ``training_parameters.json``: settings as chosen."""
    return json.dumps(to_dict(settings), indent=2, ensure_ascii=False) + "\n"
