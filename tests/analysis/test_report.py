"""The report: one page that loads nothing, is well formed, escapes what is hostile, says what there is."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from fake_runs import FakeSweep, fake_run, spec, sweep_of
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lshexp.analysis.report import Question, write_report
from lshexp.analysis.report.view import Table, Verdict, address, clean, write_page
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


def scattered(one, report=None):
    """A made-up run whose accuracy is not as far from dense's with each seed."""
    made = fake_run(one)
    more = 0.02 * (one.repeat * 5 % 3) if one.method == "lsh" else 0.0
    rows = [replace(row, test_acc_pct=row.test_acc_pct + more) for row in made.epochs]
    return fake_run(one, epochs=rows)


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
        "What was found", "Claims", "Figures", "Verdicts", "Sweep good", "Data", "Provenance",
    ]  # fmt: skip
    page = Page(page_of(troubled))
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [title for level, title in page.headings if level == 2] == [
        "What was found", "Figures", "Verdicts", "Sweep good", "Sweep torn", "Sweep troubled", "Data",
        "Provenance",
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
    assert data.startswith("data,network,label,active_pct,mean,low,high,runs\n")
    assert "lshexp figures fake --only accuracy_vs_active" in page.said


def test_hostile_text_stays_text(troubled):
    source = page_of(troubled)
    claimed = Page(page_of(troubled / "good", claims=[HOSTILE_CLAIM]))
    assert len(claimed.all("script")) == 1 and claimed.said.count("<script>alert('x')</script>") >= 3
    page = Page(source)
    assert len(page.all("script")) == 1 and "\x1b" not in source and "onerror=alert" in page.said
    assert "<img src=http" not in source and page.said.count("<script>alert('x')</script>") >= 2


NOTHING = {"sentences": [], "tables": [], "notes": [], "commands": [], "title": "x", "folded": ""}


def page_saying(words):
    return write_page(
        title=words, findings=[words], claims=[],
        verdicts=NOTHING | {"tables": [Table.of("t", ["a"], [[words]])]},
        sweeps=[], data=NOTHING, provenance=[], about="", again="",
    )  # fmt: skip


@settings(max_examples=30)
@given(st.text())
def test_any_text_is_read_back_as_it_was(words):
    bare = "".join(c if c.isprintable() or c in "\t\n" else "?" for c in words[:1000])
    page = Page(page_saying(bare))
    assert page.said.count(bare) >= 3
    Page(page_saying(words)).said.encode()


def test_endless_text_is_cut_and_addresses_are_kept():
    assert len(clean("x" * 10**6)) < 1100 and "1,000,000 characters" in clean("x" * 10**6)
    assert len(clean(address("text/csv", b"x" * 3000))) > 4000


@pytest.mark.parametrize(
    "words, tone",
    [("better", "good"), ("supported*", "good"), ("worse by more than 1 pt", "bad"), ("within 1 pt", "even"),
     ("not settled", "open"), ("too few seeds", "open"), ("ok", "")],
)  # fmt: skip
def test_a_verdict_has_the_colour_of_its_first_word(words, tone):
    assert Verdict(words).tone == tone


def test_what_was_found_comes_first_and_agrees_with_compare(tmp_path):
    runs = [spec(m, r, a) for m, a in (("dense", 100.0), ("lsh", 5.0)) for r in range(6)]
    folder = results(tmp_path, runs=runs, run=scattered)
    page = Page(page_of(folder))
    assert page.headings[:2] == [(1, "Report on fake"), (2, "What was found")]
    found = page.said.partition("What was found")[2].partition("Figures")[0]
    assert "lsh, 5 %, is 0.48 pt below dense (within 1 pt), with 5 % of the multiplications of dense" in found
    strict = Page(page_of(folder, question=Question(margin=0.3)))
    found = strict.said.partition("What was found")[2].partition("Figures")[0]
    assert "no configuration is shown to be at most 0.3 pt worse" in found
    assert "lshexp compare fake --margin 0.3" in strict.said
    assert "lshexp sweep experiments/fake.yaml" in page.said


def test_the_sweep_says_its_baseline_and_margin_unless_the_report_is_asked_otherwise(tmp_path):
    folder = results(tmp_path, runs=sweep_of(repeats=6).runs, run=scattered)
    asked = "name: fake\ntitle: A title\nbaseline: {method: lsh}\nmargin: 0.3\n"
    (folder / "sweep.yaml").write_text(asked)

    def said(*options):
        done = CliRunner().invoke(app, ["report", str(folder), *options])
        assert done.exit_code == 0, done.output
        return Page((folder / "report.html").read_text(encoding="utf-8")).said

    own = said()
    assert "dense, 100 %, is 0.48 pt above lsh" in own and "margin of 0.3 pt" in own
    assert "--baseline" not in own and "--margin" not in own
    other = said("--baseline", "dense", "--margin", "2")
    assert "is 0.48 pt below dense (within 2 pt)" in other and "margin of 2 pt" in other
    assert "--baseline dense --margin 2.0" in other


def test_claims_are_a_matrix_with_a_column_for_each_variant(tmp_path):
    runs = [spec("dense", r) for r in range(6)] + [
        spec("lsh", r, 5.0, method_options={"preset": p}) for p in ("paper", "lshexp") for r in range(6)
    ]
    asked = HOSTILE_CLAIM.model_copy(
        update={"title": "close to dense", "each": {"lsh.preset": ["paper", "lshexp"]}, "gate": True}
    )
    source = page_of(results(tmp_path, runs=runs, run=scattered), claims=[asked])
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', source)
    assert heads[:4] == ["claim", "paper", "lshexp", "asked"]
    row = re.search(r'<th scope="row">close to dense</th>(.*?)</tr>', source, flags=re.S)[1]
    assert re.findall(r'class="verdict (\w*)">([^<]*)<', row) == [("good", "supported*")] * 2


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


STYLE = files("lshexp.analysis.report").joinpath("style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{([^}]*)\}", STYLE)
)
USED = set(re.findall(r"[ {]color: var\(--(\w+)\)", STYLE))
GROUNDS = set(re.findall(r"background: var\(--(\w+)\)", STYLE))


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(colours):
    assert len(USED) >= 7 and {"ground", "panel"} == GROUNDS and set(LIGHT) == set(DARK)
    for text in USED:
        for ground in GROUNDS:
            dim, bright = sorted(luminance(colours[name]) for name in (text, ground))
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, ground)


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
    monkeypatch.setattr("lshexp.runs.sweep.check_data", lambda todo: None)  # the data went away later
    folder = run_sweep(FakeSweep(runs), tmp_path, run=fake_run).plan.folder
    words = Page(write_report(folder, tmp_path / "page.html").path.read_text()).words
    told = " ".join(" ".join(words).split())
    assert "no figures: its files are not here" in told
    assert re.search(r"mnist defaults \S+ 200 300 784 10 ", told), told[told.find("Datasets of") :][:600]
    assert "mnist defaults - - - " in told
    assert re.search(r"toy .* training examples", told)


def test_outputs_have_a_table_where_they_choose_classes_in_several_ways(tmp_path):
    def run(one, report=None):
        made = fake_run(one)
        looked_up = {"test_acc_pct_retrieved": 71.5} if one.output_method == "lsh" else {}
        rows = [replace(row, test_perplexity=120.0 + one.repeat, **looked_up) for row in made.epochs]
        return replace(made, epochs=rows)

    runs = [
        spec(repeat=repeat, output_method=method, output_active_pct=share)
        for method, share in (("dense", 100.0), ("lsh", 5.0))
        for repeat in (0, 1)
    ]
    page = Page(page_of(results(tmp_path, runs=runs, run=run)))
    assert (3, "Outputs") in page.headings
    after = page.said.partition("Outputs")[2].partition("Energy")[0]
    assert (
        "dense output=lsh" in after and "120.5" in after and "71.5" in after and "P@1 %, retrieved" in after
    )
    assert (3, "Outputs") not in Page(page_of(results(tmp_path, name="plain"))).headings
