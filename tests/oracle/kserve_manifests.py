"""Manifests beside KServe's own classes: python kserve_manifests.py FILE CLASS. In a process of its own, for KServe brings
another copy of the protocol's messages than other clients do, and protobuf takes one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import kserve
import yaml
from kubernetes import client


def check(value: Any, kind: str, path: str) -> None:
    """Every key is one of the class's, and every value of its type, all the way down."""
    if found := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), path
        for index, one in enumerate(value):
            check(one, found[1], f"{path}[{index}]")
    elif found := re.fullmatch(r"[Dd]ict[([]str, (.*)[)\]]", kind):
        assert isinstance(value, dict), path
        for key, one in value.items():
            check(one, found[1], f"{path}.{key}")
    elif (model := getattr(kserve, kind, None) or getattr(client, kind, None)) is not None:
        names = {shown: name for name, shown in model.attribute_map.items()}
        for key, one in value.items():
            assert key in names, f"{path}.{key}: expected one of {', '.join(names)}"
            check(one, model.openapi_types[names[key]], f"{path}.{key}")
    else:
        expected = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}[kind]
        assert isinstance(value, expected), f"{path}: expected {kind}, got {value!r}"


if __name__ == "__main__":
    check(yaml.safe_load(Path(sys.argv[1]).read_text()), sys.argv[2], "")
