"""The job as our worker runs it: a registered task or nothing, restored no further than needed."""

from typing import Any, Self

from rq.job import _job_stack

from app.catalogue import AnyTask
from app.errors import UnregisteredTask
from app.queue.hashes import Hash
from app.queue.wire import WireJob
from app.queue.witnessed import Witnessed
from app.worker.coroutines import Coroutines


class TaskJob(Witnessed, WireJob):
    """A job whose function is looked up in the catalogue, never imported by its name."""

    task: AnyTask | None = None
    coroutines: Coroutines | None = None

    @classmethod
    def lazily(cls, job_id: str, fields: Hash, connection: Any) -> Self:
        """Make a job that RQ restores from its hash once anybody asks it for anything.

        Most tasks ask nothing, and restoring takes longer than running many of them.
        """
        job = cls.__new__(cls)
        job.__dict__["_unrestored"] = (job_id, fields, connection)
        return job

    def __getattr__(self, name: str) -> Any:
        unrestored = self.__dict__.get("_unrestored")
        if unrestored is None:  # or another thread has restored it just now
            return object.__getattribute__(self, name)
        job_id, fields, connection = unrestored
        # On the side: of a broken record, whoever asks next is to hear too.
        restored = type(self)(job_id, connection)
        restored.restore(fields)
        for each, value in restored.__dict__.items():
            self.__dict__.setdefault(each, value)
        self.__dict__.pop("_unrestored", None)
        return getattr(self, name)

    @property
    def func(self) -> Any:
        """The registered task.

        Raises:
            UnregisteredTask: the job names another function.
        """
        if self.task is None:
            raise UnregisteredTask(path=self.func_name)
        return self.task

    def perform(self) -> Any:
        """Call the task. RQ's own keeps the job from expiring first, as the claim has done."""
        _job_stack.push(self)
        try:
            self._result = self._execute()
        finally:
            _job_stack.pop()
        return self._result

    def _execute(self) -> Any:
        value = self.func(*self.args, **self.kwargs)
        # RQ's own makes an event loop for each coroutine, and closes none.
        if self.task is not None and self.task.is_async and self.coroutines is not None:
            value = self.coroutines.run(value)
        return value
