"""Runs a model.onnx as its card says, with numpy and onnxruntime.

A name's module is imported when the name is first used, so that `import lampion_edge` takes a millisecond.
"""

from typing import TYPE_CHECKING

from lampion_edge.lazily import lazily

if TYPE_CHECKING:  # the same table, for type checkers and editors
    from lampion_edge.card import METADATA_CARD as METADATA_CARD
    from lampion_edge.card import METADATA_GOLDEN as METADATA_GOLDEN
    from lampion_edge.card import Card as Card
    from lampion_edge.card import Preprocessing as Preprocessing
    from lampion_edge.card import Resize as Resize
    from lampion_edge.card import TensorSpec as TensorSpec
    from lampion_edge.client import AsyncClient as AsyncClient
    from lampion_edge.client import Client as Client
    from lampion_edge.errors import CameraError as CameraError
    from lampion_edge.errors import CardError as CardError
    from lampion_edge.errors import EdgeError as EdgeError
    from lampion_edge.errors import ImageError as ImageError
    from lampion_edge.errors import InputError as InputError
    from lampion_edge.errors import ModelError as ModelError
    from lampion_edge.errors import RefusedError as RefusedError
    from lampion_edge.errors import RunError as RunError
    from lampion_edge.errors import ServiceError as ServiceError
    from lampion_edge.errors import SoundError as SoundError
    from lampion_edge.errors import UpdateError as UpdateError
    from lampion_edge.golden import Golden as Golden
    from lampion_edge.image import decode as decode
    from lampion_edge.labels import Label as Label
    from lampion_edge.model_file import ModelFile as ModelFile
    from lampion_edge.session import Prediction as Prediction
    from lampion_edge.session import Session as Session
    from lampion_edge.threads import usable_cores as usable_cores
    from lampion_edge.verification import SampleCheck as SampleCheck
    from lampion_edge.verification import Verification as Verification

_HOMES = {
    "METADATA_CARD": ".card",
    "METADATA_GOLDEN": ".card",
    "AsyncClient": ".client",
    "CameraError": ".errors",
    "Card": ".card",
    "CardError": ".errors",
    "Client": ".client",
    "EdgeError": ".errors",
    "Golden": ".golden",
    "ImageError": ".errors",
    "InputError": ".errors",
    "Label": ".labels",
    "ModelError": ".errors",
    "ModelFile": ".model_file",
    "Prediction": ".session",
    "Preprocessing": ".card",
    "Resize": ".card",
    "RefusedError": ".errors",
    "RunError": ".errors",
    "ServiceError": ".errors",
    "SoundError": ".errors",
    "SampleCheck": ".verification",
    "Session": ".session",
    "TensorSpec": ".card",
    "UpdateError": ".errors",
    "Verification": ".verification",
    "decode": ".image",
    "usable_cores": ".threads",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazily(globals(), _HOMES)
