"""Runs a model.onnx as its card says, with numpy and onnxruntime."""

from lampion_edge.card import METADATA_CARD, Card, Preprocessing, Resize, TensorSpec
from lampion_edge.errors import CardError, EdgeError, ImageError, InputError, ModelError, RunError
from lampion_edge.golden import METADATA_GOLDEN, Golden
from lampion_edge.image import decode
from lampion_edge.labels import Label
from lampion_edge.model_file import ModelFile
from lampion_edge.session import Prediction, Session
from lampion_edge.threads import usable_cores
from lampion_edge.verification import SampleCheck, Verification

__all__ = [
    "METADATA_CARD",
    "METADATA_GOLDEN",
    "Card",
    "CardError",
    "EdgeError",
    "Golden",
    "ImageError",
    "InputError",
    "Label",
    "ModelError",
    "ModelFile",
    "Prediction",
    "Preprocessing",
    "Resize",
    "RunError",
    "SampleCheck",
    "Session",
    "TensorSpec",
    "Verification",
    "decode",
    "usable_cores",
]
