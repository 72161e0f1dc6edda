"""The arguments of a function, and what is wrong with a call."""

from app.arguments import Arguments


def arguments_of(function):
    return Arguments(function, title="test")


def problems(error):
    return [(found["loc"], found["type"]) for found in error.value.errors()]
