"""Golden samples: a few inputs with the outputs they are known to give, carried inside the model file."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lampion_edge.errors import CardError
from lampion_edge.json_fields import Fields, number, text

Array = npt.NDArray[Any]
Sample = tuple[dict[str, Array], dict[str, Array]]
# A few compressed megabytes could otherwise unpack to as many gigabytes.
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Golden:
    """Samples of (inputs, outputs), arrays by name; an output may differ by `atol + rtol * |known output|`."""

    samples: tuple[Sample, ...]
    rtol: float = 1e-3
    atol: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", tuple(self.samples))

    @classmethod
    def from_json(cls, source: str, *, max_bytes: int = MAX_BYTES) -> Golden:
        """Reads what `to_json` wrote; nothing is unpickled. Raises CardError, also above `max_bytes` unpacked."""
        try:
            fields = Fields(json.loads(source), "")
        except (ValueError, RecursionError) as error:
            raise CardError(f"golden samples: not valid JSON ({error})") from None
        rtol, atol = fields.take("rtol", number), fields.take("atol", number)
        arrays = _unpack(fields.take("samples", text), max_bytes)
        return cls(_grouped(arrays), rtol=rtol, atol=atol)

    def to_json(self) -> str:
        """JSON `{"rtol", "atol", "samples": base64 of an npz}`, with keys such as `0.in.image` and `0.out.output`."""
        arrays = {
            f"{index}.{side}.{name}": _storable(array)
            for index, sample in enumerate(self.samples)
            for side, part in zip(("in", "out"), sample, strict=True)
            for name, array in part.items()
        }
        import zipfile  # takes longer than all of this package; running a model needs none of it

        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, array in arrays.items():
                # Opened so, a member has a fixed date (np.savez writes today's): equal samples give equal files.
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        samples = base64.b64encode(packed.getvalue()).decode()
        return json.dumps({"rtol": self.rtol, "atol": self.atol, "samples": samples})


def _storable(array: Array) -> Array:
    array = np.asarray(array)
    return array.astype(np.str_) if array.dtype == object else array


def _unpack(samples: str, max_bytes: int) -> dict[str, Array]:
    """The arrays of a base64 npz."""
    import zipfile

    try:
        packed = io.BytesIO(base64.b64decode(samples, validate=True))
        with zipfile.ZipFile(packed) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > max_bytes:
            raise CardError(f"golden samples: expected at most {max_bytes} bytes, got {unpacked}", field="samples")
        with np.load(packed, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except CardError:
        raise
    # zlib, zipfile and numpy's header parser raise a dozen types between them, according to which byte is wrong.
    except Exception as error:
        kind = "base64" if isinstance(error, binascii.Error) else "an npz of plain arrays"
        raise CardError(f"golden samples: not {kind} ({error})", field="samples") from error


def _grouped(arrays: Mapping[str, Array]) -> tuple[Sample, ...]:
    samples: dict[int, Sample] = {}
    for key, array in arrays.items():
        index, _, rest = key.partition(".")
        side, _, name = rest.partition(".")
        if not index.isdecimal() or side not in ("in", "out") or not name:
            raise CardError(f"golden samples: expected keys such as '0.in.image', got {key!r}", field="samples")
        samples.setdefault(int(index), ({}, {}))[side == "out"][name] = array
    return tuple(samples[index] for index in sorted(samples))
