"""Tokens to an adapter: targets, schedules, live controls, the trainer and its behaviours, the run."""
