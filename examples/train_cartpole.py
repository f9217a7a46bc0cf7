"""A policy gradient with a learned baseline balances a pole on a cart.

    python examples/train_cartpole.py [--steps N] [--losses FILE]

Episodes are simulated here; actions are drawn by numpy, so that every framework sees the same. Advantage actor-critic: Sutton
and Barto, Reinforcement Learning, 2nd edition, chapter 13. With `import torch` in place of `import lampion as torch` it is a
PyTorch script, and its losses are the same.
"""

from __future__ import annotations

import numpy as np
from common import arguments, initial_weights, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

EPISODES, LIMIT, DISCOUNT = 8, 200, 0.98


def pushed(state, action):
    """The next state [n, 4] (place, speed, angle, angular speed) after 0.02 s of pushing right (1) or left (0) with 10 N.

    The cart-pole of Barto, Sutton and Anderson, "Neuronlike adaptive elements...", 1983: cart 1 kg, pole 0.1 kg, 0.5 m to
    its middle, Euler steps.
    """
    _, speed, angle, turning = state.T
    force, sine, cosine = np.where(action, 10.0, -10.0), np.sin(angle), np.cos(angle)
    share = (force + 0.05 * turning**2 * sine) / 1.1
    bending = (9.8 * sine - cosine * share) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    moving = share - 0.05 * bending * cosine / 1.1
    return state + 0.02 * np.stack([speed, moving, turning, bending], 1)


def stands(state):
    """Whether the cart is within 2.4 m of its start and the pole within 12 degrees of upright: bool [n]."""
    return (np.abs(state[:, 0]) < 2.4) & (np.abs(state[:, 2]) < np.deg2rad(12))


class ActorCritic(nn.Module):
    """A state to the scores of both actions and the expected return."""

    def __init__(self):
        super().__init__()
        self.hidden, self.policy, self.value = nn.Linear(4, 64), nn.Linear(64, 2), nn.Linear(64, 1)

    def forward(self, state):
        """[n, 4] -> [n, 2], [n]"""
        h = torch.tanh(self.hidden(state))
        return self.policy(h), self.value(h).squeeze(-1)


def episodes(model, rng):
    """Plays: float32 states [time, n, 4], int64 actions [time, n], and which of them counted, bool [time, n]."""
    state, alive, played = rng.uniform(-0.05, 0.05, (EPISODES, 4)), np.ones(EPISODES, bool), []
    while alive.any() and len(played) < LIMIT:
        with torch.no_grad():
            scores, _ = model(torch.from_numpy(state.astype(np.float32)))
            chance = F.softmax(scores, dim=-1)[:, 1].numpy()
        action = (rng.random(EPISODES) < chance).astype(np.int64)
        played.append((state.astype(np.float32), action, alive))
        state = np.where(alive[:, None], pushed(state, action), state)
        alive = alive & stands(state)
    return [np.stack(column) for column in zip(*played, strict=True)]


def returns(alive):
    """The discounted rewards from each moment on, a reward being 1 for a moment survived: float32 [time, n]."""
    total, result = np.zeros(alive.shape[1]), np.zeros(alive.shape, np.float32)
    for i in reversed(range(len(alive))):
        result[i] = total = alive[i] * (1 + DISCOUNT * total)
    return result


def main():
    args = arguments("Balance a pole on a cart.", steps=150)
    rng = np.random.default_rng(0)
    model = ActorCritic()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(0.5 * torch.from_numpy(weight))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, lengths = [], []
    for _ in (bar := tqdm(range(args.steps))):
        states, actions, alive = episodes(model, rng)
        expected = torch.from_numpy(returns(alive)[alive])
        scores, value = model(torch.from_numpy(states[alive]))
        chosen = F.log_softmax(scores, dim=-1).gather(1, torch.from_numpy(actions[alive]).unsqueeze(1)).squeeze(1)
        loss = -(chosen * (expected - value.detach())).mean() + F.smooth_l1_loss(value, expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        lengths.append(alive.sum() / EPISODES)
        bar.set_postfix(length=lengths[-1])
    write_losses(args.losses, losses)
    fresh = np.mean([episodes(model, rng)[2].sum() / EPISODES for _ in range(4)])
    print(
        f"mean length of an episode {np.mean(lengths[:5]):.1f} -> {fresh:.1f} of {LIMIT} in 32 that it did not learn from"
    )


if __name__ == "__main__":
    main()
