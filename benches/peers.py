#!/usr/bin/env python3
"""Compares `tidegate detect` with the fastest general engines on the aggregation it contains.

The peers (DuckDB, Polars, ClickHouse's chdb) run one `GROUP BY` over version 2 flow logs; Tidegate runs
the whole of `detect` on the same files. Every run is a process of its own, so wall time, CPU time and
peak memory are the operating system's figures. The peers' answers are compared: a fast wrong one counts
for nothing. See README.md beside this file.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = HERE / ".peers"
PYTHON = VENV / "bin" / "python"
PACKAGES = ["duckdb", "polars", "chdb"]
WINDOW_SECS = 300
WALL_TARGET, MEMORY_TARGET = 0.6, 0.5

# The default format. Addresses stay text in the peers: none of them parses an address while reading.
COLUMNS = [
    ("version", "i32"), ("account_id", "text"), ("interface_id", "text"), ("srcaddr", "text"),
    ("dstaddr", "text"), ("srcport", "i32"), ("dstport", "i32"), ("protocol", "i32"),
    ("packets", "i64"), ("bytes", "i64"), ("start", "i64"), ("end", "i64"), ("action", "text"),
    ("log_status", "text"),
]

GROUP = """
    SELECT "end" - "end" % {window} AS win, srcaddr, dstaddr, least(srcport, dstport) AS port, protocol, action,
           count(*) AS n, sum(packets) AS packets, sum(bytes) AS bytes
    FROM {source} GROUP BY ALL
"""

# Order-free and in whole numbers, so that it is the same number in every engine.
CHECKSUM = """
    SELECT count(*), sum(n), sum(packets), sum(bytes),
           sum((win + port * 31 + protocol * 7 + length(srcaddr) * 3 + length(dstaddr) + n * bytes) % 1000003)
    FROM grouped
