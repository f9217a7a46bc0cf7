"""How many threads compute, in containers too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

import lampion
from lampion import threads


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """64 cores, nothing chosen; the real number afterwards."""
    real = threads.get_num_threads()
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "_affinity", lambda: 64)
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield
    threads._tell_numpy(real)


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def machine(root: Path, groups: str, **quotas: str) -> Path:
    """A file system with control groups; `a__b` is the folder a/b, whose file holds its words a line each in version 1."""
    files = {"proc/self/cgroup": groups}
    for folder, text in quotas.items():
        place = f"sys/fs/cgroup/{folder.replace('__', '/').strip('/')}"
        if "\n" in text:
            files[f"{place}/cpu.cfs_quota_us"], files[f"{place}/cpu.cfs_period_us"] = text.split("\n")
        else:
            files[f"{place}/cpu.max"] = text
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "quotas", "cores"),
    [
        ("0::/\n", {}, 64),
        ("0::/\n", {"__": "200000 100000\n"}, 2),
        ("0::/pod/box\n", {"pod": "400000 100000\n", "pod__box": "max 100000\n"}, 4),
        ("0::/pod\n", {"pod": "50000 100000\n"}, 1),
        ("0::/pod\n", {"pod": "250000 100000\n"}, 3),
        ("0::/pod\n", {"pod": "what 100000\n"}, 64),
        ("4:memory:/m\n3:cpu,cpuacct:/docker\n", {"cpu,cpuacct__docker": "150000\n100000"}, 2),
        ("3:cpu,cpuacct:/docker\n", {"cpu,cpuacct__docker": "-1\n100000"}, 64),
    ],
)
def test_a_quota_counts(tmp_path: Path, groups: str, quotas: dict[str, str], cores: int) -> None:
    assert threads.usable_cores(machine(tmp_path, groups, **quotas)) == cores


def test_where_nothing_is_known_all_cores_count(tmp_path: Path) -> None:
    assert threads.usable_cores(tmp_path) == 64


def test_numpy_is_told_of_a_quota(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", __="100000 100000\n")
    threads._tell_numpy(2)
    threads.heed_quota(root)
    assert blas() == {1}


def test_the_environment_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads._tell_numpy(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    threads.heed_quota(machine(tmp_path, "0::/\n", __="100000 100000\n"))
    assert (blas(), lampion.get_num_threads()) == ({2}, 7)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    assert lampion.get_num_threads() == 5


def test_one_switch() -> None:
    for n in (1, 2):
        lampion.set_num_threads(n)
        assert (blas(), lampion.get_num_threads()) == ({n}, n)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "2", True, None])
def test_what_is_no_number_of_threads(wrong: object) -> None:
    with pytest.raises(RuntimeError, match="expected an int of at least 1, got"):
        lampion.set_num_threads(wrong)  # type: ignore[arg-type]


def test_the_import_does_not_wait_for_it() -> None:
    code = "import sys, lampion; assert 'threadpoolctl' not in sys.modules or lampion.threads.usable_cores() < 64"
    subprocess.run([sys.executable, "-c", code], check=True)
