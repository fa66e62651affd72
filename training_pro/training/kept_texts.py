"""The text of the format or chat template that a run's rows went through, kept in its folder.

A template can be changed or lost, and a LoRA answers well only in the form it was trained in. Costs two small files.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from training_pro.data.prepare import Prepared
from training_pro.data.rendering.formats import format_file, reading_of
from training_pro.data.rendering.templates import load_template
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.record.whole_files import write_whole
from training_pro.settings import Settings

KEPT_FORMAT, KEPT_TEMPLATE = "training_format.json", "training_template.jinja"
_CHATS = ("sharegpt", "messages")

logger = logging.getLogger(__name__)


def keep_texts(folder: Path, settings: Settings, prepared: Prepared, tokenizer: Any, folders: Folders) -> None:
    """Write them into the run's folder; none where the data has no rows.

    Raises:
        RunError: the disk refuses.
    """
    try:
        kept = _texts(settings, prepared, tokenizer, folders)
    except (DataError, OSError, ValueError) as error:  # gone since the data was prepared: the run needs it no more
        logger.warning("The format or template of %s can't be kept: %s", folder.name, error)
        return
    for name, text in kept.items():
        write_whole(folder / name, text)


def _texts(settings: Settings, prepared: Prepared, tokenizer: Any, folders: Folders) -> dict[str, str]:
    kinds = {source.kind for source in prepared.report.sources}
    kept: dict[str, str] = {}
    formatted = "alpaca" in kinds and bool(settings.format)
    if formatted:
        chosen = reading_of(settings, folders.formats).format
        formatted = chosen is not None and bool(chosen.entries)
        kept[KEPT_FORMAT] = format_file(settings.format, folders.formats).read_text(encoding="utf-8-sig")
    if kinds.intersection(_CHATS) or ("alpaca" in kinds and not formatted):
        name = settings.chat_template
        own = getattr(tokenizer, "chat_template", None)
        template = load_template(name, folders.instruction_templates) if name else own
        if isinstance(template, str):
            kept[KEPT_TEMPLATE] = template
    return kept
