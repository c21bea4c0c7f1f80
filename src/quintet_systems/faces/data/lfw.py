"""Labeled Faces in the Wild, deep-funneled: 13,233 pictures of 5,749 people, and its pairs.

Huang, Ramesh, Berg, Learned-Miller 2007 (UMass TR 07-49); Huang, Mattar, Lee, Learned-Miller, NIPS 2012. No licence is stated:
for research, the pictures are of people in the news. The zip holds the middle 176x176 of each 250x250 picture, without loss.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from quintet.errors import DataError
from quintet_systems.faces.data.archive import Archive, find

FOLDER = "lfw"
ZIP = "lfw-deepfunneled-crop176-lossless.zip"
FILES = {
    ZIP: "fa77d7e97962b4885786e4691a798859fd1173b1c96a5c303549e091a916817f",
    "pairs.txt": "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
    "pairsDevTrain.txt": "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    "pairsDevTest.txt": "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
}
CITATION = "G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller: Labeled Faces in the Wild. UMass TR 07-49, 2007"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures, by name ("Aaron_Peirsol_0001"), whether they show one person, and the fold (0 to 9; View 1: 0)."""

    first: str
    second: str
    same: bool
    fold: int

    def people(self) -> tuple[str, str]:
        """Return who the two pictures show."""
        return person(self.first), person(self.second)


def person(name: str) -> str:
    """Return who a picture shows.

    >>> person("Aaron_Peirsol_0001")
    'Aaron_Peirsol'
    """
    return name.rsplit("_", 1)[0]


class Lfw:
    """The set in one folder; nothing is read before it is asked for."""

    def __init__(self, data: Path | None = None) -> None:
        self._data = data

    @cached_property
    def archive(self) -> Archive:
        """The zip of all pictures."""
        return Archive(find(FOLDER, ZIP, FILES[ZIP], self._data))

    @cached_property
    def members(self) -> dict[str, str]:
        """The picture's name -> its place in the zip, in alphabetical order."""
        return dict(sorted((Path(name).stem, name) for name in self.archive.names if name.endswith(".jpg")))

    def names(self) -> tuple[str, ...]:
        """Return the names of all pictures, in alphabetical order."""
        return tuple(self.members)

    def pairs(self, which: str = "pairs.txt") -> tuple[Pair, ...]:
        """Return View 2's pairs with their folds, or View 1's ("pairsDevTrain.txt", "pairsDevTest.txt")."""
        return parse_pairs(find(FOLDER, which, FILES[which], self._data).read_text(), which)


def parse_pairs(text: str, name: str = "pairs.txt") -> tuple[Pair, ...]:
    """Return the pairs of a file in LFW's form: "[folds] count", then for each fold `count` of one person and `count` of two.

    Raises:
        DataError: it is not of that form.
    """
    lines = text.splitlines()
    head = lines[0].split() if lines else []
    if not head or len(head) > 2 or not all(word.isdigit() for word in head):
        raise DataError(f'{name}: received the first line "{lines[0] if lines else ""}", expected "folds count"')
    count = int(head[-1])
    pairs = []
    for number, line in enumerate(lines[1:]):
        words = line.split()
        same = len(words) == 3
        if len(words) not in (3, 4) or not all(words[i].isdigit() for i in ((1, 2) if same else (1, 3))):
            raise DataError(
                f'{name}, line {number + 2}: received "{line[:80]}", expected "name i j" or "name i name j"'
            )
        other = words[0] if same else words[2]
        first, second = f"{words[0]}_{int(words[1]):04d}", f"{other}_{int(words[-1]):04d}"
        pairs.append(Pair(first=first, second=second, same=same, fold=number // (2 * count)))
    if len(pairs) != 2 * count * (int(head[0]) if len(head) == 2 else 1):
        raise DataError(f"{name}: received {len(pairs)} pairs, expected as many as its first line says; get it again")
    return tuple(pairs)
