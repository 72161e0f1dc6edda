"""What is pickled into Redis, and that reading it runs nothing, whoever wrote it."""

import os
import pickle
import pickletools
import zlib
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rq.exceptions import DeserializationError
from rq.job import Job as RQJob
from rq.serializers import DefaultSerializer

from app.errors import ForgedPickle
from app.queue import wire
from app.queue.wire import (
    UnreadablePickle,
    WireJob,
    WireSerializer,
    dumps,
    load_call,
    load_result,
    load_traceback,
    loads,
)

PLAIN = [
    None,
    True,
    7,
    -(2**70),
    1.5,
    "text",
    "größe \U0001f600",
    [],
    {},
    [1, [2, {"a": None}]],
    {"a": {"b": [True, "c"]}},
    ["same"] * 300,
    list(range(300)),
    {str(i): i for i in range(300)},
]


class Calls:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return "an id" if value == "persistent" else None


def pickled_with_ids(value, protocol):
    class Buffer(bytearray):
        write = bytearray.extend

    buffer = Buffer()
    Persistent(buffer, protocol).dump(value)
    return bytes(buffer)


@pytest.fixture
def canary(tmp_path):
    """A path that a forged pickle would make, were it run."""
    path = tmp_path / "it-was-run"
    yield path
    assert not path.exists()


@pytest.fixture(params=["call", "nested", "many"])
def forge(request, canary):
    """Make pickles that would make the canary, in every protocol."""
    calls = Calls(os.mkdir, str(canary))
    value = {"call": calls, "nested": {"a": [1, ("b", calls)]}, "many": [calls] * 3}[request.param]
    return lambda protocol: pickle.dumps(value, protocol)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol_are_loaded(value, protocol):
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_what_we_write_is_what_rq_writes_and_reads(value):
    assert dumps(value) == DefaultSerializer.dumps(value)
    assert DefaultSerializer.loads(dumps(value)) == loads(dumps(value)) == value