"""


def files_in(folder):
    """Every gzip file under a folder, in order."""
    return sorted(str(path) for path in pathlib.Path(folder).rglob("*.gz"))


def run_duckdb(folder, threads):
    """DuckDB: its CSV reader with types given, parallel over files."""
    import duckdb

    sql_types = {"i32": "INTEGER", "i64": "BIGINT", "text": "VARCHAR"}
    columns = ", ".join(f"'{name}': '{sql_types[kind]}'" for name, kind in COLUMNS)
    source = (
        f"read_csv({files_in(folder)!r}, delim=' ', header=true, auto_detect=false, quote='', escape='',"
        f" nullstr='-', compression='gzip', columns={{{columns}}})"
    )
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    grouping = GROUP.format(window=WINDOW_SECS, source=source)
    connection.execute(f"CREATE TEMP TABLE grouped AS {grouping}")
    return connection.execute(CHECKSUM).fetchone()


def run_polars(folder, threads):
    """Polars: a lazy CSV scan, collected by the streaming engine."""
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    types = {"i32": pl.Int32, "i64": pl.Int64, "text": pl.String}
    records = pl.scan_csv(
        files_in(folder), separator=" ", has_header=True, quote_char=None, null_values="-",
        schema={name.replace("_", "-"): types[kind] for name, kind in COLUMNS},
    )
    end, port = pl.col("end"), pl.min_horizontal("srcport", "dstport")
    grouped = (
        records.group_by(
            (end - end % WINDOW_SECS).alias("win"), "srcaddr", "dstaddr", port.alias("port"), "protocol", "action"
        )
        .agg(pl.len().cast(pl.Int64).alias("n"), pl.col("packets").sum(), pl.col("bytes").sum())
        .collect(engine="streaming")
    )
    mixed = (
        pl.col("win") + pl.col("port") * 31 + pl.col("protocol") * 7 + pl.col("srcaddr").str.len_bytes() * 3
        + pl.col("dstaddr").str.len_bytes() + pl.col("n") * pl.col("bytes")
    ) % 1000003
    return grouped.select(
        pl.len(), pl.col("n").sum(), pl.col("packets").sum(), pl.col("bytes").sum(), mixed.sum().alias("mixed")
    ).row(0)


def run_chdb(folder, threads):
    """ClickHouse, embedded: CustomSeparated, because its CSV refuses a space as the delimiter."""
    from chdb import session

    sql_types = {"i32": "Int32", "i64": "Int64", "text": "String"}
    columns = ", ".join(f"{name} {sql_types[kind]}" for name, kind in COLUMNS)
    source = f"file('{folder.resolve()}/**/*.gz', CustomSeparatedWithNames, '{columns}', 'gzip')"
    grouping = GROUP.format(window=WINDOW_SECS, source=source)
    settings = (
        f"max_threads={threads}, format_custom_field_delimiter=' ', format_custom_row_after_delimiter='\\n',"
        " format_custom_escaping_rule='CSV', input_format_with_names_use_header=0"
    )
    clickhouse = session.Session()
    clickhouse.query("CREATE DATABASE bench")
    clickhouse.query(f"CREATE TABLE bench.grouped ENGINE = Memory AS {grouping} SETTINGS {settings}")
    answer = clickhouse.query(CHECKSUM.replace("FROM grouped", "FROM bench.grouped"), "TabSeparated")
    return tuple(int(field) for field in str(answer).split())


ENGINES = {"duckdb": run_duckdb, "polars": run_polars, "chdb": run_chdb}


def measure(command, repeats):
    """Runs a command some times; wall and CPU seconds and peak MiB of each run, and the last output."""
    runs, output = [], ""
    for _ in range(repeats):
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}")
        runs.append({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024})
    return runs, output


def summary(runs):
    """The smallest and the median of each figure."""
    return {
        key: (min(run[key] for run in runs), statistics.median(run[key] for run in runs)) for key in ("wall", "cpu", "mib")
    }


def table_row(name, figures):
    cells = " | ".join(f"{least:.2f} / {median:.2f}" for least, median in (figures["wall"], figures["cpu"]))
    least, median = figures["mib"]
    return f"| {name} | {cells} | {least:.0f} / {median:.0f} |"


def machine():
    """One line that says where the figures come from."""
    model = "unknown processor"
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = models[0] if models else model
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {model}, {memory_gib:.0f} GiB, {os.uname().sysname} {os.uname().release}"


def install_peers():
    """Makes the virtual environment with the peers, once."""
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    probe = subprocess.run([PYTHON, "-c", "import " + ", ".join(PACKAGES)], capture_output=True, check=False)
    if probe.returncode != 0:
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def versions():
    probe = f"import importlib.metadata as m; print(', '.join(p + ' ' + m.version(p) for p in {PACKAGES!r}))"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=True).stdout.strip()


def build_tidegate():
    """Builds the release binary; cargo says where it put it."""
    build = ["cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics"]
    lines = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    messages = (json.loads(line) for line in lines if line.startswith("{"))
    built = [message["executable"] for message in messages if message.get("executable")]
    return next(path for path in built if pathlib.Path(path).name == "tidegate")


def generate(tidegate, folder, records):
    """The made-up records, made in a folder beside the wanted one and then moved: never half a set."""
    if folder.exists():
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [tidegate, "generate", "--scenario", "bench", "--records", str(records), "--out", str(partial)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    partial.rename(folder)


def bench_peers(names, folder, options):
    """Runs the peers; their figures by name. Ends the program when two of them disagree."""
    figures, answers = {}, {}
    for name in names:
        command = [PYTHON, __file__, "--engine", name, "--data", str(folder), "--threads", str(options.threads)]
        runs, answers[name] = measure(command, options.repeats)
        figures[name] = summary(runs)
        print(table_row(name, figures[name]), flush=True)
    if len(set(answers.values())) > 1:
        sys.exit(f"the engines disagree: {answers}")
    print(f"\nAll peers answer (groups, records, packets, bytes, checksum): {answers[names[0]].strip()}")
    return figures


def print_ratios(ours, peers):
    """Ours over the peers'. Memory is held to the lightest peer, not only to the fastest: when the walls are
    within noise of each other, which one is fastest is luck, and their memory differs by more than twice."""
    fastest = min(peers, key=lambda name: peers[name]["wall"][1])
    lightest = min(peers, key=lambda name: peers[name]["mib"][1])
    wall = ours["wall"][1] / peers[fastest]["wall"][1]
    print("\ntidegate detect over a peer, medians:")
    print(f"  wall   over {fastest}, the fastest: {wall:.2f} (target at most {WALL_TARGET})")
    for name, rank in ((lightest, "lightest"), (fastest, "fastest")):
        memory = ours["mib"][1] / peers[name]["mib"][1]
        print(f"  memory over {name}, the {rank}: {memory:.2f} (target at most {MEMORY_TARGET})")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="a folder of version 2 logs with header lines; made when absent")
    parser.add_argument("--records", type=int, default=10_000_000, help="how many records to make (default 10 million)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each program (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each peer (default: all)")
    parser.add_argument("--peers-only", action="store_true", help="leave tidegate out")
    parser.add_argument("--only", action="append", choices=ENGINES, help="run this peer alone; may be repeated")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peers_only and options.data is None:
        parser.error("--peers-only needs --data: without tidegate nothing makes the records")
    return options


def main():
    options = arguments()
    if options.engine:
        print(*ENGINES[options.engine](options.data, options.threads))
        return
    install_peers()
    tidegate = None if options.peers_only else build_tidegate()
    folder = options.data or VENV / f"records-{options.records}"
    if tidegate:
        generate(tidegate, folder, options.records)
    files = files_in(folder)
    if not files:
        sys.exit(f"{folder}: no *.gz file in it")
    size_mb = sum(os.path.getsize(path) for path in files) / 1e6
    print(f"Machine: {machine()}")
    print(f"Peers: {versions()}, {options.threads} threads each; {len(files)} gzip files, {size_mb:.0f} MB\n")
    print(f"| {options.repeats} runs, least / median | wall s | CPU s | peak MiB |\n| --- | --- | --- | --- |")
    peers = bench_peers(options.only or list(ENGINES), folder, options)
    if tidegate:
        runs, _ = measure([tidegate, "detect", str(folder)], options.repeats)
        ours = summary(runs)
        print("\n" + table_row("tidegate detect", ours))
        print_ratios(ours, peers)


if __name__ == "__main__":
    main()
