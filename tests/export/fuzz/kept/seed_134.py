import lampion as torch


class State:
    pass


def helper_0(p0, p1):
    t1 = torch.tensor(1.5)
    v2 = torch.ones(1)
    i3 = 4
    f4 = 0.5
    l5 = [torch.tensor(1.5)]
    p1 = not p1
    i3 = abs(i3 - i3)
    if t1 > -0.7 and i3 < 3:
        return i3
    return i3


def program(x, k):
    t6 = torch.tensor(1.5)
    i7 = 2
    f8 = 0.5
    b9 = True
    l10 = [torch.tensor(-0.25)]
    s = State()
    s.a, s.n = torch.tensor(0.5), 1
    if b9:
        l10 = [u + i7 for u in x]
        n11 = 0
        while n11 < 4:
            n11 += 1
            for i12 in range(i7 % 4):
                x = x[len(x) // 2 :].clone()
                if 1.3 < s.a < 4.3:
                    break
        else:
            f8 *= 0.5
        if k > 1.3:
            return t6, torch.stack(l10), torch.tensor(f8)
    else:
        f8 *= 0.5
    for i13 in range(len(x) - 1, -1, -1):
        s.a *= 0.5
    f8 = min(f8 + 1, 8.0)
    for i15, e14 in enumerate(x):
        if not b9:
            if b9 or k > 1.3:
                if f8 > -0.7:
                    return k, torch.stack(l10), torch.tensor(f8)
            elif k > -0.7 and i15 < 3:
                i16 = helper_0(e14, b9)
            else:
                if t6 > 2.7 and i15 < 4:
                    break
            for e17 in x.clone():
                t6 = torch.stack(l10).amin()
            if not b9:
                continue
        elif len(l10) > 3:
            for e19 in x.clone():
                if (x < 2.7).any():
                    continue
                i7 = int(((torch.cat([x[-4:], k.reshape(1)])) > 0.3).sum())
            b9 = not b9
            n21 = 0
            while n21 < 4:
                n21 += 1
                t22 = max(e14.clone(), k.clone())
                t6 += s.a
        else:
            for i23 in range(len(x) - 1, -1, -1):
                b9 = b9 and s.n % 2 == 0
            t24 = ((x if (x < 2.7).any() else x).clone()).amax()
        s.n = helper_0(s.a, b9)
        i7 //= 2
    x = x[len(x) // 2 :].clone()
    return t6, torch.stack(l10), torch.tensor(f8)
