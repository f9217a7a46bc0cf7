"""Derivatives over the tape. PyTorch's `torch.autograd`."""

from lampion.autograd import functional
from lampion.autograd.anomaly import detect_anomaly, set_detect_anomaly
from lampion.autograd.function import Context, Function
from lampion.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from lampion.autograd.mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from lampion.autograd.walk import backward, grad

__all__ = [
    "Context",
    "Function",
    "GradcheckError",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
