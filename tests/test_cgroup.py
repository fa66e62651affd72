"""What made-up control groups allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from training_pro.cgroup import allowed_bytes

NO_LIMIT = "9223372036854771712"


def made(root: Path, own: str, files: dict[str, str]) -> Path:
    """A machine whose process has `own` as its groups, with `files` below its control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own, encoding="utf-8")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    return root


def test_the_groups_own_limit_and_those_around_it(tmp_path: Path) -> None:
    files = {
        "pods/mine/memory.max": "1000",
        "pods/mine/memory.current": "400",
        "pods/memory.max": "900",
        "pods/memory.current": "850",
        "memory.max": "max",
        "memory.current": "5000",
        "pods/other/memory.max": "1",
        "pods/other/memory.current": "1",
    }
    assert allowed_bytes(made(tmp_path, "0::/pods/mine\n", files)) == [600, 50]


def test_inactive_file_pages_are_free(tmp_path: Path) -> None:
    stat = "anon 300\nfile 600\ninactive_file 250\nactive_file 350"
    files = {"memory.max": "1000", "memory.current": "900", "memory.stat": stat}
    assert allowed_bytes(made(tmp_path, "0::/\n", files)) == [350]


def test_a_container_that_does_not_see_its_own_path_sees_its_limit_at_the_top(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": "1000", "memory/memory.usage_in_bytes": "100"}
    assert allowed_bytes(made(tmp_path, "5:cpu,memory:/docker/0123\n0::/\n", files)) == [900]


def test_the_old_groups_count_what_is_in_all_groups_below(tmp_path: Path) -> None:
    files = {
        "memory/box/memory.limit_in_bytes": "1000",
        "memory/box/memory.usage_in_bytes": "900",
        "memory/box/memory.stat": "inactive_file 10\ntotal_inactive_file 70",
        "memory/memory.limit_in_bytes": NO_LIMIT,
        "memory/memory.usage_in_bytes": "5000",
    }
    own, top = allowed_bytes(made(tmp_path, "4:memory:/box\n3:cpu:/\n", files))
    assert own == 170 and top > 1 << 60


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    assert allowed_bytes(made(tmp_path, "0::/\n", {"memory.max": "10", "memory.current": "12"})) == [0]


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("", {}),
        ("rubbish\n::\n0::\n", {}),
        ("0::/gone (deleted)\n", {}),
        ("0::/../../..\n", {}),
        ("0::/\n", {"memory.max": "max", "memory.current": "5"}),
        ("0::/\n", {"memory.max": "10"}),
        ("0::/\n", {"memory.max": "many", "memory.current": "5"}),
        ("0::/\n", {"memory.max/is": "a folder", "memory.current": "5"}),
    ],
)
def test_what_can_not_be_read_is_no_limit(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    assert allowed_bytes(made(tmp_path, own, files)) == []


def test_a_machine_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert allowed_bytes(tmp_path) == []


def test_a_stat_that_makes_no_sense_frees_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "1000", "memory.current": "900", "memory.stat": "inactive_file lots\nodd"}
    assert allowed_bytes(made(tmp_path, "0::/\n", files)) == [100]
