import lampion as torch


class State:
    pass


def helper_0(p0, p1):
    t1 = torch.tensor(1.5)
    v2 = torch.ones(4)
    f3 = 0.5
    b4 = True
    l5 = [torch.tensor(1.5)]
    for i6 in range(len(v2) - 1, -1, -1):
        for i7 in range(len(v2) - 1, -1, -1):
            for i8 in range(len(v2) - 1, -1, -1):
                v2[v2 > 1.3] = 0.5
            for e9 in v2:
                if 0.3 < e9 < 4.3:
                    continue
            for i11 in range(3):
                l5 = [u for u in l5 if u > 0.3] + [t1.clone()]
        if 1 <= i6 < 4:
            for i12 in range(i6 % 4):
                if i6 > p1:
                    continue
                p0 *= 0.5
                b4 = not b4
        p1 = p1 % 7 + 1
    l5.insert(0, t1.clone())
    if len(l5) > 1:
        for e13 in v2.clone():
            t15 = -t1
        v2 = torch.full((p1 % 3 + 1,), 0.5)
    return p0


def program(x, k):
    v16 = torch.ones(4)
    i17 = 1
    f18 = 1.5
    b19 = True
    l20 = [torch.tensor(1.5)]
    i17 = i17 % 7 + 1
    if k > 0.3:
        n21 = 0
        while n21 < len(x) and (k > 0.3):
            n21 += 1
            v16 = torch.zeros(i17 % 3 + 1)
            i17 = (i17 + n21) % 11
            i17 //= 2
    if i17 > i17:
        l20[i17 % len(l20)] = k.clone()
    elif i17 == 2:
        for i23, e22 in enumerate(l20[:4]):
            k, k = (k.clone() if 3 <= i17 < 4 else e22.clone()), helper_0(e22, i17)
            if -0.7 < k < 4.3:
                l20.extend([e22.clone(), e22.clone()])
                x = torch.cat([v16[-4:], e22.reshape(1)])
            for e24 in v16.clone():
                l26 = [u.clone() for u in x]
        if i17 % 2 == 0:
            for e27 in l20[:4]:
                i17 //= 2
                if not b19:
                    return torch.stack(l20)
                i17 //= 2
            i17 = len(l20)
            i17 = i17 % 7 + 1
        else:
            v16 = (x[: i17 % 3 + 1] * 2).clone()
            for e29 in l20[:4]:
                l20 = l20[-4:]
                if i17 > i17:
                    return torch.stack(l20)
                i17 = i17 if f18 > -0.7 else i17
    else:
        i31 = len(v16)
        l32 = list(reversed(l20))
    for e33 in l20[:4]:
        f18 = (float(e33)) if 2.7 < k < 4.3 else f18
        for i35 in range(len(v16) - 1, -1, -1):
            if x.sum() > -0.7:
                continue
        for e36 in v16.clone():
            f18 = float(k)
            if e36 > -0.7 and i17 < 4:
                k = helper_0(e33, i17)
            elif i17 > i17:
                f18 *= 0.5
            else:
                v16 = (v16 * -0.25).clamp(-16, 16)
            if (x > 0.3).all():
                return torch.stack(l20)
    b19 = b19 and x.sum() > -0.7
    if f18 > 0.3:
        for e38 in v16:
            k *= 0.5
            f18 = min(f18 + 1, 8.0)
        for i41, e40 in enumerate(v16.clone()):
            i17, i17 = len(l20), (i17 + i41) % 11
            for i42 in range(2):
                k *= 0.5
                l20[i17 % len(l20)] = k.clone()
            k, k = helper_0(k, i41), helper_0(k, i41)
    elif f18 > 1.3:
        for i43 in range(len(v16)):
            f18 = (torch.maximum(k, k)).item()
            f18 = min(f18 + 1.5, 8.0)
    else:
        k = (sum(l20, torch.tensor(0.0)).clamp(-16, 16)).abs()
        if not b19:
            if f18 > 0.3:
                f18 = min(f18 + 1, 8.0)
                k = (k + i17).clamp(-16, 16)
                if k > 1.3:
                    return torch.stack(l20)
            k, k = helper_0(k, i17), ((x[-1].clone()) + i17).clamp(-16, 16)
            b19 = bool((v16 > 2.3).any())
        else:
            i17 = len(v16)
            if k > 2.7 and i17 < 2:
                i17 = 3
            else:
                l20 = [u + i17 for u in (v16[len(x) // 2 :].clone())]
            i17 = i17 if x.sum() > -0.7 else i17
        k += k
    k, k = helper_0(k, i17), l20[-1].clone()
    return torch.stack(l20)
