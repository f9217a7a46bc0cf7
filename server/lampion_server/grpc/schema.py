"""The messages of `open_inference.proto`, as classes."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

SERVICE = "inference.GRPCInferenceService"


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((files(__package__) / "open_inference.binpb").read_bytes()).file:
        pool.Add(file)
    return pool


# A pool of our own: every client of the protocol puts messages of these names into the common one, which takes the
# first and refuses the second, so that no two of them could live in one process with us.
POOL = _pool()
METHODS = POOL.FindServiceByName(SERVICE).methods


def message(name: str) -> Any:
    """The class of a message, for instance `ModelInferRequest`."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))
