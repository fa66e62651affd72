"""The command line: one file per command; all terminal output is in `terminal`."""
