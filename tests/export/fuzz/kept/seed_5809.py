import lampion as torch


def helper_0(p0, p1):
    p0 += -0.25


def program(x, k):
    l17 = [torch.tensor(1.5)]
    if k > 2.7:
        k = (k * 1.5).clamp(-16, 16)
    else:
        l17.insert(0, k)
    helper_0(k, l17)
    return k, torch.stack(l17)
