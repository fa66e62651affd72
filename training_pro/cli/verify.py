"""``verify SETTINGS``: what a run would be, without training."""

from __future__ import annotations

import argparse

from training_pro.cli import common, settings_file
from training_pro.cli.report import lines_of
from training_pro.cli.terminal import Bar, say
from training_pro.session import check_sources

HELP = "check settings and data and print what the run would be"


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    common.add_host_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_file.settings_of(options)
    check_sources(settings)
    with Bar() as bar:
        checked = common.session_from(options).check(settings, bar)
    for line in lines_of(checked):
        say(line)
    return 1 if checked.verification.refusals else 0
