"""numpy kernels: functions of arrays that know nothing of Tensors."""
