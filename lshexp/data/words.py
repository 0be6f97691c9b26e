"""Plain text as n-grams: the words before, and the word that follows as the class."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lshexp.arrays import CSR, IntArray
from lshexp.data._cells import GrowingArray
from lshexp.data._own import require_plain_path
from lshexp.data.base import Dataset, DatasetInfo, Part, Splits, Streamed
from lshexp.data.files import Stamp, contents_digest, find_file, find_own_file, stamp
from lshexp.data.reading import line_blocks, require_memory
from lshexp.errors import DataError
from lshexp.registry import register

UNKNOWN, LINE_END = b"<unk>", b"<eos>"
LONGEST_WORD = 1_000  # bytes
MOST_DIFFERENT = 5_000_000  # words
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TEXTS = ("train", "valid", "test")
_REMEMBERED = 8  # texts whose words have been counted


class Corpus(NamedTuple):
    """A published text: where it lies, and what is known of it. Line ends count as words."""

    files: str  # names of the three files below the data folder, {} for train, valid, test
    words: tuple[int, int, int]  # in train, valid and test
    different: int
    origin: str
    licence: str = "not stated"


CORPORA = {
    "ptb": Corpus(
        "ptb/ptb.{}.txt",
        (929_589, 73_760, 82_430),
        10_000,
        "Penn Treebank (Marcus et al. 1993), as prepared by Mikolov et al., Interspeech 2010",
        "for research; none stated",
    ),
    "wikitext2": Corpus(
        "wikitext2/wiki.{}.tokens",
        (2_088_628, 217_646, 245_569),
        33_278,
        "WikiText-2 (Merity, Xiong, Bradbury and Socher, ICLR 2017), tokenised",
        "CC BY-SA",
    ),
}


@dataclass(frozen=True)
class Ngrams(Streamed):
    """Examples of a text held as word numbers.

    The example with number i is word i of the text as label, and as input the `order - 1` words before it.
    """

    text: IntArray  # int32[order - 1 + words]; the text follows order - 1 line ends
    order: int
    vocabulary: int

    @property
    def features(self) -> int:
        """One for each word at each position."""
        return (self.order - 1) * self.vocabulary

    def batch(self, ids: NDArray[np.int64]) -> Part:
        """Return the examples with these ids, 0 <= id < size; each has order - 1 ones."""
        before = self.order - 1
        places = np.arange(before)
        first = np.asarray(ids, dtype=np.int64) + self.numbers.start
        columns = self.text[first[:, None] + places] + (places * self.vocabulary).astype(np.int32)
        indptr = before * np.arange(len(first) + 1, dtype=np.int64)
        ones = np.ones(columns.size, dtype=np.float32)
        x = CSR(indptr, columns.ravel(), ones, (len(first), self.features))
        return Part(x, self.text[first + before])


@register("dataset", "words")
class Words(Dataset):
    """Text as n-grams: which word follows the `order` - 1 words before it?

    Words are what stands between spaces, and each line ends with the word `<eos>`. The vocabulary is made
    of the training text: the most frequent words, `<unk>` for all others, and `<eos>`. Words are numbered by
    how often they occur in the training text once that is done, most frequent first, ties alphabetical
    (by their bytes). Every word of a text, `<eos>` too, is the label of one example; its context runs across
    line ends, and before the first word stand line ends.

    The input is a CSR of (order - 1) x vocabulary features, a one for each word before: word w at position
    p, counted from 0 for the farthest, is feature p x vocabulary + w. Only the texts are held in memory,
    four bytes a word.

    Texts: `ptb` (Penn Treebank as prepared by Mikolov et al. 2010, 10,000 words) and `wikitext2` (WikiText-2
    of Merity et al. 2017, 33,278 words), in the folders ptb and wikitext2 of $LSHEXP_DATA, or `own`, one
    UTF-8 file for each text, plain or packed.

    `validation_examples` holds out the end of the training examples. With `append_valid: true` the published
    validation text follows the training text, so that `validation_examples: 73760` (ptb) or `217646`
    (wikitext2) holds out that text and nothing else; the vocabulary is the same either way.
    """

    location_options: ClassVar[tuple[str, ...]] = ("path", "valid_path", "test_path")
    generated_instead: ClassVar[str | None] = "xc_synthetic"

    corpus: Literal["ptb", "wikitext2", "own"] = Field(default="ptb", description="text to learn from")
    path: str | None = Field(default=None, description="your training text, with corpus: own")
    valid_path: str | None = Field(default=None, description="your validation text, for append_valid: true")
    test_path: str | None = Field(default=None, description="your test text, with corpus: own")
    order: int = Field(default=5, ge=2, le=64, description="words of an n-gram, the label among them")
    vocabulary: int | None = Field(
        default=None, ge=3, description="most words that have a class of their own; left out: all"
    )
    append_valid: bool = Field(
        default=False,
        description="whether the validation text follows the training text, to be held out as "
        "validation_examples",
    )

    @model_validator(mode="after")
    def _own_texts_have_paths(self) -> Words:
        paths = {"path": self.path, "valid_path": self.valid_path, "test_path": self.test_path}
        for text in paths.values():
            require_plain_path(text)
        if self.corpus != "own":
            given = [name for name, text in paths.items() if text is not None]
            if given:
                raise ValueError(f"{given[0]} goes with corpus: own, not with corpus: {self.corpus}")
            return self
        wanted = ("path", "test_path", *(["valid_path"] if self.append_valid else []))
        missing = [name for name in wanted if paths[name] is None]
        if missing:
            raise ValueError(f"corpus: own needs {' and '.join(missing)}")
        return self

    def locate(self) -> list[Path]:
        """Return the files that are read: training text, validation text where it is appended, test text."""
        return list(self._texts().values())

    def check_files(self) -> None:
        """Look at the files; those of your own are read to count their words. Raises DataError."""
        super().check_files()
        self.info()

    def info(self) -> DatasetInfo:
        """Return the sizes: of published texts without touching them, of your own by counting words."""
        if self.corpus == "own":
            texts = {name: counted(stamp(path)) for name, path in self._texts().items()}
            words = {name: count.total() for name, count in texts.items()}
            classes = len(ranked(texts["train"], self.vocabulary))
            origin = ", ".join(map(str, self.locate()))
            licence = "yours"
        else:
            known = CORPORA[self.corpus]
            words = dict(zip(TEXTS, known.words, strict=True))
            classes = min(self.vocabulary or known.different, known.different)
            origin, licence = known.origin, known.licence
        return DatasetInfo(
            features=(self.order - 1) * classes,
            classes=classes,
            train_examples=words["train"] + (words["valid"] if self.append_valid else 0),
            test_examples=words["test"],
            origin=origin,
            streamed=True,
            sparse=True,
            licence=licence,
        )

    def memory_bytes(self) -> int:
        """Return the memory of the texts as numbers, the training text twice: it is joined with others."""
        info = self.info()
        return 4 * (2 * info.train_examples + info.test_examples)

    def fingerprint(self) -> str:
        """Return the checksum of the files and the options that change what is read from them."""
        options = self.model_dump(exclude={"corpus", *self.location_options})
        return f"{self.name}:{contents_digest(self.locate())}:{sorted(options.items())}"

    def class_names(self) -> tuple[str, ...]:
        """Return the vocabulary, by class number. Raises DataError as `load` does."""
        words = ranked(counted(stamp(self._texts()["train"])), self.vocabulary)
        return tuple(word.decode() for word in words)

    def load(self) -> Splits:
        """Read the texts as word numbers.

        Raises DataError when one is absent, damaged, no text, or not the published one.
        """
        texts = self._texts()
        numbers = word_numbers(texts["train"], self.vocabulary)
        read = {name: numbered(path, numbers) for name, path in texts.items()}
        if self.corpus != "own":
            self._check_published(texts, read, len(numbers))
        train = np.concatenate([read["train"], read["valid"]]) if self.append_valid else read["train"]
        return Splits(self._ngrams(train, numbers), self._ngrams(read["test"], numbers))

    def _ngrams(self, text: IntArray, numbers: Mapping[bytes, int]) -> Ngrams:
        before = np.full(self.order - 1, numbers[LINE_END], dtype=np.int32)
        held = np.concatenate([before, text])
        held.flags.writeable = False
        return Ngrams(held, self.order, len(numbers), numbers=range(len(text)))

    def _texts(self) -> dict[str, Path]:
        """The files that are read, by the names of the texts."""
        paths = dict(zip(TEXTS, (self.path, self.valid_path, self.test_path), strict=True))
        if not self.append_valid:
            del paths["valid"]
        if self.corpus == "own":
            return {name: find_own_file(self.name, text) for name, text in paths.items() if text is not None}
        found = {}
        for name in paths:
            file = CORPORA[self.corpus].files.format(name)
            found[name] = find_file(self.name, [file, f"{file}.gz"], fetched=False)
        return found

    def _check_published(self, texts: Mapping[str, Path], read: Mapping[str, IntArray], classes: int) -> None:
        known = CORPORA[self.corpus]
        words = dict(zip(TEXTS, known.words, strict=True))
        for name, path in texts.items():
            if len(read[name]) != words[name]:
                raise DataError(
                    f"{path}: has {len(read[name]):,} words with line ends, the published text "
                    f"{words[name]:,}; get the file again, or use corpus: own"
                )
        if classes != self.info().classes:
            raise DataError(
                f"{texts['train']}: has {classes:,} different words, the published text {known.different:,}; "
                "get the file again, or use corpus: own"
            )


def words_of(path: Path) -> Iterator[list[bytes]]:
    """Yield the words of a text, some lines at a time; each line ends with `<eos>`, an empty one too.

    Raises DataError when the file cannot be read or is no text.
    """
    first = True
    for block in line_blocks(path, 1 << 20):
        text = block.removeprefix(BYTE_ORDER_MARK) if first else block
        first = False
        if not text.endswith(b"\n"):
            text += b"\n"
        yield text.replace(b"\n", b" %s " % LINE_END).split()


@functools.lru_cache(maxsize=_REMEMBERED)
def counted(content: Stamp) -> Counter[bytes]:
    """Count the words of the file with this stamp; the answer is not to be changed.

    Raises DataError when it holds no words, words too long or too many, or is not UTF-8.
    """
    path = Path(content[0])
    counts: Counter[bytes] = Counter()
    for words in words_of(path):
        counts.update(words)
        if len(counts) > MOST_DIFFERENT:
            raise DataError(f"{path}: more than {MOST_DIFFERENT:,} different words; is this text?")
    if not counts:
        raise DataError(f"{path}: the file is empty")
    for word in counts:
        try:
            text = word.decode()
        except UnicodeDecodeError:
            shown = word[:40].decode(errors="replace")
            raise DataError(f"{path}: the word '{shown}' is not UTF-8; save the file as UTF-8") from None
        if len(word) > LONGEST_WORD:
            raise DataError(
                f"{path}: a word is longer than {LONGEST_WORD:,} bytes: '{text[:20]}...'; is this text?"
            )
    return counts


def ranked(counts: Mapping[bytes, int], most: int | None = None) -> list[bytes]:
    """Return the vocabulary of a text with these counts: at most `most` words, the most frequent first.

    `<unk>`, which takes the counts of the words left out, and `<eos>` are always among them.
    """
    always = {UNKNOWN, LINE_END}
    others = sorted(counts.keys() - always, key=lambda word: (-counts[word], word))
    kept = others if most is None else others[: most - len(always)]
    final = {word: counts[word] for word in kept}
    final[LINE_END] = counts.get(LINE_END, 0)
    final[UNKNOWN] = counts.get(UNKNOWN, 0) + sum(counts[word] for word in others[len(kept) :])
    return sorted(final, key=lambda word: (-final[word], word))


def word_numbers(path: Path, most: int | None) -> dict[bytes, int]:
    """Return the number of each word of the vocabulary of a training text. Raises DataError."""
    return {word: number for number, word in enumerate(ranked(counted(stamp(path)), most))}


def numbered(path: Path, numbers: Mapping[bytes, int]) -> IntArray:
    """Return a text as word numbers, int32[words]. Raises DataError as `counted` does."""
    length = counted(stamp(path)).total()
    require_memory(path, 4 * length, f"{length:,} words")
    unknown, text = numbers[UNKNOWN], GrowingArray(np.int32)
    for words in words_of(path):
        text.append(np.fromiter((numbers.get(word, unknown) for word in words), np.int32, len(words)))
    return text.take()
