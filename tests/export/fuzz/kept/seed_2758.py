import lampion as torch


def program(x, k):
    l16 = [torch.tensor(2.0)]
    t12 = x.amax()
    if (x > 0.3).all():
        l16.extend([t12.clone(), t12.clone()])
    for e24 in l16[:4]:
        x = torch.stack(l16)[-5:]
        x[-1] += 1
    return torch.stack(l16), x
