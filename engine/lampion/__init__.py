"""lampion: train with dynamic graphs. Names and semantics of PyTorch on numpy."""

from lampion.tensor import Tensor
