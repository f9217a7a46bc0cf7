"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lampion.autograd import enable_grad, no_grad
from lampion.ops.create import zeros
from lampion.ops.shape import cat
from lampion.optim.line_search import strong_wolfe
from lampion.optim.optimizer import Optimizer, Params, at_least_zero
from lampion.symbolic import numel
from lampion.tensor import Tensor


class LBFGS(Optimizer):
    """Newton's method, the inverse Hessian estimated from the last `history_size` steps (Liu and Nocedal 1989).

    `step` needs a closure that computes the loss and its gradients anew, and takes up to `max_iter` iterations. With
    line_search_fn="strong_wolfe" each step's length is searched for; it is lr otherwise. One group of parameters only.
    """

    def __init__(
        self, params: Params, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        at_least_zero("LBFGS", lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: expected line_search_fn 'strong_wolfe' or None, got {line_search_fn!r}")
        super().__init__(
            params,
            {
                "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one group of parameters, got {len(self.param_groups)}")

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterations until one of the limits is reached. Gives what `closure` gave first."""
        if closure is None:
            raise ValueError("LBFGS.step: expected a closure that computes loss and gradients, got none")
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        if not state:
            state.update(func_evals=0, n_iter=0, old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
        first, loss, grad = self._evaluated(closure)
        state["func_evals"] += 1
        evaluations = 1
        if float(grad.abs().max()) <= group["tolerance_grad"]:
            return first
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            before = loss
            direction = self._direction(grad, group, state)
            state["prev_flat_grad"], state["prev_loss"], state["d"] = grad, loss, direction
            length = float(group["lr"])
            if state["n_iter"] == 1:
                length *= min(1.0, 1.0 / float(grad.abs().sum()))
            state["t"] = length
            slope = float(grad.dot(direction))
            if slope > -group["tolerance_change"]:
                break
            searched = group["line_search_fn"] is not None
            if searched:
                allowed = group["max_eval"] - evaluations
                loss, grad, length, count = self._searched(closure, length, direction, loss, grad, slope, allowed)
                state["t"] = length
            self._move(length, direction)
            if not searched:
                count = int(i != group["max_iter"])  # what follows the last step is not asked for
                if count:
                    _, loss, grad = self._evaluated(closure)
            evaluations += count
            state["func_evals"] += count
            if evaluations >= group["max_eval"] or float(grad.abs().max()) <= group["tolerance_grad"]:
                break
            moved = float((direction * length).abs().max())
            if min(moved, abs(loss - before)) <= group["tolerance_change"]:
                break
        return first

    def _direction(self, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> Tensor:
        """-(estimated inverse Hessian) grad, after the last step has entered the estimate."""
        if state["n_iter"] == 1:
            return -grad
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
        ys = float(y.dot(s))
        if ys > 1e-10:
            if len(changes) == group["history_size"]:
                for history in (changes, steps, ro):
                    history.pop(0)
            changes.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / float(y.dot(y))
        q, alphas = -grad, []
        for y, s, r in zip(reversed(changes), reversed(steps), reversed(ro), strict=True):
            alphas.append(float(s.dot(q)) * r)
            q = q - y * alphas[-1]
        q = q * state["H_diag"]
        for y, s, r, alpha in zip(changes, steps, ro, reversed(alphas), strict=True):
            q = q + s * (alpha - float(y.dot(q)) * r)
        return q

    def _searched(
        self, closure: Callable[[], Any], length: float, direction: Tensor, loss: float, grad: Tensor, slope: float,
        allowed: int,
    ) -> tuple[float, Tensor, float, int]:  # fmt: skip
        """Loss, gradient and length of the step that is found, and how often the closure was called."""
        params = self.param_groups[0]["params"]
        start = [p.detach().clone() for p in params]

        def at(t: float) -> tuple[float, Tensor]:
            self._move(t, direction)
            _, loss, grad = self._evaluated(closure)
            for p, before in zip(params, start, strict=True):
                p.copy_(before)
            return loss, grad

        return strong_wolfe(at, length, direction, loss, grad, slope, max_ls=allowed)

    def _evaluated(self, closure: Callable[[], Any]) -> tuple[Any, float, Tensor]:
        """What the closure gives, as a number too, and all gradients in a vector."""
        with enable_grad():
            loss = closure()
        parts = []
        for p in self.param_groups[0]["params"]:
            parts.append(zeros(numel(p.shape), dtype=p.dtype) if p.grad is None else p.grad.detach().reshape(-1))
        return loss, float(loss), cat(parts)

    def _move(self, length: float, direction: Tensor) -> None:
        start = 0
        for p in self.param_groups[0]["params"]:
            size = numel(p.shape)
            p.add_(direction[start : start + size].reshape(p.shape), alpha=length)
            start += size
