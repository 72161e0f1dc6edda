"""One writer for all that is in flight."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.errors import RedisUnavailable
from app.queue.writer import LARGEST_BATCH, BatchWriter


class FakeRedis:
    """Answers each command with its own last word, once it is let; notes every transaction."""

    def __init__(self):
        self.transactions = []
        self.let = asyncio.Event()
        self.let.set()
        self.failures = []
        self.closed = False

    async def close(self):
        self.closed = True

    async def __call__(self, commands):
        self.transactions.append(list(commands))
        await self.let.wait()
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        for command in commands:
            if command[0] == "REFUSED":
                raise ResponseError("OOM command not allowed")
        return [command[-1] for command in commands]


def group(n, size=2):
    return [("SET", f"{n}.{i}") for i in range(size)]


async def given(writer, groups):
    """Give groups to a writer, and let all of them come to wait."""
    tasks = [asyncio.ensure_future(writer.write(each)) for each in groups]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


@pytest.fixture
def run():
    """Run a scenario with a fake Redis and a writer on it; no caller may be left waiting."""

    def run(scenario):
        async def timed():
            fake = FakeRedis()
            async with asyncio.timeout(5):
                return await scenario(fake, BatchWriter(fake))

        return asyncio.run(timed())

    return run


def test_a_group_is_sent_and_its_replies_are_given_back(run):
    async def scenario(fake, writer):
        return await writer.write(group(1)), fake.transactions

    assert run(scenario) == (["1.0", "1.1"], [group(1)])


def test_what_waits_during_a_write_goes_out_together_after_it(run):
    async def scenario(fake, writer):
        fake.let.clear()
        first = await given(writer, [group(0)])
        others = await given(writer, [group(n, size=n) for n in range(1, 6)])
        fake.let.set()
        return await asyncio.gather(*first, *others), fake.transactions

    answers, transactions = run(scenario)

    assert answers[1:] == [[command[-1] for command in group(n, size=n)] for n in range(1, 6)]
    assert transactions == [group(0), [c for n in range(1, 6) for c in group(n, size=n)]]


def test_no_transaction_holds_redis_for_too_many(run):
    async def scenario(fake, writer):
        tasks = await given(writer, [group(n) for n in range(2 * LARGEST_BATCH + 3)])
        answers = await asyncio.gather(*tasks)
        return answers, [len(each) for each in fake.transactions]

    answers, lengths = run(scenario)

    assert answers == [[f"{n}.0", f"{n}.1"] for n in range(2 * LARGEST_BATCH + 3)]
    assert max(lengths) == 2 * LARGEST_BATCH
    assert len(lengths) <= 4


def test_a_connection_that_is_lost_fails_all_that_were_sent_and_no_others(run):
    async def scenario(fake, writer):
        fake.let.clear()
        fake.failures = [RedisConnectionError("gone")]
        first = await given(writer, [group(0)])
        others = await given(writer, [group(1), group(2)])
        fake.let.set()
        return await asyncio.gather(*first, *others, return_exceptions=True)

    lost, *kept = run(scenario)

    assert isinstance(lost, RedisUnavailable)
    assert "gone" in str(lost)
    assert isinstance(lost.__cause__, RedisConnectionError)
    assert kept == [["1.0", "1.1"], ["2.0", "2.1"]]


@pytest.mark.parametrize(
    "failure",
    [RedisConnectionError(), ConnectionResetError(104, "reset"), TimeoutError()],
    ids=repr,
)
def test_every_way_of_losing_redis_is_told_by_one_error(run, failure):
    async def scenario(fake, writer):
        fake.failures = [failure]
        tasks = await given(writer, [group(0), group(1)])
        return await asyncio.gather(*tasks, return_exceptions=True)

    for lost in run(scenario):
        assert isinstance(lost, RedisUnavailable)
        assert "()" not in str(lost)


@pytest.mark.parametrize("failure", [TimeoutError(), RedisTimeoutError("slow")], ids=repr)
def test_a_redis_that_hangs_fails_those_that_came_meanwhile_as_well(run, failure):
    async def scenario(fake, writer):
        fake.let.clear()
        fake.failures = [failure]
        first = await given(writer, [group(0)])
        others = await given(writer, [group(1), group(2)])
        fake.let.set()
        answers = await asyncio.gather(*first, *others, return_exceptions=True)
        return answers, fake.transactions, await writer.write(group(3))

    answers, transactions, after = run(scenario)

    assert [type(answer) for answer in answers] == [RedisUnavailable] * 3
    assert transactions[0] == group(0)
    assert len(transactions) == 2  # the second is that of the one who came later
    assert after == ["3.0", "3.1"]


def test_one_group_that_redis_refuses_takes_none_of_the_others_with_it(run):
    async def scenario(fake, writer):
        fake.let.clear()
        first = await given(writer, [group(0)])
        others = await given(writer, [group(1), [("SET", "a"), ("REFUSED", "b")], group(2)])
        fake.let.set()
        return await asyncio.gather(*first, *others, return_exceptions=True)

    _, one, refused, two = run(scenario)

    assert (one, two) == (["1.0", "1.1"], ["2.0", "2.1"])
    assert isinstance(refused, RedisUnavailable)
    assert "OOM command not allowed" in str(refused)


def test_a_connection_that_is_lost_while_groups_are_sent_one_by_one_fails_only_its_own(run):
    async def scenario(fake, writer):
        fake.failures = [None, ResponseError("EXECABORT"), RedisConnectionError("gone")]
        fake.let.clear()
        first = await given(writer, [group(0)])
        others = await given(writer, [group(1), group(2)])
        fake.let.set()
        return await asyncio.gather(*first, *others, return_exceptions=True)

    zero, one, two = run(scenario)

    assert zero == ["0.0", "0.1"]
    assert isinstance(one, RedisUnavailable)
    assert two == ["2.0", "2.1"]


@pytest.mark.parametrize("failure", [None, RedisConnectionError("gone"), ResponseError("OOM")])
def test_a_caller_that_has_gone_away_is_no_trouble(run, failure):
    async def scenario(fake, writer):
        fake.let.clear()
        fake.failures = [failure, failure]
        tasks = await given(writer, [group(0), group(1)])
        tasks[0].cancel()
        await asyncio.sleep(0)
        fake.let.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        fake.failures = []
        return answers, await writer.write(group(2))

    (gone, _), after = run(scenario)

    assert isinstance(gone, asyncio.CancelledError)
    assert after == ["2.0", "2.1"]


def test_an_error_that_nobody_expected_leaves_no_caller_waiting(run):
    async def scenario(fake, writer):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        fake.failures = [RuntimeError("a bug")]
        tasks = await given(writer, [group(0), group(1)])
        done, waiting = await asyncio.wait(tasks, timeout=0.5)
        for each in waiting:
            each.cancel()
        return [each.exception() for each in done], len(waiting)

    errors, waiting = run(scenario)

    assert not waiting
    assert len(errors) == 2
    assert all(isinstance(error, Exception) for error in errors)


def test_closing_waits_for_what_was_given_before(run):
    async def scenario(fake, writer):
        fake.let.clear()
        tasks = await given(writer, [group(0)])
        tasks += await given(writer, [group(1)])
        closing = asyncio.create_task(writer.aclose())
        await asyncio.sleep(0.01)
        waited = not closing.done() and not fake.closed
        fake.let.set()
        await closing
        return waited, [task.done() for task in tasks], fake.closed

    assert run(scenario) == (True, [True, True], True)


def test_a_writer_that_was_given_nothing_is_closed_at_once(run):
    async def scenario(fake, writer):
        await writer.aclose()
        return fake.closed

    assert run(scenario)
