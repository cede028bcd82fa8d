"""The blocks of a document that a reader would run, and what they are said to print."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
# What stands for text that differs from run to run.
_ANYTHING = "…"


@dataclass
class Block:
    """One `sh` block; `marks` are the words behind it, `output` the `text` block that follows."""

    line: int
    marks: list
    text: str
    above: str
    output: str | None = None

    def matches(self, printed):
        """Whether this is what the document says; a line of `…` alone is any number of lines."""
        pattern = ""
        for line in self.output.splitlines():
            if line == _ANYTHING:
                pattern += r"(?:.*\n)*"
            else:
                pattern += ".*".join(map(re.escape, line.split(_ANYTHING))) + r"\n"
        return re.fullmatch(pattern, printed) is not None


def blocks(text):
    """Every `sh` block in order, with the paragraph above it."""
    found = []
    for fence in _FENCE.finditer(text):
        language, marks, body = fence.groups()
        if language == "sh":
            above = text[: fence.start()].rstrip().rsplit("\n\n", 1)[-1]
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(line, marks.split(), body, above))
        elif language == "text":
            found[-1].output = body
    return found
