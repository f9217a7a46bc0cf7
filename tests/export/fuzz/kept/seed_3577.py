import lampion as torch


def program(x, k):
    n6 = 0
    while n6 < len(x) and (x < 2.7).any():
        for i7 in range(n6):
            k = k + 1
        else:
            break
        return torch.tensor(n6), x
    return torch.tensor(2), x
