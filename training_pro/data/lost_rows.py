"""What of rows is lost because they are longer than the context: said first where it is much, with what keeps it."""

from __future__ import annotations

import math

from training_pro.data.advice import Suggestion
from training_pro.data.report import DataReport, SourceReport
from training_pro.settings import Settings

CONTEXT_STEP_TOKENS = 32
MUCH_LOST = 0.1  # of the tokens of all rows


def much_lost(report: DataReport, settings: Settings) -> list[Suggestion]:
    """Where a good part of the rows' tokens is not trained: how much, and the change that keeps most of it."""
    rows = sum(source.row_tokens for source in report.sources)
    lost = sum(source.lost_tokens for source in report.sources)
    if not lost or lost < MUCH_LOST * rows:
        return []
    too_long = sum(source.trimmed + source.eliminated_long + source.eliminated_untrained for source in report.sources)
    what = (
        f"{lost / rows:.0%} of the rows' tokens are lost ({lost:,} of {rows:,}): rows of more than "
        f"{settings.max_tokens:,} tokens are {'left out' if settings.too_long == 'eliminate' else 'cut off'} "
        f"({too_long:,})"
    )
    return [Suggestion(f"{what}. {words}", changes, urgent=True) for words, changes in _ways_out(report, settings)]


def _ways_out(report: DataReport, settings: Settings) -> list[tuple[str, dict[str, object]]]:
    if settings.too_long != "split" and any(is_cut_chat(source) for source in report.sources):
        return [("Chats that are split between their turns lose nothing", {"too_long": "split"})]
    wanted = fitting_context(report)
    if wanted > settings.max_tokens:
        return [(f"Maximum context length {wanted} keeps {_how_much(report, wanted)}", {"max_tokens": wanted})]
    return [("The model has no longer context. Shorten these rows, or split them into several", {})]


def _how_much(report: DataReport, context: int) -> str:
    longest = max(source.longest_row_tokens for source in report.sources)
    return "all of it" if longest <= context else "more of it"


def is_cut_chat(source: SourceReport) -> bool:
    """Whether chats lost something that splitting them between their turns keeps."""
    return source.is_chat and bool(source.lost_tokens or source.trimmed)


def fitting_context(report: DataReport) -> int:
    """The longest row rounded up, as far as the model goes; 0 without rows."""
    longest = max((source.longest_row_tokens for source in report.sources), default=0)
    wanted = math.ceil(longest / CONTEXT_STEP_TOKENS) * CONTEXT_STEP_TOKENS
    return min(wanted, report.model_max_tokens) if report.model_max_tokens else wanted
