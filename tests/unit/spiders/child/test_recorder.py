"""How an error is shortened for the run's row."""

import logging
import sys

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import json

from spiders.child.recorder import ERROR_LENGTH, ErrorLog


def failing() -> None:
    json.loads("{")


def logged(message: str) -> ErrorLog:
    errors = ErrorLog()
    try:
        failing()
    except ValueError:
        errors.handle(logging.LogRecord("spiders", logging.ERROR, __file__, 1, message, None, sys.exc_info()))
    return errors


def test_our_own_lines_are_kept_and_a_librarys_are_not() -> None:
    errors = logged("Spider error processing <GET https://board.test>\nTraceback (most recent call last):\n  long")
    first, *frames, last = errors.first.splitlines()
    assert first == "Spider error processing <GET https://board.test>"
    assert [frame.split(":")[0].strip() for frame in frames] == ["test_recorder.py", "test_recorder.py"]
    assert "json.loads" in frames[-1]
    assert last.startswith("JSONDecodeError: Expecting property name")


def test_the_first_one_stays_and_all_are_counted() -> None:
    errors = logged("first")
    errors.handle(logging.LogRecord("spiders", logging.ERROR, __file__, 1, "second", None, None))
    assert errors.count == 2
    assert errors.first.startswith("first")


def test_it_has_an_end() -> None:
    errors = logged("x" * 10_000)
    assert errors.first is not None
    assert len(errors.first) == ERROR_LENGTH


def test_want_of_memory_is_noticed() -> None:
    errors = ErrorLog()
    record = logging.LogRecord("spiders", logging.ERROR, __file__, 1, "x", None, (MemoryError, MemoryError(), None))
    errors.handle(record)
    assert errors.out_of_memory
