"""Durations and sizes as people say them. Standard library only."""

from __future__ import annotations

from training_pro.training.controls import LiveValues


def time_words(seconds: float | None) -> str:
    """ "45 s", "3 min", "2 h 5 min"; "?" for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def gigabytes(size_bytes: int) -> str:
    """Bytes as "0.52 GB" or "12.3 GB"."""
    value = size_bytes / 1024**3
    return f"{value:.2f} GB" if value < 10 else f"{value:.1f} GB"


def live_words(values: LiveValues) -> str:
    """Live values in words."""
    loss = f"stop at loss {values.stop_at_loss:.2f}" if values.stop_at_loss else "stop at loss off"
    epoch = f"stop at epoch {values.stop_at_epoch}" if values.stop_at_epoch else "stop at epoch off"
    words = f"{loss} (mean of {values.loss_window}), {epoch}"
    if values.learning_rate_scale != 1:
        words += f", learning rate × {values.learning_rate_scale:g}"
    return words
