import lampion as torch


def helper_0(p0, p1):
    return p0


def program(x, k):
    v16 = torch.ones(2)
    n22 = 0
    while n22 < len(x) and n22 < 3:
        n22 += 1
        x[-1] += 1
        x = helper_0(v16, k)
    return x, v16
