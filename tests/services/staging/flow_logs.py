"""Reads text flow logs from a folder, in the order in which AWS would deliver the records."""

import collections
import gzip
import hashlib
import itertools
import pathlib
import re

# ACCOUNT_vpcflowlogs_REGION_fl-ID_YYYYMMDDTHHmmZ_HASH.log.gz
NAME = re.compile(r"^(\d+)_vpcflowlogs_([a-z0-9-]+)_(fl-[0-9a-z-]+)_(\d{8}T\d{4}Z)_[^.]+\.log")

Record = collections.namedtuple("Record", "end start interface account line")


def add_range(parser):
    """The options that choose files by the time in their names."""
    parser.add_argument("--from", dest="since", default="", metavar="STAMP", help="such as 20250303T0500Z")
    parser.add_argument("--to", dest="until", default="~", metavar="STAMP", help="exclusive")


def stamp(path):
    """The time in a file's name; empty when there is none."""
    match = NAME.match(path.name)
    return match.group(4) if match else ""


def files(folder, since="", until="~"):
    """The files of a folder, or of those below it, by the time in their names."""
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise SystemExit(f"{folder} is not a folder")
    found = sorted((stamp(path), str(path), path) for path in root.rglob("*") if path.is_file())
    return [path for time, _, path in found if since <= time < until]


def log_files(folder, since="", until="~"):
    """The text flow logs among them."""
    return [path for path in files(folder, since, until) if path.name.endswith((".log.gz", ".log"))]


def lines(path):
    """The lines of a file, its header first."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as file:
        for line in file:
            yield line.rstrip("\r\n")


def read(path):
    """The records of a file."""
    content = lines(path)
    columns = {name: index for index, name in enumerate(next(content, "").split(" "))}
    end, start = columns["end"], columns["start"]
    interface, account = columns.get("interface-id"), columns.get("account-id")
    for line in content:
        values = line.split(" ")
        of = lambda index: values[index] if index is not None else "-"
        yield Record(int(values[end]), int(values[start]), of(interface), of(account), line)


def records(folder, since="", until="~"):
    """All records: file time by file time, and within one by their end and start."""
    for _, paths in itertools.groupby(log_files(folder, since, until), key=stamp):
        merged = [record for path in paths for record in read(path)]
        merged.sort(key=lambda record: record[:2])
        yield from merged


def log_format(folder, since="", until="~"):
    """The format as `DescribeFlowLogs` has it. A carrier without header lines can hold one format only."""
    headers = {next(lines(path), "") for path in log_files(folder, since, until)}
    if len(headers) != 1:
        raise SystemExit(f"{folder}: {len(headers)} formats; one is needed, as the records go without header")
    return " ".join("${" + name + "}" for name in headers.pop().split(" "))


class Digest:
    """A sum over lines that their order does not change: equal for equal sets, repetitions counted."""

    def __init__(self):
        self.total = 0
        self.count = 0

    def add(self, line):
        """One more line."""
        self.total += int.from_bytes(hashlib.blake2b(line.encode(), digest_size=16).digest(), "big")
        self.count += 1

    def __str__(self):
        return f"{self.total % (1 << 128):032x}"
