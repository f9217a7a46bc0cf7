"""Optimizers and learning rate schedules. PyTorch's `torch.optim`."""

from lampion.optim import lr_scheduler, swa_utils
from lampion.optim.adadelta import Adadelta
from lampion.optim.adafactor import Adafactor
from lampion.optim.adagrad import Adagrad
from lampion.optim.adam import Adam
from lampion.optim.adam_family import Adamax, NAdam, RAdam
from lampion.optim.adamw import AdamW
from lampion.optim.asgd import ASGD
from lampion.optim.lbfgs import LBFGS
from lampion.optim.muon import Muon
from lampion.optim.optimizer import Optimizer
from lampion.optim.rmsprop import RMSprop
from lampion.optim.rprop import Rprop
from lampion.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
