"""Letters of a wrong encoding, soft hyphens and zero-width spaces: found, shown, cleaned; honest letters stay."""

from __future__ import annotations

from pathlib import Path

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.stray_characters import clean, strays

HONEST = "São Paulo, ça va? L’été à l'âme; « oui », Ärger, €5 — “Well”"


def test_utf8_that_was_read_as_windows_1252_is_found_and_mended(tmp_path: Path) -> None:
    wrong = HONEST.encode().decode("cp1252", "replace")
    file = tmp_path / "text.txt"
    file.write_text(f"{wrong}\nsoft\u00adhyphen zero\u200bwidth", encoding="utf-8")
    found = {stray.kind: stray.count for stray in strays(Corpus.of_files([file]))}
    assert found["soft hyphens"] == 1 and found["zero-width spaces"] == 1
    assert found["wrongly decoded letters"] >= 8
    mended, count = clean("naÃ¯ve donâ€™t â€œso\u00ad\u200bâ€\x9d")
    assert mended == "naïve don’t “so”" and count == 6


def test_honest_letters_stay(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(HONEST, encoding="utf-8")
    assert strays(Corpus.of_files([file])) == []
    assert clean(HONEST) == (HONEST, 0)
