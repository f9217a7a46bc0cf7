"""What can go wrong at the edge, as one tree."""

from __future__ import annotations


class EdgeError(Exception):
    """Base of every error this package raises on purpose.

    EdgeError
    ├── ModelError    the file is missing, is not ONNX, is damaged, or onnxruntime refuses it
    ├── CardError     the card (or the golden samples) inside the file is invalid; `field` says where
    ├── ImageError    not an image, truncated, too many pixels, empty
    ├── SoundError    not a wav file, damaged, empty, too long
    ├── InputError    wrong name, shape, dtype or count of what was passed; `field` says which input
    ├── RunError      inputs were accepted, yet the model failed while it computed
    ├── CameraError   no camera, none that can be opened, or a file that is no video
    ├── UpdateError   a device's models can't be updated, confirmed or taken back as asked
    │   └── RefusedError  what was offered isn't taken: its signature, a checksum, its version, the board, the trial run
    └── ServiceError  a server can't be reached, or says no; `status` is HTTP's, None without an answer

    `field` names the culprit (`preprocessing.resize.size`, `image`), `hint` says what to do about it; both may be None.
    """

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


class ModelError(EdgeError):
    """The model file is missing, is not ONNX, is damaged, or onnxruntime refuses it."""


class CardError(EdgeError):
    """The card or the golden samples inside the file are invalid; `field` is the path of the wrong value."""


class ImageError(EdgeError):
    """The photo is not an image, is truncated, is empty or has too many pixels."""


class SoundError(EdgeError):
    """The sound is no wav file, is damaged, is empty or is longer than the model takes."""


class InputError(EdgeError):
    """What was passed has a wrong name, shape, dtype or count; `field` is the input's name."""


class RunError(EdgeError):
    """The inputs were accepted, yet the model failed while it computed."""


class CameraError(EdgeError):
    """There is no such camera, it can't be opened, or the file is no video."""


class UpdateError(EdgeError):
    """A device's models can't be updated, confirmed or taken back as asked; another try may go well."""


class RefusedError(UpdateError):
    """What was offered isn't taken, now or later: its signature, a checksum, its version, the board or the trial run."""


class ServiceError(EdgeError):
    """A server can't be reached, or says no; `status` is HTTP's (None without an answer), `retry_after` in seconds."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.status = status
        self.retry_after = retry_after
