"""Where the end token goes, and BOS: do answers stop, and stop where a sentence ends?"""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment


def name(eos: str, bos: bool) -> str:
    return f"EOS {eos}, BOS {'on' if bos else 'off'}"


ENDINGS = Experiment(
    name="endings",
    title="EOS and BOS: where answers stop",
    question="How do answers learn to stop?",
    answer=(
        "By EOS, the token that ends a text: after every block or at hard cuts. Without it no answer ended whole. BOS, "
        "the token that begins a text, changed nothing clearly."
    ),
    about=(
        "6 epochs of the part of the market at context 64, so that a section has several blocks. All targets, rank 16, "
        "learning rate 1e-3, constant. *EOS block*: after every block. *EOS cut*: only at hard cuts."
    ),
    arms=tuple(
        Arm(name(eos, bos), {"eos": eos, "add_bos": bos, "max_tokens": 64, "epochs": 6.0}, ends=True)
        for bos in (True, False)
        for eos in ("none", "block", "cut")
    ),
    claims=(
        Claim(
            "With EOS after every block more answers end whole than without",
            tuple(Comparison(name("block", bos), name("none", bos), "whole_ends") for bos in (True, False)),
        ),
        Claim(
            "With EOS at hard cuts more answers end whole than without",
            tuple(Comparison(name("cut", bos), name("none", bos), "whole_ends") for bos in (True, False)),
        ),
        Claim(
            "BOS in training helps recall, where the model is asked with BOS",
            tuple(Comparison(name(eos, True), name(eos, False), "recall") for eos in ("none", "block", "cut")),
        ),
    ),
    shown=("recall", "whole_ends"),
    plotted=("whole_ends",),
)
