"""Where the end token goes, and BOS: do answers stop, and stop where a sentence ends?"""

from __future__ import annotations

from evidence.arms import Arm, Claim, Comparison, Experiment


def name(eos: str, bos: bool) -> str:
    return f"EOS {eos}, BOS {'on' if bos else 'off'}"


ENDINGS = Experiment(
    name="endings",
    title="EOS and BOS: where answers stop",
    about=(
        "All targets, rank 16, learning rate 1e-3, constant, 6 epochs at context 64, so that sections have several "
        "blocks."
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
    shown=("recall", "verbatim", "held_out_loss", "general_loss", "whole_ends"),
    plotted=("whole_ends",),
)
