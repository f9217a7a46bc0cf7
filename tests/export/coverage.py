"""What exports: counts, axes that may vary, refusals. `python tests/export/coverage.py --update` looks anew and writes
tests/export/axes.json and docs/export-coverage.md; without `--update` it prints the document as the tables have it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]  # as pytest has it: tests/ is where imports start

from export_cases import (  # noqa: E402  # noqa: E402
    AXES,
    EXPORTED,
    LATE,
    NEWEST,
    OLDEST,
    REFUSED,
    UNTRACEABLE,
    Axes,
    Subject,
    differences,
    primitives,
    recorded_axes,
    session_of,
)
from test_modules import LENGTHS, ROWS  # noqa: E402
from test_modules import REFUSED as MODULES_REFUSED  # noqa: E402

from lampion_export.convert import refusals  # noqa: E402

DOCUMENT = HERE.parents[1] / "docs" / "export-coverage.md"
Place = tuple[str, int]


def document() -> str:
    """docs/export-coverage.md, from the tables that the tests run."""
    axes, refused = recorded_axes(), refusals()
    batched = sum(bool(c.batch_axis) for c in EXPORTED)
    several = [case for case, found in axes.items() if found]
    count = sum(len({name for a in axes[case].values() for name in a.values()}) for case in several)
    lines = [
        TEXT.strip(),
        "",
        "| | |",
        "|---|---:|",
        f"| primitives of the engine with a converter | {len(primitives()) - len(refused)} |",
        f"| primitives refused by name | {len(refused)} |",
        f"| op cases exported, equal to eager ones | {len(EXPORTED)} |",
        f"| of them with a batch that varies, at three other sizes | {batched} |",
        f"| of them with every axis that can, at three other sizes or more | {len(several)} |",
        f"| axes that vary there | {count} |",
        f"| op cases at opset {OLDEST} / 21 / {NEWEST} | {len(EXPORTED) - len(LATE)} / {len(EXPORTED)} / {len(EXPORTED)} |",
        f"| op cases refused: ONNX has no such operator | {len(REFUSED)} |",
        f"| op cases refused: the numbers decide the shape | {len(UNTRACEABLE)} |",
        f"| modules of `lampion.nn` exported, at two batch sizes or more | {len(ROWS)} |",
        f"| of them along further axes, at three sizes | {len(LENGTHS)} |",
        f"| modules refused | {len(MODULES_REFUSED)} |",
        "",
        "## Refused primitives",
        "",
        *_listed({kind.__name__: why for kind, why in refused.items()}),
        "",
        "## Refused modules",
        "",
        *_listed({name: why for name, (_, _, _, why) in MODULES_REFUSED.items()}),
        "",
        "## Refused while tracing",
        "",
        "Which shape these give depends on the numbers, or they look at the numbers as they go: "
        + ", ".join(f"`{c.name}`" for c in UNTRACEABLE)
        + ".",
        "",
        f"## Refused at opset {OLDEST}",
        "",
        "Their operators came with opset 18: " + ", ".join(f"`{name}`" for name in sorted(LATE)) + ".",
    ]
    return "\n".join(lines) + "\n"


TEXT = """
# Export coverage

Written by `python tests/export/coverage.py --update`; the tests run every row of it (`tests/export/test_op_cases.py`,
`tests/export/test_modules.py`), and `tests/export/test_coverage.py` fails when a number here is no longer what they run.
An op case is one call of one op; it counts as exported when its file passes ONNX's checker with full shape inference and
answers in onnxruntime as the op does eagerly.
"""


def _listed(reasons: dict[str, str]) -> list[str]:
    """One line a reason, with the names it holds for."""
    by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by_reason.setdefault(why, []).append(f"`{name}`")
    return sorted(f"- {', '.join(sorted(names))}: {why}" for why, names in by_reason.items())


# ---- looking anew ---------------------------------------------------------------------------------------------------


def found_axes(subject: Subject) -> Axes:
    """The axes of a case that may vary all at once, those that must agree under one name."""
    own = subject.example()
    kept: Axes = {}
    for group in _groups(own):
        if any(d in kept.get(k, {}) for k, d in group):
            continue
        name = "abcdefghij"[len({n for a in kept.values() for n in a.values()})]
        tried = {k: dict(a) for k, a in kept.items()}
        for k, d in group:
            tried.setdefault(k, {})[d] = name
        if _works(subject, tried):
            kept = tried
    return kept


def _groups(own: dict[str, Any]) -> Iterator[list[Place]]:
    """Axes that may vary together: one alone, then those of equal size at the same place, then all of equal size."""
    places = [(k, d) for k, array in own.items() for d, n in enumerate(array.shape) if n]
    yield from ([place] for place in places)
    for same in (lambda p: (own[p[0]].shape[p[1]], p[1]), lambda p: own[p[0]].shape[p[1]]):
        groups: dict[Any, list[Place]] = {}
        for place in places:
            groups.setdefault(same(place), []).append(place)
        yield from (group for group in groups.values() if len(group) > 1)


def _works(subject: Subject, axes: Axes) -> bool:
    """Whether the case runs eagerly at three other sizes, exports, and answers the same."""
    others = subject.others(axes, at_most=6)
    if len(others) < 3:
        return False
    try:
        session = session_of(subject, axes)
        return not any(differences(subject, session, inputs) for inputs in others)
    except Exception:  # refused, which the command is there to find out
        return False


def main() -> None:
    if "--update" in sys.argv:
        found = {case.name: found_axes(Subject(case)) for case in EXPORTED}
        lines = [f"{json.dumps(name)}: {json.dumps(axes)}" for name, axes in found.items()]
        AXES.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        DOCUMENT.write_text(document())
    print(document())


if __name__ == "__main__":
    main()
