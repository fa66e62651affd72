"""Where things live on disk: the folders of the host's user data, laid out as in the WebUI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no disk can take has none (older Pythons raise there)."""
    try:
        return path.is_file()
    except OSError:
        return False


@dataclass(frozen=True)
class Folders:
    """The folders of one user data root; `loras` can be moved by the host's own setting."""

    user_data: Path
    loras: Path
    models: Path

    @classmethod
    def under(cls, user_data: Path, loras: Path | None = None, models: Path | None = None) -> Folders:
        """The WebUI's layout below `user_data`."""
        root = user_data.expanduser().resolve()
        return cls(root, (loras or root / "loras").resolve(), (models or root / "models").resolve())

    @property
    def datasets(self) -> Path:
        return self.user_data / "training" / "datasets"

    @property
    def formats(self) -> Path:
        return self.user_data / "training" / "formats"

    @property
    def schedules(self) -> Path:
        return self.user_data / "training" / "schedules"

    @property
    def presets(self) -> Path:
        return self.user_data / "training" / "presets"

    @property
    def queue(self) -> Path:
        """The file of the runs that wait."""
        return self.user_data / "training" / "queue.json"

    @property
    def experiments(self) -> Path:
        """Where the command line puts the pages of its experiments."""
        return self.user_data / "training" / "experiments"

    @property
    def questions(self) -> Path:
        """The tables of questions that a model has written for texts."""
        return self.user_data / "training" / "questions"

    @property
    def notify(self) -> Path:
        """The addresses that are told when a run ends, a file that need not be there."""
        return self.user_data / "training" / "notify.txt"

    @property
    def abbreviations(self) -> Path:
        """A person's own list, a file that need not be there."""
        return self.user_data / "training" / "abbreviations.txt"

    @property
    def instruction_templates(self) -> Path:
        return self.user_data / "instruction-templates"

    @property
    def logs(self) -> Path:
        return self.user_data / "logs"

    @property
    def cache(self) -> Path:
        return self.user_data / "cache" / "training_pro"

    @property
    def converted(self) -> Path:
        """The texts of documents that are no plain text: EPUB, PDF and the like."""
        return self.cache / "texts"

    def make(self) -> None:
        """Create what a run reads from and writes to."""
        for folder in (self.datasets, self.formats, self.schedules, self.presets, self.loras, self.logs, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
