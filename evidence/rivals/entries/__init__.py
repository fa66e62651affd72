"""What each contender runs, in a process and an environment of its own: `python -m evidence.rivals.entries.NAME TASK`.

A task is a JSON file, as `evidence.rivals.contenders.Task`. Each writes its figures as JSON beside it (`watch.py`).
"""
