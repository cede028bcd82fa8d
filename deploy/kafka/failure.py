"""How a command ends when it cannot do what was asked."""


class Failure(Exception):
    """One line on stderr, exit code 1."""


class Usage(Failure):
    """The same with a working example, exit code 2."""
