"""One target under atheris: ``python -m tests.fuzz NAME SECONDS``; ``python -m tests.fuzz`` lists the names.

Begins from the target's seeds, prints libFuzzer's own words, and ends with an error at the first input that the
reader did not answer as promised, which is then in ``crash-...`` in the present folder, beside the inputs that reached
something new. Costs the time it is given, one processor and some 5 seconds of imports. libFuzzer ends the process
without a clean-up: whoever sets FUZZ_ROOM to a folder of his own has nothing left in /dev/shm.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

LONGEST_INPUT_BYTES = 4096
LONGEST_S = 30  # of one input
MOST_MEMORY_MB = 4096


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["training_pro", "gguf", "jinja2"]):
        from tests.fuzz.all_targets import TARGETS

    if len(sys.argv) < 3:
        sys.stdout.writelines(f"{name}\n" for name in TARGETS)
        return
    name, seconds = sys.argv[1:3]
    logging.disable()
    target = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix="corpus-", dir="."))
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT_BYTES,
        "timeout": LONGEST_S,
        "rss_limit_mb": MOST_MEMORY_MB,
        "print_final_stats": 1,
    }
    atheris.Setup([sys.argv[0], str(corpus), *(f"-{key}={value}" for key, value in options.items())], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
