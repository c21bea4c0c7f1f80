"""Reading order: marks into lines from top to bottom, each line from left to right."""

from collections.abc import Sequence

from quintet_systems.digits.marks import Mark

_SHARED = 0.45  # of the lower mark's height: two marks that share this much of it are on one line


def in_lines(marks: Sequence[Mark], typical_height: float) -> list[list[int]]:
    """Return the indices of the marks, line by line, in reading order.

    Each mark, taken from left to right, joins the line whose last mark it shares most height with: so a line may rise
    and fall a little. Marks much higher than the typical one (blots, rings) found no line for others.
    """
    lines: list[list[int]] = []
    sizes = [(mark.height > 2 * typical_height, mark.x + mark.width / 2, i) for i, mark in enumerate(marks)]
    for _, _, i in sorted(sizes):
        shares = [(_share(marks[i], marks[line[-1]]), -place) for place, line in enumerate(lines)]
        best, place = max(shares, default=(0.0, 0))
        if best >= _SHARED:
            lines[-place].append(i)
        else:
            lines.append([i])

    def top(line: list[int]) -> float:
        return sum(marks[i].y + marks[i].height / 2 for i in line) / len(line)

    return [sorted(line, key=lambda i: marks[i].x + marks[i].width / 2) for line in sorted(lines, key=top)]


def _share(mark: Mark, last: Mark) -> float:
    common = min(mark.y + mark.height, last.y + last.height) - max(mark.y, last.y)
    return common / min(mark.height, last.height)
