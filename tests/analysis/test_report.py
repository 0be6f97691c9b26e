"""The report: one page that loads nothing, is well formed, escapes what is hostile, says what there is."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from fake_runs import FakeSweep, fake_run, spec, sweep_of
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lshexp.analysis.report import Question, write_report
from lshexp.analysis.report._html import Html, element, text
from lshexp.analysis.report._look import DARK, LIGHT, PAIRS, SCRIPT
from lshexp.cli import app
from lshexp.config.claims import Claim
from lshexp.errors import ConfigError, DataError, StoreError
from lshexp.runs.sweep import run_sweep

pytestmark = pytest.mark.usefixtures("toy_dataset")
HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.test/x.png onerror=alert(1)> &amp; \"'\x1b[31m </td>"
)
HOSTILE_CLAIM = Claim(
    id="x", title=HOSTILE[:120], statement=HOSTILE, paper=HOSTILE, of={"method": "lsh"},
    baseline={"method": "dense"}, margin=1.0,
)  # fmt: skip
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Tags, their attributes and their text; fails on tags that do not match."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.headings, self.words = [], [], [], []
        self.feed(source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and re.fullmatch(r"h[1-6]", self.open[-1]):
            self.headings.append((int(self.open[-1][1]), data))
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def said(self):
        return "".join(self.words)


def results(tmp_path, name="fake", runs=None, run=fake_run):
    run_sweep(FakeSweep(list(sweep_of(repeats=3).runs if runs is None else runs), name), tmp_path, run=run)
    return tmp_path / name


def page_of(folder, **options):
    return write_report(folder, **options).path.read_text(encoding="utf-8")


@pytest.fixture
def troubled(tmp_path):
    """Two sweeps, one with a run that failed with a hostile reason, and a folder that is damaged."""

    def run(one, report):
        if one.method == "lsh" and one.repeat == 0:
            raise DataError(HOSTILE)
        if one.method == "lsh" and one.repeat == 1:
            return fake_run(one, status="diverged", error=HOSTILE)
        return fake_run(one)

    results(tmp_path, "good")
    results(tmp_path, "troubled", run=run)
    (results(tmp_path, "torn") / "runs.csv").write_text(f"{HOSTILE}\n", encoding="utf-8")
    return tmp_path


def test_the_page_is_well_formed_and_its_headings_are_in_order(troubled):
    page = Page(page_of(troubled / "good", claims=[HOSTILE_CLAIM]))
    assert [title for level, title in page.headings if level == 2] == [
        "Verdicts",
        "Claims",
        "Data",
        "Sweep good",
    ]
    page = Page(page_of(troubled))
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [title for level, title in page.headings if level == 2] == [
        "Verdicts", "Data", "Sweep good", "Sweep torn", "Sweep troubled",
    ]  # fmt: skip
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in page.all("a") if not a["href"].startswith("data:")} == {
        f"#{one}" for one in ids
    }
    assert page.all("html") == [{"lang": "en"}] and len(page.all("title")) == 1
    assert all(head.get("scope") in ("col", "row", "rowgroup") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 4


def test_nothing_is_loaded_from_anywhere(troubled):
    source = page_of(troubled)
    page = Page(source)
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "audio", "video", "source")
        for name, value in attrs.items():
            assert not name.startswith("on") and name not in ("style", "srcset", "background")
            if name in ("src", "href"):
                assert value.startswith(("data:image/svg+xml;base64,", "data:text/csv;base64,", "#"))
    assert page.all("script") == [{}]
    style = source[source.index("<style>") : source.index("</style>")]
    assert "url(" not in style and "@import" not in style and "http" not in style
    policy = page.all("meta")[1]["content"]
    assert "default-src 'none'" in policy and "img-src data:;" in policy


def test_the_policy_names_the_hashes_of_the_style_and_the_script(tmp_path):
    source = page_of(results(tmp_path))
    policy = next(meta["content"] for meta in Page(source).all("meta") if "content" in meta)
    for tag in ("style", "script"):
        content = source[source.index(f"<{tag}>") + len(tag) + 2 : source.index(f"</{tag}>")]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_figure_has_an_alternative_text_its_numbers_and_its_command(tmp_path):
    runs = [
        spec(m, r, a, epochs=3) for m, a in (("dense", 100.0), ("lsh", 5.0), ("lsh", 25.0)) for r in (0, 1)
    ]
    page = Page(page_of(results(tmp_path, runs=runs)))
    images = page.all("img")
    assert len(images) >= 3 and len(images) == len(page.all("figure")) == len(page.all("figcaption"))
    assert all(len(image["alt"]) > 20 for image in images)
    drawn = base64.b64decode(images[0]["src"].partition("base64,")[2])
    assert b"<svg" in drawn and b"<script" not in drawn
    saved = {a["download"]: a["href"] for a in page.all("a") if "download" in a}
    assert "fake_accuracy_vs_active.csv" in saved
    data = base64.b64decode(saved["fake_accuracy_vs_active.csv"].partition("base64,")[2]).decode()
    assert data.startswith("dataset,hidden,label,active_pct,mean,low,high,runs\n")
    assert "lshexp figures fake --only accuracy_vs_active" in page.said


def test_hostile_text_stays_text(troubled):
    source = page_of(troubled)
    claimed = Page(page_of(troubled / "good", claims=[HOSTILE_CLAIM]))
    assert len(claimed.all("script")) == 1 and claimed.said.count("<script>alert('x')</script>") >= 3
    page = Page(source)
    assert len(page.all("script")) == 1 and "\x1b" not in source and "onerror=alert" in page.said
    assert "<img src=http" not in source and page.said.count("<script>alert('x')</script>") >= 2


@given(st.text())
def test_any_text_is_read_back_as_it_was(words):
    bare = "".join(c if c.isprintable() or c in "\t\n" else "?" for c in words[:1000])
    page = Page(element("p", bare, title=bare))
    assert page.said == bare and page.all("p")[0]["title"] == bare
    Page(element("p", words)).said.encode()


def test_endless_text_is_cut_and_markup_is_kept():
    assert len(text("x" * 10**6)) < 1100 and "1,000,000 characters" in text("x" * 10**6)
    assert isinstance(Html("<b>") + "<", Html) and Html("<b>") + "<" == "<b>&lt;"


def test_verdicts_come_first_and_count_what_compare_says(tmp_path):
    def uneven(one, report):
        result = fake_run(one, report)
        if one.method == "lsh":
            last = result.epochs[-1]
            object.__setattr__(last, "test_acc_pct", last.test_acc_pct + 0.02 * (one.repeat % 2))
        return result

    folder = results(tmp_path, run=uneven)
    page = Page(page_of(folder))
    assert page.headings[:2] == [(1, "Report on fake"), (2, "Verdicts")]
    assert "lsh, 5 %: 5 % of the multiplications" in page.said and "within 1 pt" in page.said
    strict = Page(page_of(folder, question=Question(margin=0.3)))
    assert "lsh, 5 %: 5 %" not in strict.said and "worse by more than 0.3 pt" in strict.said
    assert "lshexp compare fake --margin 0.3" in strict.said
    assert "lshexp sweep experiments/fake.yaml" in page.said


def test_failures_have_their_reasons_and_provenance_its_commit(troubled):
    page = Page(page_of(troubled / "troubled"))
    assert "2 of 6 runs." in page.said and "diverged" in page.said
    assert "logs/" in page.said, "a run that failed left a log"
    for word in ("git sha", "numba", "cpu model", "first run started (UTC)"):
        assert word in page.said
    assert "None: all 6 runs ended well." in Page(page_of(troubled / "good")).said


def test_runs_stand_under_their_configuration(tmp_path):
    runs = [spec("lsh", r, 5.0, method_options={"K": K}) for K in (4, 6) for r in (0, 1)] + [spec("dense", 0)]
    source = page_of(results(tmp_path, runs=runs))
    groups = re.findall(r'<th scope="rowgroup"[^>]*>([^<]*)</th>(.*?)</tbody>', source, flags=re.S)
    counted = {title: body.count("<tr>") for title, body in groups}
    assert counted == {"dense, 100 %": 1, "lsh K=4, 5 %": 2, "lsh K=6, 5 %": 2}


def test_a_folder_that_cannot_be_read_is_said_and_spoils_no_other(troubled):
    written = write_report(troubled)
    assert written.sweeps == 3 and "torn" in written.problems[0] and len(written.problems) == 1
    assert str(troubled) not in written.path.read_text(encoding="utf-8"), "no place of this machine"
    with pytest.raises(StoreError, match=r"runs\.csv is"):
        write_report(troubled / "torn")


def test_runs_that_are_no_pairs_leave_the_rest_of_the_page(tmp_path):
    def run(one, report):
        return fake_run(one, init_hash=one.method)

    written = write_report(results(tmp_path, run=run))
    assert "are no pairs" in written.problems[0]
    assert "cannot be compared" in Page(written.path.read_text(encoding="utf-8")).said


def test_the_same_results_give_the_same_bytes(tmp_path):
    folder = results(tmp_path)
    first = write_report(folder).path.read_bytes()
    assert write_report(folder).path.read_bytes() == first
    assert write_report(folder, tmp_path / "new" / "page.html").path.read_bytes() == first


def test_names_with_spaces_are_quoted_in_commands(tmp_path):
    folder = results(tmp_path).rename(tmp_path / "my results; rm -rf x")
    page = Page(page_of(folder, question=Question(baseline="method=dense, lr=0.01")))
    assert "lshexp figures 'my results; rm -rf x'\n" in page.said
    assert "--baseline 'method=dense, lr=0.01'" in page.said


def test_a_sweep_without_runs_has_a_page(tmp_path):
    page = Page(page_of(results(tmp_path, runs=[])))
    assert "This sweep has no runs yet." in page.said and "no run has ended yet" in page.said


def test_energy_is_shown_under_several_tables(tmp_path):
    page = Page(page_of(results(tmp_path)))
    assert "horowitz45_mem,memory=dram" in page.said and "lshexp energy fake" in page.said
    assert "No run has a reading of the machine's own counters" in page.said


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_text_stands_out_from_its_ground(colours, pair):
    dim, bright = sorted(luminance(colours[name]) for name in pair)
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_every_text_colour_is_among_the_tested_pairs(tmp_path):
    source = page_of(results(tmp_path))
    used = set(re.findall(r"[^-]color:var\(--(\w+)\)", source))
    grounds = set(re.findall(r"background:var\(--(\w+)\)", source))
    assert {(one, ground) for one in used for ground in grounds} <= set(PAIRS)
    assert set(LIGHT) == set(DARK) and "innerHTML" not in SCRIPT


def test_the_command_prints_the_path_and_refuses_what_is_wrong(tmp_path):
    folder = results(tmp_path)
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0 and done.stdout == f"{folder / 'report.html'}\n"
    for question in (Question(metric="test_acc"), Question(margin=0.0), Question(baseline="methd=dense")):
        with pytest.raises(ConfigError):
            write_report(folder, question=question)
    with pytest.raises(StoreError, match="is not a folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="run a sweep first"):
        write_report(tmp_path / "empty")


def test_data_that_is_not_here_costs_only_its_figures(tmp_path, monkeypatch):
    runs = [spec("dense", 0), spec("dense", 1, dataset="mnist", test_examples=300, train_examples=200)]
    monkeypatch.setenv("LSHEXP_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no_cache"))
    folder = run_sweep(FakeSweep(runs), tmp_path, run=fake_run).plan.folder
    words = Page(write_report(folder, tmp_path / "page.html").path.read_text()).words
    told = " ".join(" ".join(words).split())
    assert "no figures: its files are not here" in told
    assert re.search(r"mnist defaults \S+ 200 300 784 10 - -", told), told[told.find("Datasets of") :][:600]
    assert re.search(r"toy .* training examples", told)
