"""Text as a task writes it, made into the lines of its log: bounded, whatever the text is."""

LONGEST_LINE = 8_192
"""Bytes of one line; what is longer is cut, and says so."""

MOST_LINES = 1_000
"""Lines that a job's log keeps, the last ones."""

MOST_BYTES = 65_536
"""Bytes of text that a job's log keeps; what is told of each line, as its time, is not counted."""

CUT = " … [cut]"

_ENOUGH = LONGEST_LINE + 1  # characters of a line that tell that it is too long


def split(begun: str, text: str) -> tuple[int, list[str], str]:
    """Split what is written next into lines.

    A gigabyte costs no memory here: lines that the log would drop again are only counted.

    Args:
        begun: what has been written of a line that is not complete.
        text: what comes next.

    Returns:
        How many lines were passed over, the lines after them, and what is begun now.
    """
    start = _worth_keeping(text)
    passed = text.count("\n", 0, start)
    begun = "" if passed else begun
    lines = []
    while (end := text.find("\n", start)) >= 0:
        line = _joined(begun, text, start, end).removesuffix("\r")
        lines.append(line[line.rfind("\r") + 1 :])
        begun, start = "", end + 1
    return passed, lines, _joined(begun, text, start, len(text))


def fit(line: str, most: int = LONGEST_LINE) -> str:
    """Make a line such that JSON holds it, and no longer than so many bytes."""
    whole = line[: most + 1].encode(errors="backslashreplace")  # lone surrogates
    if len(whole) <= most:
        return whole.decode()
    room = most - len(CUT.encode())
    return whole[:room].decode(errors="ignore") + CUT


def _worth_keeping(text: str) -> int:
    """Say where the last lines begin that a log has room for."""
    if len(text) <= MOST_BYTES:
        return 0
    room, end, begin = MOST_BYTES, len(text), 0
    for _ in range(MOST_LINES + 1):  # with the one that is only begun
        begin = text.rfind("\n", 0, end) + 1
        room -= min(end - begin, LONGEST_LINE)
        if begin == 0 or room < 0:
            break
        end = begin - 1
    return begin


def _joined(begun: str, text: str, start: int, end: int) -> str:
    """Join what was begun with a part of the text, as far as a line can need it."""
    # A terminal goes on at the line's begin after a carriage return, as bars of progress do.
    back = text.rfind("\r", start, max(start, end - 1))
    if back >= 0:
        begun, start = "", back + 1
    return (begun + text[start : min(end, start + _ENOUGH)])[:_ENOUGH]
