"""The backlog: is the POST as fast with a million jobs waiting, and what do they weigh."""

from functools import partial

from benchmarks import bulk
from benchmarks.enqueue import COLUMNS, CONNECTIONS, FIGURES, serve_ours
from benchmarks.finding import Finding, Ratio, alternate
from benchmarks.scale import Scale
from benchmarks.stage import Stage

WEIGHED = 10  # thousands of jobs
NONE = "none waiting"


def ask(scale: Scale) -> Finding:
    """Load two services side by side, each with a Redis of its own; one has the backlog."""
    with Stage(scale.fsync) as empty, Stage(scale.fsync) as full:
        full_name = f"{scale.backlog:,} waiting"
        ours_bytes, rq_bytes = _weigh(empty)
        bulk.enqueue_with(full)
        bulk.ours(scale.backlog // bulk.AT_ONCE)
        room = {"TASK_API_MAX_QUEUE_LENGTH": str(100 * scale.backlog)}
        targets = {NONE: serve_ours(empty, room), full_name: serve_ours(full, room)}
        for target in targets.values():
            target.load(CONNECTIONS, 0.5)
        rounds = alternate(
            {
                name: partial(target.load, CONNECTIONS, scale.seconds)
                for name, target in targets.items()
            },
            scale.rounds,
        )
    return Finding(
        name="backlog",
        question=f"Is the POST as fast with {scale.backlog:,} jobs waiting?",
        ratios=[
            Ratio(f"{full_name} / {NONE}", rounds.ratio(full_name, NONE, "rate"), at_least=0.9),
            Ratio(
                "bytes in Redis for a waiting job, ours / RQ's", ours_bytes / rq_bytes, at_most=1.3
            ),
        ],
        columns=COLUMNS,
        rows=rounds.rows(*FIGURES),
        rounds=rounds.count,
        notes=[f"A waiting job takes {ours_bytes:.0f} bytes, one of RQ's own {rq_bytes:.0f}."],
    )


def _weigh(stage: Stage) -> tuple[float, float]:
    """Give the bytes of a waiting job: ours, and one that RQ's own enqueue has written."""

    def used() -> int:
        return int(stage.redis.info("memory")["used_memory_dataset"])

    weights = []
    bulk.enqueue_with(stage)
    for write in (bulk.ours, partial(bulk.rq, stage)):
        stage.clear()
        before = used()
        write(WEIGHED)
        weights.append((used() - before) / (WEIGHED * bulk.AT_ONCE))
    stage.clear()
    return weights[0], weights[1]
