"""Other trainers beside ours, on the same rows and the same text: `python -m evidence.rivals`. For development only.

environments.py   a virtual environment for each
contenders.py     who takes part, and what each is given
data.py           the rows and the text, in the shape that each contender reads
entries/          what each contender runs, in its own environment and process
race.py           one process after another; results/rivals.jsonl
held_out.py       the loss of held-out data, for all in the same way
table.py          the part of docs/evidence.md
"""
