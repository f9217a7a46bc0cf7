"""Data sets, samplers and loaders. PyTorch's `torch.utils.data`."""

from lampion.utils.data.collate import default_collate, pad_collate
from lampion.utils.data.dataloader import DataLoader
from lampion.utils.data.dataset import (
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from lampion.utils.data.files import ImageFolder, read_idx, read_image
from lampion.utils.data.kept import KeptSamples
from lampion.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from lampion.utils.data.sound import read_wav
from lampion.utils.data.tables import CSVDataset
from lampion.utils.data.worker import WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler",
    "CSVDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "ImageFolder",
    "IterableDataset",
    "KeptSamples",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "get_worker_info",
    "pad_collate",
    "random_split",
    "read_idx",
    "read_image",
    "read_wav",
]
