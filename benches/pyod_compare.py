#!/usr/bin/env python3
"""Weighs PyOD's ECOD, HBOS and Isolation Forest on the windows that `tidegate evaluate --features` wrote.

Each detector is fitted to the windows a run learned and scores those it judged. Scores are weighed as
`--compare` weighs every method's: for every cut, the share of the attacks that an alarm names, and the
workloads with alarms that no attack explains, a judged day. Prints a Markdown table; with --json writes
what `tidegate evaluate --compare --also FILE` takes into its own table. See README.md beside this file.
"""

import argparse
import collections
import csv
import itertools
import json
import math
import operator
import os
import pathlib
import subprocess
import sys
import time
import venv
import warnings

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE / ".pyod"
PYTHON = VENV / "bin" / "python"
PACKAGES = ["pyod"]
SCHEMA = "tidegate.weighed/1"

# As src/evaluate/compare.rs has them: the same scores are to give the same curve.
CUTS_MAX = 300
RATES = [0.1, 0.3, 1.0, 3.0, 10.0]

# As src/evaluate/rivals/robust_z.rs has them: its row is to be the one that `--compare` prints.
VOLUMES = ["bytes_outside", "bytes_inside", "attempts", "servers", "rejected"]
SPREAD_MIN, TO_STANDARD, USUAL_CUT, SCORE_MIN = 0.1, 1.4826, 3.5, 0.5
ROBUST_Z = "robust z of volumes"

# The columns before and after the numbers.
FIRST_NUMBER, LAST_NUMBER = "conversations", "bytes_received"

# With fewer learned windows a model is left to the service, and then to the estate.
TRAIN_MIN = 100
# The first learned day fills what is known: there everything is new, and teaches that news are usual.
NEWS_SECS = 86_400
# A score beside those of the learned windows: the median is 0, and this share of them is below 1.
TAIL = 0.999

# The ways a detector may be used; each is given the one in which it finds most.
SCOPES = ["estate", "service", "workload"]
HOURS = ["without the hour", "with the hour"]
SCALES = ["raw scores", "beside the learned"]


class Windows:
    """Some rows of the sheet, column by column."""

    def __init__(self, rows, columns):
        import numpy as np

        first, last = columns[FIRST_NUMBER], columns[LAST_NUMBER] + 1
        numbers = np.array([row[first:last] for row in rows], dtype=float).reshape(len(rows), last - first)
        self.names = list(columns)[first:last]
        self.volumes = np.log1p(numbers)
        self.service = np.array([row[columns["service"]] for row in rows], dtype=object)
        self.workload = np.array([row[columns["workload"]] for row in rows], dtype=object)
        self.start = np.array([row[columns["window"]] for row in rows], dtype=np.int64)
        angle = np.array([row[columns["hour"]] for row in rows], dtype=float) * (2 * math.pi / 24)
        self.hour = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        self.explained = [row[columns["explained"]] == "1" for row in rows]
        self.attacks = [tuple(int(place) for place in row[columns["names"]].split()) for row in rows]

    def features(self, hours):
        import numpy as np

        return self.volumes if hours == HOURS[0] else np.hstack([self.volumes, self.hour])

    def keys(self, scope):
        """Which model each row is of."""
        import numpy as np

        if scope == "estate":
            return np.full(len(self.start), "", dtype=object)
        return self.service if scope == "service" else self.service + "/" + self.workload


class Run:
    """One scenario's judged windows."""

    def __init__(self, rows, columns):
        first = {name: rows[0][place] for name, place in columns.items()}
        self.seed, self.scenario, self.records = int(first["seed"]), first["scenario"], int(first["records"])
        self.days, self.n_attacks = int(first["days"]), int(first["attacks"])
        self.windows = Windows(rows, columns)


def histories(path):
    """Each history's learned windows and the runs that branch from it, one history at a time."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        columns = {name: place for place, name in enumerate(next(reader))}
        history_of = operator.itemgetter(*(columns[name] for name in ("seed", "topology", "history")))
        part_of = operator.itemgetter(*(columns[name] for name in ("part", "scenario")))
        for _, rows in itertools.groupby(reader, history_of):
            learned, runs = None, []
            # Part by part: cells as text take many times the memory of numbers.
            for (part, _), lines in itertools.groupby(rows, part_of):
                if part == "train":
                    learned = Windows(list(lines), columns)
                else:
                    runs.append(Run(list(lines), columns))
            if learned is None:
                sys.exit(f"{path}: judged windows without learned ones before them")
            yield learned, runs


def detectors():
    """PyOD's detectors with its own defaults, by the names that reports give them."""
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from pyod.models.iforest import IForest

    return {"ECOD": ECOD, "HBOS": HBOS, "Isolation Forest": lambda: IForest(random_state=0)}


