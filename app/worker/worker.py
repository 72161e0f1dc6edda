"""The worker: `rq worker -w worker.Worker high default low`, or `python worker.py`.

It is RQ's worker to everybody who looks: registered, listed and commanded as that is. Its process
supervises a second one, the horse, which runs the jobs.
"""

import logging
from collections.abc import Sequence
from typing import Any

import redis
from rq import Queue
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.logutils import setup_loghandlers
from rq.worker import DequeueStrategy

from app.catalogue import load_catalogue
from app.queue.connection import connect
from app.queue.wire import WireSerializer
from app.settings import Settings
from app.variables import warn_of_unknown_variables
from app.worker.horse import Horse, Limits
from app.worker.job import TaskJob
from app.worker.rq_worker import RQWorker
from app.worker.stable import Stable
from app.worker.supervisor import Supervisor

logger = logging.getLogger("task_api.worker")

_WORDY = ("rq.worker", "rq.job")  # they have several lines for each job

LEASE = 0.6  # of the time to a takeover; the rest is for noticing


class Worker(RQWorker):
    """Takes what RQ's worker takes, and besides it `settings`.

    RQ's command passes its own classes of jobs and serializers; they are not used, for they run
    whatever they read.
    """

    def __init__(
        self,
        queues: str | Queue | Sequence[str] | Sequence[Queue],
        name: str | None = None,
        *,
        connection: redis.Redis | None = None,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        self.settings = settings or Settings.load()
        listed = [queues] if isinstance(queues, str | Queue) else queues
        options |= {"job_class": TaskJob, "queue_class": Queue, "serializer": WireSerializer}
        super().__init__(
            [queue if isinstance(queue, str) else queue.name for queue in listed],
            name,
            connection=connection or connect(self.settings),
            **options,
        )

    def work(
        self,
        burst: bool = False,
        logging_level: str | None = None,
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = True,
        dequeue_strategy: DequeueStrategy = DequeueStrategy.DEFAULT,
    ) -> bool:
        """Run jobs until told to end; with `burst`, until the queues are empty.

        It always schedules, whatever `with_scheduler` says, and it waits where Redis is away.
        Answers whether it ran any job.

        Raises:
            DeclarationError: a task module will not do.
        """
        # Where nobody has configured logging, as under RQ's command, ours goes where RQ's does.
        level = logging_level or self.settings.log_level.upper()
        setup_loghandlers(level, date_format, log_format, name="task_api")
        for name in _WORDY:
            logging.getLogger(name).setLevel(logging_level or logging.WARNING)
        catalogue = load_catalogue(self.settings)
        warn_of_unknown_variables()
        self.tasks = catalogue.digests()
        self._dequeue_strategy = dequeue_strategy
        limits = Limits(
            lease=round(self.settings.takeover_after * LEASE),
            burst=burst,
            max_jobs=max_jobs,
            max_idle_time=max_idle_time,
            renew_after=self.settings.renew_after_jobs,
            renew_growth=self.settings.renew_after_growth,
        )
        stable = Stable(lambda slot, wake: Horse(self, catalogue, slot, wake, limits))
        supervisor = Supervisor(
            self, stable, lease=limits.lease, grace=self.settings.shutdown_grace
        )
        logger.info(
            "worker.started name=%s pid=%s queues=%s tasks=%s",
            self.name,
            self.pid,
            ",".join(self.queue_names()),
            len(catalogue),
        )
        supervisor.run()
        return stable.jobs_done > 0
