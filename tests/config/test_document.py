"""Reading YAML and CSV: rules of YAML 1.2, places, limits, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp.config.blocks import read_cases
from lshexp.config.document import MAX_DEPTH, MAX_NODES, MAX_TEXT, read_document, read_scalar, read_value
from lshexp.config.files import SweepFile
from lshexp.config.nodes import MAX_PROBLEMS, Mark, Problems
from lshexp.errors import ConfigError


def read(text: str):
    problems = Problems()
    node = read_document(text, "f", problems)
    problems.raise_any()
    return node


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("10:30", "10:30"),
        ("2017-08-13", "2017-08-13"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("<<", "<<"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("", None),
        ("~", None),
        ("null", None),
        ("010", 10),
        ("-3", -3),
        ("+3", 3),
        ("0o17", 15),
        ("0x1F", 31),
        ("0o8", "0o8"),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.5e+1", -5.0),
        (".", "."),
        ("5%", "5%"),
        ("1.2.3", "1.2.3"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_plain_words_follow_yaml_1_2(text, value):
    found = read_scalar(text)
    assert found == value and type(found) is type(value)
    assert read(f"key: {text}").plain() == {"key": value}
    assert read(f"key: '{text}'").plain() == {"key": text}


@pytest.mark.parametrize(
    "text", [".nan", ".NaN", ".inf", "-.INF", "1e999", "9223372036854775808", "1" * 5000]
)
def test_numbers_nothing_can_hold_are_refused(text):
    with pytest.raises(ValueError, match=r"finite|too large"):
        read_scalar(text)


@given(st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_writing_and_reading(number):
    assert read_scalar(repr(number)) == number


def test_every_value_knows_its_path_and_place():
    root = read("a: 1\nb:\n  - x\n  - {c: [2, 3]}\n")
    item = root.value["b"].value[1].value["c"].value[1]
    assert (item.where, str(item.mark), str(item.key_mark)) == (("b", 1, "c", 1), "f:4:13", "f:4:6")


def test_an_alias_has_its_own_path_and_the_place_of_its_anchor():
    root = read("a: &x {c: 7}\nb: *x\n")
    copy = root.value["b"].value["c"]
    assert (copy.plain(), copy.where, str(copy.mark)) == (7, ("b", "c"), "f:1:11")
    assert str(root.value["b"].key_mark) == "f:2:1"


def test_a_later_anchor_takes_the_name_of_an_earlier_one():
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n").plain() == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !<plain> x", "f:1:4: a: tag plain is not allowed"),
        ("a: [1,\nb: 2", "f:2:5: not valid YAML: while parsing a flow sequence"),
        ("a: 1\n b: 2", "f:2:3: not valid YAML: mapping values are not allowed here"),
        ("a: b: c", "f:1:5: not valid YAML"),
        ("\tx: 1", "f:1:1: not valid YAML: while scanning for the next token, found character '\\t'"),
        ("a: '", "f:1:5: not valid YAML: while scanning a quoted scalar"),
        ("a: 1\n--- \nb: 2", "f:2:1: a second document"),
        ("%YAML 1.1\n--- \na: 1", "f:1:1: directives"),
        ("%TAG ! tag:x,2000:\n--- \na: 1", "f:1:1: directives"),
        (
            "a: !!python/object/apply:os.system ['id']",
            "f:1:4: a: tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        ("a: !!int '3'", "f:1:4: a: tag tag:yaml.org,2002:int is not allowed"),
        ("a: ! x", "f:1:4: a: tag ! is not allowed"),
        ("a: *x", "f:1:4: alias *x stands before the end of its anchor"),
        ("a: &x [*x]", "f:1:8: alias *x stands before the end of its anchor"),
        ("1: x", "f:1:1: keys must be text"),
        ("true: x", "f:1:1: keys must be text"),
        ("[a, b]: x", "f:1:1: keys must be text"),
        ("a: &x k\n*x : 1", "f:2:1: keys must be text"),
        ('a: "x\\u0007"', "f:1:4: a: the text holds a line break or a character that cannot be printed"),
        ('a: "\\ud800"', "f:1:4: a: the text holds a line break or a character that cannot be printed"),
        ('a: "\\UFFFFFFFF"', "f:1:1: not valid YAML: an escape sequence or directive is out of range"),
        ("a: x\x07", "f:1:5: a character that YAML does not allow"),
        ("a: " + "x" * (MAX_TEXT + 1), "f:1:4: a: a text longer than 250 characters"),
        ("[" * 500, f"f:1:{MAX_DEPTH + 2}: nested more than {MAX_DEPTH} levels deep"),
        ("- " * 500 + "x", f"f:1:{2 * MAX_DEPTH + 3}: nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_is_not_read_is_refused_with_its_place(text, message):
    assert message in refused(text)


def test_all_duplicate_keys_are_named():
    found = refused("a: 1\nb: {c: 1, c: 2}\na: 3\n").splitlines()
    assert found == [
        "f:2:11: b.c: the key 'c' is given twice (first on line 2)",
        "f:3:1: a: the key 'a' is given twice (first on line 1)",
    ]


def test_aliases_cannot_multiply_without_end():
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    assert f"more than {MAX_NODES:,} values, counting each use of an alias" in refused(laughs)


def test_many_values_are_refused():
    assert f"more than {MAX_NODES:,} values" in refused("- 1\n" * MAX_NODES)


def test_a_listing_of_problems_is_cut():
    lines = refused("".join(f"a{i}: .nan\n" for i in range(MAX_PROBLEMS + 7))).splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == "... and 7 more"


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_document_holds_nothing(text):
    assert read(text).plain() is None


def test_a_value_alone_has_one_mark():
    problems = Problems()
    node = read_value("[1, {a: 2}]", ("k",), Mark("-s k"), problems)
    leaf = node.value[1].value["a"]
    assert (leaf.where, str(leaf.mark), node.plain()) == (("k", 1, "a"), "-s k", [1, {"a": 2}])


def cases(text: str):
    problems = Problems()
    columns = read_cases(text, SweepFile("c.csv", None), ("cases",), problems)
    problems.raise_any()
    return columns


def test_cells_are_read_as_yaml_and_know_their_place():
    columns = cases('lr, hidden,on\r\n.1,"[10, 20]", yes\r\n\r\n1e-3,[5],"a ""b"""\r\n')
    values = {key: column.plain() for key, column in columns}
    assert values == {"lr": [0.1, 0.001], "hidden": [[10, 20], [5]], "on": ["yes", 'a "b"']}
    marks = {key: [str(value.mark) for value in column.value] for key, column in columns}
    assert marks == {
        "lr": ["c.csv:2:1", "c.csv:4:1"],
        "hidden": ["c.csv:2:4", "c.csv:4:6"],
        "on": ["c.csv:2:15", "c.csv:4:10"],
    }
    hidden = columns[1][1]
    assert (hidden.value[1].where, str(hidden.mark)) == (("cases", "hidden", 1), "c.csv:1:4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.csv:1:1: cases: the table is empty"),
        ("lr\n", "c.csv:1:1: cases: the table has a header and no rows"),
        ("lr,batch\n.1\n", "c.csv:2:1: cases: 1 cells in a row, 2 in the header"),
        ("lr\n.1,.2\n", "c.csv:2:1: cases: 2 cells in a row, 1 in the header"),
        ('lr\n"x', "c.csv:2:1: cases: a quote that is not closed, or stands inside a cell"),
        ('lr\nx"y"\n', "c.csv:2:1: cases: a quote that is not closed, or stands inside a cell"),
        ("lr\n.1\n.nan\n", "c.csv:3:1: cases.lr[1]: .nan is not a finite number"),
        ("hidden\n[1\n", "c.csv:2:1: cases.hidden[0]: not valid YAML"),
        (
            'a\n"x\ny"\n',
            "c.csv:2:1: cases.a[0]: the cell is longer than 250 characters or holds one",
        ),
        ('a,b\n"x\n",.inf\n', "c.csv:3:3: cases.b[0]: .inf is not a finite number"),
    ],
)
def test_a_damaged_table_is_refused_with_its_place(text, message):
    with pytest.raises(ConfigError) as caught:
        cases(text)
    assert message in str(caught.value)


@given(st.text(alphabet='ab,"\n\r [', max_size=40))
def test_any_text_is_a_table_or_a_config_error(text):
    try:
        columns = cases(text)
    except ConfigError:
        return
    assert len({len(column.value) for _, column in columns}) == 1