def known_models(learned, judged, scope):
    """For each judged row the key of its model: its own, or a wider one where too little was learned of it.
    None where nothing was learned of its service."""
    import numpy as np

    counts = {of: collections.Counter(learned.keys(of)) for of in SCOPES}
    wider = SCOPES[SCOPES.index(scope)::-1]
    keys = np.full(len(judged.start), None, dtype=object)
    candidates = {of: judged.keys(of) for of in wider}
    for row in range(len(keys)):
        if not counts["service"][judged.service[row]]:
            continue
        enough = (of for of in wider if counts[of][candidates[of][row]] >= TRAIN_MIN or of == "estate")
        chosen = next(enough)
        keys[row] = (chosen, candidates[chosen][row])
    return keys


def scores_of(make, learned, runs, scope, hours):
    """Each run's scores, for both scales; NaN where nothing is known."""
    import numpy as np

    keys = [known_models(learned, run.windows, scope) for run in runs]
    scores = {scale: [np.full(len(of_run), np.nan) for of_run in keys] for scale in SCALES}
    train, judge = learned.features(hours), [run.windows.features(hours) for run in runs]
    for key in sorted({key for of_run in keys for key in of_run if key is not None}):
        model = make()
        model.fit(train[learned.keys(key[0]) == key[1]])
        middle, tail = np.quantile(model.decision_scores_, [0.5, TAIL])
        for place, of_run in enumerate(keys):
            is_its = np.array([of_row == key for of_row in of_run], dtype=bool)
            if is_its.any():
                raw = model.decision_function(judge[place][is_its])
                scores[SCALES[0]][place][is_its] = raw
                scores[SCALES[1]][place][is_its] = (raw - middle) / max(tail - middle, 1e-9)
    return scores


def robust_z(learned, run):
    """What `--compare` computes within: its row says that both weigh alike."""
    import numpy as np

    places = [learned.names.index(name) for name in VOLUMES]
    usual = {}
    for service in set(learned.service):
        values = learned.volumes[learned.service == service][:, places]
        middle = np.median(values, axis=0)
        spread = TO_STANDARD * np.median(np.abs(values - middle), axis=0)
        usual[service] = middle, np.maximum(spread, SPREAD_MIN)
    scores = np.full(len(run.windows.start), np.nan)
    for row, service in enumerate(run.windows.service):
        if service in usual:
            middle, spread = usual[service]
            score = max(0.0, *((run.windows.volumes[row, places] - middle) / spread)) / USUAL_CUT
            scores[row] = score if score >= SCORE_MIN else np.nan
    return scores


def higher(known, score):
    return score if known is None else max(known, score)


def weigh(run, scores):
    """Of each attack the best score that names it, of each workload the best one that an attack explains and
    the best one that none does."""
    attacks, findings = [None] * run.n_attacks, {}
    for row, score in enumerate(scores.tolist()):
        if not math.isfinite(score):
            continue
        for place in run.windows.attacks[row]:
            attacks[place] = higher(attacks[place], score)
        sides = findings.setdefault(run.windows.workload[row], [None, None])
        side = 0 if run.windows.explained[row] else 1
        sides[side] = higher(sides[side], score)
    return {"attacks": attacks, "findings": list(findings.values())}


def counts(score, cut):
    return score is not None and score >= cut


def points(runs, weighed):
    """False findings a day and recall at every cut, as src/evaluate/compare.rs computes them."""
    attacks = [score for best in weighed for score in best["attacks"]]
    findings = [sides for best in weighed for sides in best["findings"]]
    cuts = {score for score in attacks if score is not None}
    cuts = sorted(cuts | {score for sides in findings for score in sides if score is not None}, reverse=True)
    some = cuts[::max(1, math.ceil(len(cuts) / CUTS_MAX))]
    some += [cut for cut in cuts[-1:] if cut != some[-1]]
    days = max(1, sum(run["days"] for run in runs))
    return [
        (
            sum(counts(other, cut) and not counts(explained, cut) for explained, other in findings) / days,
            sum(counts(score, cut) for score in attacks) / max(1, len(attacks)),
        )
        for cut in some
    ]


