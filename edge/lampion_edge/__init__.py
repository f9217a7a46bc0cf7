"""Runs a model.onnx as its card says, with numpy and onnxruntime."""

from lampion_edge.card import METADATA_CARD, Card, Preprocessing, Resize, TensorSpec
from lampion_edge.errors import CardError, EdgeError, ImageError, InputError, ModelError, RunError
from lampion_edge.golden import METADATA_GOLDEN, Golden
from lampion_edge.model_file import ModelFile

__all__ = [
    "METADATA_CARD",
    "METADATA_GOLDEN",
    "Card",
    "CardError",
    "EdgeError",
    "Golden",
    "ImageError",
    "InputError",
    "ModelError",
    "ModelFile",
    "Preprocessing",
    "Resize",
    "RunError",
    "TensorSpec",
]
