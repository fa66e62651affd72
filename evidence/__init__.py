"""The experiments behind what the documentation claims, on the embedded model: `python -m evidence`.

experiments/   one experiment a file: its arms, and what it claims
arms.py        what an arm and an experiment are
material.py    the texts and the questions
bench.py       one run after another on one model, through the product's own session
measures.py    recall, verbatim continuation, losses, ends
results.py     the lines of results/*.jsonl
judging.py     means, spreads, and whether a claim held
report.py      docs/evidence.md and its plots from the results
"""