def recall_at(curve, rate):
    return max((recall for false_per_day, recall in curve if false_per_day <= rate), default=0.0)


def goodness(curve):
    """What the best way to use a detector is chosen by."""
    return sum(recall_at(curve, rate) for rate in RATES), recall_at(curve, math.inf)


def table_row(method, way, curve):
    most = recall_at(curve, math.inf)
    cost = min((false_per_day for false_per_day, recall in curve if recall >= most), default=0.0)
    recalls = " | ".join(f"{recall_at(curve, rate):.3f}" for rate in RATES)
    return f"| {method} | {way} | {recalls} | {most:.3f} | {cost:.2f} |"


def tell(text):
    print(text, file=sys.stderr, flush=True)


def judge(path):
    """All runs, and by method and way of using it what each run's scores weigh."""
    runs, weighed = [], collections.defaultdict(list)
    for number, (learned, judged) in enumerate(histories(path), 1):
        began = time.monotonic()
        weighed[ROBUST_Z, "per service, within too"] += [weigh(run, robust_z(learned, run)) for run in judged]
        settled = keep(learned, learned.start >= learned.start.min() + NEWS_SECS)
        for (name, make), scope, hours in itertools.product(detectors().items(), SCOPES, HOURS):
            for scale, scores in scores_of(make, settled, judged, scope, hours).items():
                way = f"per {scope}, {hours}, {scale}"
                weighed[name, way] += [weigh(run, of_run) for run, of_run in zip(judged, scores)]
        # Their windows are not needed any more, and there are many.
        runs += [{key: value for key, value in vars(run).items() if key != "windows"} for run in judged]
        tell(f"history {number}, seed {runs[-1]['seed']}: {len(judged)} runs, {time.monotonic() - began:.0f} s")
    return runs, weighed


def keep(windows, wanted):
    """The wanted rows, or all of them where those are too few to learn from."""
    if wanted.sum() < TRAIN_MIN:
        return windows
    for name in ["volumes", "hour", "service", "workload", "start"]:
        setattr(windows, name, getattr(windows, name)[wanted])
    return windows


def document(runs, chosen):
    """What `--also` reads."""
    documents = []
    for place, run in enumerate(runs):
        methods = {name: weighed[place] for name, weighed in chosen.items() if name != ROBUST_Z}
        known = {key: run[key] for key in ("seed", "scenario", "records")}
        documents.append({**known, "methods": methods})
    return {"schema": SCHEMA, "runs": documents}


def install():
    """Makes the virtual environment with PyOD, once."""
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    probe = subprocess.run([PYTHON, "-c", "import " + ", ".join(PACKAGES)], capture_output=True, check=False)
    if probe.returncode != 0:
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def versions():
    import importlib.metadata as metadata

    return ", ".join(f"{package} {metadata.version(package)}" for package in [*PACKAGES, "scikit-learn"])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=pathlib.Path, help="what `tidegate evaluate --features FILE` wrote")
    parser.add_argument("--json", type=pathlib.Path, help="write what `tidegate evaluate --compare --also` reads")
    parser.add_argument("--all", action="store_true", help="print every way of using each detector, not the best alone")
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if not options.within:
        install()
        os.execv(PYTHON, [PYTHON, __file__, "--within", *sys.argv[1:]])
    # Columns that never change have no skewness; PyOD takes it as none.
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    runs, weighed = judge(options.features)
    curves = {key: points(runs, of_method) for key, of_method in weighed.items()}
    best = {}
    for (name, way), curve in curves.items():
        if name not in best or goodness(curve) > goodness(curves[name, best[name]]):
            best[name] = way
    n_attacks = sum(run["n_attacks"] for run in runs)
    print(f"{len(runs)} runs, {sum(run['days'] for run in runs)} judged days, {n_attacks} attacks; {versions()}\n")
    rates = " | ".join(f"{rate:g}" for rate in RATES)
    print(f"| method | way | {rates} | most | false a day |\n| --- | --- |{' ---: |' * (len(RATES) + 2)}")
    for (name, way), curve in curves.items():
        if options.all or best[name] == way:
            print(table_row(name, way, curve))
    if options.json:
        chosen = {name: weighed[name, way] for name, way in best.items()}
        options.json.write_text(json.dumps(document(runs, chosen), allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