def test_what_we_write_names_nothing():
    written = dumps({"to": "ada", "numbers": [1, 2.5, None, True]})

    assert not {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ"} & {
        opcode.name for opcode, _, _ in pickletools.genops(written)
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_forged_pickle_runs_nothing_and_is_named(forge, protocol):
    with pytest.raises(ForgedPickle, match=r"names '\w+\.mkdir'"):
        loads(forge(protocol))


@pytest.mark.parametrize(
    "pickle_of",
    [
        lambda path: b"cos\nmkdir\n(S'%s'\ntR." % path,
        lambda path: b"(ios\nmkdir\n(S'%s'\n." % path,
        lambda path: b"(S'%s'\nios\nmkdir\n." % path,
        lambda path: b"(cos\nmkdir\nS'%s'\no." % path,
        lambda path: b"c__builtin__\neval\n(S\"__import__('os').mkdir('%s')\"\ntR." % path,
        lambda path: b"cbuiltins\nexec\n(S\"import os; os.mkdir('%s')\"\ntR." % path,
        lambda path: b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR.",
        lambda path: b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c%c%s\x85R." % (len(path), path),
        lambda path: b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        lambda path: b"\x80\x02c__main__\nX\n)\x81.",
        lambda path: b"\x82\x01.",  # an extension code, which only this process could know
        lambda path: b"]cos\nmkdir\na.",
    ],
    ids=[
        "reduce",
        "inst",
        "inst with args",
        "obj",
        "eval",
        "exec",
        "getattr",
        "stack global",
        "builtins alone",
        "new",
        "extension",
        "global alone",
    ],
)
def test_no_opcode_gets_at_a_function(canary, pickle_of):
    with pytest.raises((ForgedPickle, UnreadablePickle)):
        loads(pickle_of(str(canary).encode()))


@pytest.mark.parametrize(
    "value",
    [datetime(2030, 1, 1, tzinfo=UTC), Decimal(1), {1}, b"x", 1j, range(3), Calls, ValueError("x")],
    ids=repr,
)
def test_only_what_has_a_pickle_opcode_of_its_own_is_loaded(value):
    plain = isinstance(value, set | bytes)

    if plain:
        assert loads(dumps(value)) == value
    else:
        with pytest.raises(ForgedPickle):
            loads(dumps(value))


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
def test_a_persistent_id_is_refused(protocol):
    with pytest.raises(ForgedPickle, match="persistent id 'an id'"):
        loads(pickled_with_ids(["persistent"], protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"N",
        b"not a pickle",
        b"\x80\x05",
        b"\x80\x63N.",
        b"]]e.",
        b"0.",
        b"h\x07.",
        b"\xff\xff\xff",
        dumps({"a": ["b"] * 100})[:-20],
        dumps("text")[1:],
        b"I99x\n.",
        b"S'a\n.",
        b"X\xff\xff\xff\x7fabc.",
        b"\x8d" + (2**60).to_bytes(8, "little") + b"abc.",
        b"\x8e" + (2**60).to_bytes(8, "little") + b"abc.",
        b"\x96" + (2**62).to_bytes(8, "little") + b"abc.",
        b"\x95" + (2**62).to_bytes(8, "little") + b"N.",
        b"Np1152921504606846976\n.",  # a memo of more places than there are addresses
        b"Np99999999999999999999\n.",
        b"\x8b\xff\xff\xff\x7fabc.",
        b"N}s.",
        b"]}]Ns.",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_broken_pickle_is_told_as_such(data):
    with pytest.raises(UnreadablePickle):
        loads(data)


def doubled(times):
    value = []
    for _ in range(times):
        value = [value, value]
    return value


def test_a_list_that_unfolds_to_more_than_memory_holds_is_refused():
    itself = []
    itself.append({"again": (itself,)})

    for value in (doubled(40), {"a": doubled(40)}, itself):
        with pytest.raises(UnreadablePickle, match="unfolds to more than"):
            loads(dumps(value))


def test_a_list_that_stands_in_a_few_places_is_loaded():
    assert loads(dumps(doubled(10))) == doubled(10)


def test_data_that_unfold_to_more_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(wire, "MOST_BYTES", 1000)
    bomb = zlib.compress(bytes(1001))

    for load, raw in ((load_call, bomb), (load_traceback, b64encode(bomb))):
        with pytest.raises(UnreadablePickle, match="more than 1000 bytes"):
            load(raw)
    assert len(load_traceback(b64encode(zlib.compress(bytes(1000))))) == 1000


def test_nesting_without_end_is_loaded_or_told_and_breaks_nothing():
    deep = b"]" * 200_000 + b"a" * 199_999 + b"."

    value = loads(deep)

    for _ in range(199_999):
        [value] = value
    assert value == []


def test_rqs_serializer_is_replaced_by_one_that_runs_nothing(forge):
    assert WireSerializer.loads(WireSerializer.dumps({"a": 1})) == {"a": 1}
    with pytest.raises(ForgedPickle):
        WireSerializer.loads(forge(5))


# A job's call.


def test_a_call_that_we_write_is_read_by_name(redis_client):
    job = WireJob.create("jobs.email.send_email", kwargs={"to": "ada"}, connection=redis_client)

    call = load_call(job.to_dict()["data"])

    assert (call.path, call.named()) == ("jobs.email.send_email", {"to": "ada"})


def test_a_call_of_a_plain_client_is_read_with_its_positions_for_names(redis_client):
    job = RQJob.create("os.getcwd", args=(1, "b"), kwargs={"c": 3}, connection=redis_client)

    assert load_call(job.to_dict()["data"]).named() == {"0": 1, "1": "b", "c": 3}


def test_a_call_is_read_whether_it_is_compressed_or_not():
    data = dumps(("jobs.f", None, [], {"a": 1}))

    assert load_call(data) == load_call(zlib.compress(data))


@pytest.mark.parametrize(
    "call",
    [
        None,
        "jobs.f",
        (),
        ("jobs.f", None, ()),
        ("jobs.f", "instance", (), {}),
        (7, None, (), {}),
        ("jobs.f", None, "args", {}),
        ("jobs.f", None, (), []),
        ("jobs.f", None, (), {}, 5),
    ],
    ids=repr,
)
def test_what_is_no_call_is_told_as_such(call):
    with pytest.raises(UnreadablePickle, match="a function's path"):
        load_call(zlib.compress(dumps(call)))


@pytest.mark.parametrize("wrap", [zlib.compress, bytes])
def test_a_forged_call_runs_nothing(forge, wrap):
    with pytest.raises(ForgedPickle):
        load_call(wrap(forge(5)))


@pytest.mark.parametrize("raw", [b"", b"x", zlib.compress(b"")[:-2], zlib.compress(b"")])
def test_broken_data_of_a_call_are_told_as_such(raw):
    with pytest.raises(UnreadablePickle):
        load_call(raw)


def test_a_job_that_anybody_fetches_loads_plain_data_only(forge, redis_client):
    redis_client.hset("rq:job:forged", mapping={"data": zlib.compress(forge(5)), "meta": forge(5)})

    job = WireJob.fetch("forged", connection=redis_client)
    with pytest.raises(DeserializationError) as refused:
        job.perform()

    assert isinstance(refused.value.__cause__, ForgedPickle)


def test_a_wire_job_keeps_to_its_serializer_whatever_is_passed(redis_client):
    job = WireJob("id", redis_client, DefaultSerializer, serializer=DefaultSerializer)

    assert job.serializer is WireSerializer


# What an attempt left.


def test_a_result_is_read():
    assert load_result(b64encode(dumps({"a": [1, None]}))) == {"a": [1, None]}


def test_a_forged_result_runs_nothing(forge):
    with pytest.raises(ForgedPickle):
        load_result(b64encode(forge(5)))


def test_a_traceback_is_read_whatever_its_bytes():
    assert load_traceback(b64encode(zlib.compress("größe".encode()))) == "größe"
    assert load_traceback(b64encode(zlib.compress(b"a\xff"))) == "a\N{REPLACEMENT CHARACTER}"
