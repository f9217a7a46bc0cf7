import lampion as torch


def program(x, k):
    v1 = torch.ones(3)
    f3 = 2.0
    for i18 in range(1):
        for e19 in v1.clone():
            f3 = min(f3 + 1, 8.0)
        else:
            break
        k = k.clamp(-1, 1)
    return x, k, torch.tensor(f3)
