"""What `predict` takes and tells, by the task on a model's card."""

from lampion_server.tasks.photos import PHOTOS
from lampion_server.tasks.records import RECORDS
from lampion_server.tasks.sounds import SOUNDS
from lampion_server.tasks.task import Prediction, Task

__all__ = ["PHOTOS", "RECORDS", "SOUNDS", "Prediction", "Task", "task_of"]

_TASKS = {"image-classification": PHOTOS, "audio-classification": SOUNDS}


def task_of(card_task: str) -> Task:
    """How a model of this task is asked; whatever takes neither photos nor sounds takes records."""
    return _TASKS.get(card_task, RECORDS)
