from __future__ import annotations

import base64
import hashlib
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

import luthier as lt
from luthier.confirm import Baseline, Check, Interval, check, rerun
from luthier.history import History
from luthier.report import machine_facts, write_report
from luthier.report.blocks import duration
from luthier.samplers import RandomSampler
from luthier.space import Choice, Float, Space
from luthier.trial import TrialRecord, TrialState

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'
ORDER = [
    "Problem and goal",
    "Data",
    "Baseline",
    "Ranges",
    "Method",
    "Search",
    "Analysis",
    "Choice",
    "Check on the sealed test set",
    "All trials",
    "Environment",
]


class Page(HTMLParser):
    """What a browser would see: tags, and the visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag == "h2":
            self.headings.append("")
        if tag in ("script", "style", "h2", "span", "section"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        where = self._open[-1] if self._open else ""
        if where == "script":
            self.scripts[-1] += data
        elif where != "style":
            self.text += data
        if where == "h2":
            self.headings[-1] += data


@pytest.fixture(scope="module")
def full(study, everything, tmp_path_factory) -> Page:
    path = tmp_path_factory.mktemp("report") / "digits.html"
    assert write_report(path, study, **everything) == path
    return Page(path)


def one_trial(fake_study, **changes):
    h = History(Space({"x": Float(0, 1)}))
    h.put([TrialRecord(0, TrialState.COMPLETE, {"x": 0.5}, (1.0,)).with_(**changes)])
    return fake_study("one", h)


def test_sections_follow_the_workflow(full):
    assert full.headings == ORDER
    anchors = [attrs["href"] for tag, attrs in full.tags if tag == "a"]
    ids = [f"#{attrs['id']}" for tag, attrs in full.tags if tag == "section" and "id" in attrs]
    assert anchors == ids and len(set(ids)) == len(ORDER)


def test_the_answer_stands_on_top(full, everything):
    check: Check = everything["check"]
    answer = re.search(r'<p class="answer">(.*?)</p>', full.source, re.S).group(1)
    for number in (f"{check.best.estimate:.4g}", f"{check.baseline.low:.4g}", "360 sealed test examples", "40 trials"):
        assert number in answer
    best = max((c for c in everything["confirmation"].candidates), key=lambda c: c.mean)
    assert f"Trial {best.number} reaches accuracy" in answer
    chips = re.search(r'<ul class="params".*?</ul>', full.source, re.S).group(0)
    assert all(name in chips for name in best.params)


def test_two_models_that_err_alike_are_said_to_be_the_same(study, everything, tmp_path):
    right = [i > 2 for i in range(40)]
    same = check("accuracy", best=right, baseline=right)
    text = Page(write_report(tmp_path / "same.html", study, **{**everything, "check": same})).source
    answer = re.search(r'<p class="answer">(.*?)</p>', text, re.S).group(1)
    assert "the same on every example" in answer and "+0" not in answer
    assert text.count("the same on every example") == 3 and "0, the same on every example" in text


def test_every_trial_is_in_the_table(full, study):
    rows = re.findall(r"<tr>(?:<td[^>]*>.*?</td>)+</tr>", full.source)
    trials = [row for row in rows if 'class="state' in row]
    assert len(trials) == len(study.history)
    row = next(row for row in trials if ">fail<" in row)
    assert "RuntimeError: loss is nan after step 3" in row and "Traceback" not in row


def test_nothing_points_outside_and_no_other_script_may_run(full):
    policy = next(
        a["content"] for t, a in full.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    kinds = [attrs.get("type") for tag, attrs in full.tags if tag == "script"]
    run = [script for script, kind in zip(full.scripts, kinds, strict=True) if kind is None]
    assert {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in run} == allowed
    assert "script-src" in policy and "'unsafe-inline'" not in policy.split("style-src")[0]
    loading = [(t, a) for t, a in full.tags if t in ("link", "img", "iframe", "object", "base") or "src" in a]
    assert loading == []
    outside = full.source
    for script in run:
        outside = outside.replace(script, "")
    assert "http://" not in outside and "https://" not in outside and "url(" not in outside and "@import" not in outside


@pytest.mark.parametrize(
    "place", ["name", "title", "metric", "steps", "environment", "cost", "baseline", "check", "error"]
)
def test_user_text_is_escaped_everywhere(place, fake_study, everything, tmp_path):
    space = Space({EVIL: Choice([EVIL, "b"]), "x": Float(0, 1, when={EVIL: "b"}, default=0.5)}, require=["x < 2"])
    h = History(space, ("maximize",))
    for i in range(8):
        params = {EVIL: EVIL} if i % 2 else {EVIL: "b", "x": i / 8}
        h.put([TrialRecord(i, TrialState.COMPLETE, params, (i / 10,), started=1.0, finished=2.0, owner=EVIL)])
    h.put([TrialRecord(8, TrialState.FAIL, {EVIL: "b", "x": 0.1}, error=EVIL if place == "error" else "boom")])
    confirmation = rerun(h, lambda p, s: float(s), top=2, include_default=True)
    score = Interval(0.5, 0.4, 0.6)
    options = {
        "title": EVIL if place == "title" else "t",
        "metric": EVIL if place == "metric" else "accuracy",
        "steps": [(EVIL, EVIL), ("data", {EVIL: EVIL})] if place == "steps" else [],
        "environment": {EVIL: EVIL} if place == "environment" else {"a": 1},
        "cost": {EVIL: [EVIL]} if place == "cost" else None,
        "baseline": Baseline(EVIL, 0.1, {EVIL: EVIL}) if place == "baseline" else None,
        "check": Check(EVIL, "maximize", 3, score, score, score, 0.5, EVIL) if place == "check" else None,
        "confirmation": confirmation,
    }
    page = Page(write_report(tmp_path / "r.html", fake_study(EVIL if place == "name" else "s", h), **options))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    kinds = [attrs.get("type") for tag, attrs in page.tags if tag == "script"]
    assert kinds.count(None) == 2 and set(kinds) == {None, "application/json"}
    assert not any(key and key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert EVIL in page.text  # it is shown, as text


def test_what_is_missing_leaves_no_empty_shell(fake_study, tmp_path):
    page = Page(write_report(tmp_path / "r.html", fake_study("empty", History(Space({})))))
    assert page.headings == ["Problem and goal", "Search", "Environment"]
    assert "no winner yet" in page.text and "plotly.js" not in page.source
    page = Page(write_report(tmp_path / "r.html", fake_study("named", History(Space({"x": Float(0, 1)})))))
    assert page.headings == ["Problem and goal", "Ranges", "Search", "Environment"]


@pytest.mark.parametrize(
    ("n", "states"),
    [(1, ["COMPLETE"]), (2, ["COMPLETE"]), (3, ["FAIL"]), (6, ["FAIL"]), (4, ["PRUNED"]), (2, ["RUNNING", "WAITING"])],
)
def test_small_and_luckless_studies(n, states, fake_study, tmp_path):
    h = History(Space({"x": Float(0, 1, default=0.2)}))
    for i in range(n):
        state = TrialState[states[i % len(states)]]
        value = (float(i),) if state == TrialState.COMPLETE else None
        h.put([TrialRecord(i, state, {"x": i / 10}, value, reports=((1, 2.0),) if state == TrialState.PRUNED else ())])
    page = Page(write_report(tmp_path / "r.html", fake_study("small", h)))
    assert "needs at least 5" in page.text
    assert ("Choice" in page.headings) == (states == ["COMPLETE"])


def test_equal_values_and_several_objectives(fake_study, tmp_path):
    h = History(Space({"x": Float(0, 1)}))
    h.put([TrialRecord(i, TrialState.COMPLETE, {"x": i / 10}, (1.0,)) for i in range(6)])
    assert "nothing to explain" in Page(write_report(tmp_path / "r.html", fake_study("same", h))).text
    two = History(Space({"x": Float(0, 1)}), ("minimize", "maximize"))
    two.put([TrialRecord(i, TrialState.COMPLETE, {"x": i / 10}, (i / 10, -i / 10)) for i in range(8)])
    page = Page(write_report(tmp_path / "r.html", fake_study("two", two)))
    assert "it has no single winner" in page.text and "objective 2" in page.text
    assert "The Pareto front" in page.text and "1 of 8 complete" in page.text


def test_steps_join_their_sections_and_others_get_their_own(fake_study, tmp_path):
    steps = [
        ("Data preparation", "Scaled to [0, 1].\n\nSplit by writer."),
        ("Ethics", "Consent was given."),
        ("6", "x"),
    ]
    page = Page(write_report(tmp_path / "r.html", one_trial(fake_study), steps=steps))
    assert page.headings[:2] == ["Problem and goal", "Data"]
    assert page.headings[-4:] == ["Ethics", "6", "All trials", "Environment"]
    assert "<p>Scaled to [0, 1].</p>\n<p>Split by writer.</p>" in page.source


def test_candidates_that_all_failed_are_reported(fake_study, tmp_path):
    study = one_trial(fake_study)
    confirmation = rerun(study.history, lambda p, s: float("nan"))
    page = Page(write_report(tmp_path / "r.html", study, confirmation=confirmation))
    assert "every candidate failed" in page.text and "no single winner" in page.text


def test_candidates_that_left_the_race_are_named_and_equal_values_have_no_interval(fake_study, study, tmp_path):
    def evaluate(params, seed):
        return 0.98 if params == study.space.defaults() else 0.7 + 1e-3 * (seed % 3)

    confirmation = rerun(study.history, evaluate, top=2, seeds=3, include_default=True)
    page = Page(write_report(tmp_path / "r.html", study, confirmation=confirmation))
    left = [c for c in confirmation.candidates if c.left]
    assert left and all(f"{c.name} ({c.left})" in page.text for c in left)
    assert "3 equal values" in page.text and "0.98 to 0.98" not in page.text


def test_the_default_can_win(fake_study, study, tmp_path):
    confirmation = rerun(study.history, lambda p, s: float(p["lr"] == 0.01), top=2, include_default=True)
    page = Page(write_report(tmp_path / "r.html", study, confirmation=confirmation))
    assert "The default configuration reaches value 1" in page.text


def test_an_older_report_is_replaced_whole_or_not_at_all(fake_study, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "r.html"
    write_report(path, one_trial(fake_study))
    first = path.read_bytes()
    write_report(str(path), one_trial(fake_study, values=(7.5,)))
    second = path.read_bytes()
    assert first != second and [p.name for p in path.parent.iterdir()] == ["r.html"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044 & ~_umask()

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_report(path, one_trial(fake_study))
    assert path.read_bytes() == second and [p.name for p in path.parent.iterdir()] == ["r.html"]


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_long_table_shows_its_first_rows_until_asked_for_all(fake_study, tmp_path):
    h = History(Space({"x": Float(0, 1)}), ("minimize",))
    h.put([TrialRecord(i, TrialState.FAIL, {"x": 0.5}) for i in range(1003)])
    page = Page(write_report(tmp_path / "r.html", fake_study("long", h)))
    assert len([attrs for tag, attrs in page.tags if tag == "tr" and "hidden" in attrs]) == 3
    assert "Show all 1003 rows" in page.text


def test_times_that_people_read():
    seconds = [0.42, 9.94, 38, 725, 60, 12000, 187200]
    assert [duration(s) for s in seconds] == ["0.42 s", "9.9 s", "38 s", "12 min 5 s", "1 min", "3 h 20 min", "2 d 4 h"]


def test_machine_facts_name_the_versions():
    facts = machine_facts()
    assert facts["python"] and facts["numpy"] and int(str(facts["cores"])) >= 1


def test_several_objectives_show_their_pareto_front(tmp_path):
    study = lt.create_study(directions=["minimize", "maximize"], sampler=RandomSampler(), seed=0)
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=12)
    text = write_report(tmp_path / "r.html", study).read_text(encoding="utf-8")
    body = text[text.index("The Pareto front") :]
    assert f"{len(study.best_trials)} of 12 complete, feasible trials are on the Pareto front" in text
    assert "objective 1 (minimize)" in body and "objective 2 (maximize)" in body
    assert "of the variance of objective 1" in text


def test_phones_have_margins_and_a_picture_that_needs_room_scrolls(study, tmp_path):
    text = write_report(tmp_path / "r.html", study).read_text(encoding="utf-8")
    narrow = text[text.index("@media (max-width: 720px)") :]
    assert narrow.index("header, main, footer { padding-left") < narrow.index("}")
    assert "min-width: " in text[text.index("Every complete trial through its parameters") :]
