"""Optimizers and learning rate schedules. PyTorch's `torch.optim`."""

from lampion.optim import lr_scheduler
from lampion.optim.adagrad import Adagrad
from lampion.optim.adam import Adam
from lampion.optim.adamw import AdamW
from lampion.optim.optimizer import Optimizer
from lampion.optim.rmsprop import RMSprop
from lampion.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
]
