"""The tasks that live workers have loaded, held against those that are here."""

from app.catalogue import Catalogue
from app.queue import keys
from app.tasks import task
from tests.doctor.conftest import levels


def test_a_task_that_a_live_worker_does_not_have_is_named_with_the_worker(found, load):
    load("new")
    load("old", without=["clean_temp_files", "process_image"])
    load("older", without=["process_image"])

    finding = found("workers-tasks")

    assert finding.level == "fail"
    assert finding.message == (
        "not loaded by live workers: clean_temp_files (old), process_image (old, older)"
    )
    assert finding.remedy.startswith("restart those workers, from the version that the API runs")


def test_a_worker_needs_no_task_whose_queue_it_does_not_serve(found, load, shipped):
    assert shipped.named("clean_temp_files").options.queue == "low"
    load("elsewhere", "high", without=["clean_temp_files"])

    assert found("workers-tasks").level == "ok"


def test_a_task_that_a_worker_has_with_other_arguments_is_named(found, load, shipped):
    path = shipped.named("clean_temp_files").path
    load("old", others={path: "0123456789abcdef", "jobs.gone.task": "0" * 16})

    finding = found("workers-tasks")

    assert levels(finding) == ("warn", False)
    assert finding.message == "loaded by live workers with other arguments: clean_temp_files (old)"


def test_a_long_list_of_workers_is_cut(found, load):
    for number in range(7):
        load(f"w{number}", without=["clean_temp_files"])

    assert found("workers-tasks").message.endswith("clean_temp_files (w0, w1, w2, w3, w4, …)")


def test_rqs_own_workers_do_not_tell_what_they_have_loaded(found, hire, load, redis_client):
    assert found("workers-tasks").message == "no live worker to compare with"
    hire("stock")
    assert found("workers-tasks").message.startswith("not known: 1 worker of RQ's own, which do ")
    load("ours")
    assert found("workers-tasks").message == (
        "1 worker has the tasks that are here; of 1 worker of RQ's own it is not known"
    )
    redis_client.hset(keys.worker("ours"), "tasks", "broken")
    assert found("workers-tasks").message.startswith("not known: 2 workers of RQ's own, ")


def test_a_digest_changes_with_the_arguments_and_with_nothing_else():
    def digest(function):
        return [*Catalogue([task(name="same")(function)]).digests().values()]

    def one(a: int) -> int: ...
    def two(a: int) -> str: ...
    def three(a: int, b: int = 1) -> int: ...

    assert digest(one) == digest(two) != digest(three)
