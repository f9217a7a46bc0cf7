import lampion as torch


def helper_0(p0, p1):
    return torch.ones(1)


def program(x, k):
    i15 = 2
    f16 = -0.25
    if k < 2.7:
        for i22 in range(1, i15 % 5, 2):
            if k > 2.7:
                return torch.tensor(f16)
            x = helper_0(x, f16)
        v23 = (x + k * 0.5).clamp(-16, 16)
    return torch.tensor(f16)
