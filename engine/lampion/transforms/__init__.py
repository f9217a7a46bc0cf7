"""Image transforms as modules, under torchvision's names.

Images are uint8 [..., height, width, channel], one or a batch, arrays or Tensors, until `ToChannelsFirst`. The same
`Compose` trains a model and is exported with it: geometry goes into the card, arithmetic into the graph, augmentation
stays behind.
"""

from lampion.transforms.arithmetic import Normalize, ToChannelsFirst, ToChannelsLast, ToDtype
from lampion.transforms.audio import MFCC, AmplitudeToDB, MelScale, MelSpectrogram, Spectrogram
from lampion.transforms.augmentation import (
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from lampion.transforms.compose import Compose
from lampion.transforms.geometry import CenterCrop, Grayscale, Resize, ToImage

__all__ = [
    "MFCC",
    "AmplitudeToDB",
    "CenterCrop",
    "Compose",
    "Grayscale",
    "MelScale",
    "MelSpectrogram",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "Spectrogram",
    "ToChannelsFirst",
    "ToChannelsLast",
    "ToDtype",
    "ToImage",
]
