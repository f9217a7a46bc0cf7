import lampion as torch


class State:
    pass


def program(x, k):
    s = State()
    s.a, s.n = torch.tensor(0.5), 1
    for e6 in x:
        if (x < -0.7).any():
            return e6, torch.tensor(s.n)
    s.a += k
    return s.a, torch.tensor(3)
