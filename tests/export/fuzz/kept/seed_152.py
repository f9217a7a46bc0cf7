import lampion as torch


def program(x, k):
    v11 = torch.ones(3)
    if x.sum() > 2.7:
        return x
    v11.neg_()
    return v11
