"""What a claimed job calls, read from its hash, and whether RQ is needed to run it."""

from dataclasses import dataclass

from app.catalogue import AnyTask, Catalogue
from app.errors import ForgedPickle
from app.queue.wire import Call, load_call
from app.worker.turn import Claim

DEFAULT_TIMEOUT = 180  # seconds, RQ's own

# A job that has one of these goes RQ's own way, which knows what it means.
_UNUSUAL = (
    b"success_callback_name",
    b"failure_callback_name",
    b"stopped_callback_name",
    b"webhooks",
    b"group_id",
    b"repeats_left",
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A claimed job, and what it calls; None where that is no plain data, or no registered task."""

    claim: Claim
    begun: float  # on the monotonic clock
    call: Call | None = None
    task: AnyTask | None = None
    timeout: int = 0  # seconds; below 1 there is none
    result_ttl: int = 0  # seconds; 0: it is not kept, -1: for ever
    is_plain: bool = False  # so that it is run without RQ

    @property
    def is_isolated(self) -> bool:
        """Whether it wants a process of its own."""
        return self.task is not None and self.task.options.isolated


def read_assignment(
    claim: Claim, begun: float, catalogue: Catalogue, default_result_ttl: int
) -> Assignment:
    """Read what a claimed job calls.

    Args:
        claim: the job.
        begun: when it began, on the monotonic clock.
        catalogue: where its task is looked up.
        default_result_ttl: seconds that its result is kept where its hash does not say.
    """
    fields = claim.fields
    try:
        timeout = int(fields.get(b"timeout") or DEFAULT_TIMEOUT)
        result_ttl = int(fields.get(b"result_ttl") or default_result_ttl)
        call = load_call(fields[b"data"])
    except (KeyError, ForgedPickle, ValueError):
        return Assignment(claim, begun)
    task = catalogue.at(call.path)
    # Arguments of ours have names; a result may be kept for ever, or not at all.
    usual = task is not None and not call.args and result_ttl >= 1
    # What RQ keeps of who waits for whom is gone by now where the job is one of ours.
    usual = usual and (b"after_failure" in fields or not fields.get(b"dependency_ids"))
    plain = usual and not any(map(fields.get, _UNUSUAL))
    return Assignment(claim, begun, call, task, timeout, result_ttl, plain)
