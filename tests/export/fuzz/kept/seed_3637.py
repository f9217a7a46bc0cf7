import lampion as torch


def program(x, k):
    l16 = [torch.tensor(2.0)]
    a = torch.tensor(0.5)
    for i17 in range(4):
        l16.extend([k.clone(), a.clone()])
        for i22, e21 in enumerate(l16[:4]):
            a *= 0.5
        else:
            continue
        break
    return torch.stack(l16), k
