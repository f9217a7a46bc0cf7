import lampion as torch


def helper_0(p0, p1):
    return p0


def program(x, k):
    for e18 in x:
        k = helper_0(e18, k)
    k *= 0.5
    return x
