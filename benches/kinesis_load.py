#!/usr/bin/env python3
"""Watches a stream of the stand-in for Kinesis at the highest rate it gives, and says what became of it.

    ./test services --shell
    "$TIDEGATE_TEST_PYTHON" benches/kinesis_load.py --minutes 10 > load.md

A made-up day of a shop with an intrusion in it goes into the stream over and over, each time a day later, as
gzip'd subscription envelopes, as fast as the stand-in takes them; `tidegate watch --state` reads
it meanwhile and is asked for its metrics every few seconds. Release build, from the target directory.
"""

import argparse
import contextlib
import gzip
import json
import os
import pathlib
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import boto3
from botocore.config import Config

EVENTS_PER_PUT = 20_000
DAY_SECS = 86_400
# The default format's fields, which the generated files begin with.
N_FIELDS = 14
START_FIELD = 10
SHARDS_READY_SECS = 30


def arguments():
    """What was typed."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--events", type=int, default=100, help="events in an envelope")
    parser.add_argument("--senders", type=int, default=2)
    parser.add_argument("--records-per-day", type=int, default=2_000_000)
    parser.add_argument("--every", type=float, default=20, help="seconds between samples")
    parser.add_argument("--tidegate", type=pathlib.Path, default=target / "release" / "tidegate")
    return parser.parse_args()


def minutes_of(folder):
    """The day's records, a list for each minute of their ends: what stands before the times, start, end, the rest."""
    minutes = {}
    for path in sorted(folder.glob("AWSLogs/**/*.log.gz")):
        with gzip.open(path, "rt") as lines:
            header = next(lines).split()
            assert header[START_FIELD:START_FIELD + 2] == ["start", "end"], header
            for line in lines:
                values = line.split()
                start, end = int(values[START_FIELD]), int(values[START_FIELD + 1])
                before, after = " ".join(values[:START_FIELD]), " ".join(values[START_FIELD + 2:N_FIELDS])
                minutes.setdefault(end // 60, []).append((before, start, end, after))
    return [minutes[minute] for minute in sorted(minutes)]


def envelopes(records, n_events, shift, first_id):
    """Records so many seconds later, as a subscription sends them."""
    for at in range(0, len(records), n_events):
        some = records[at:at + n_events]
        ms = (some[0][2] + shift) * 1000
        events = ",".join(
            f'{{"id":"3195{ms:013}{first_id + at + n:039}","timestamp":{ms},'
            f'"message":"{before} {start + shift} {end + shift} {after}"}}'
            for n, (before, start, end, after) in enumerate(some)
        )
        head = '{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"flow-logs","logStream":"eni-all",'
        content = f'{head}"subscriptionFilters":["f"],"logEvents":[{events}]}}'
        yield len(some), gzip.compress(content.encode(), 1, mtime=0)


class Sender:
    """Puts envelopes into the stream, a few requests at a time."""

    def __init__(self, client, stream, n_threads):
        self.client, self.stream = client, stream
        self.todo = queue.Queue(maxsize=2 * n_threads)
        self.lock = threading.Lock()
        self.n_records = self.n_bytes = self.n_refused = 0
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def work(self):
        """Sends until there is nothing more to come."""
        while (batch := self.todo.get()) is not None:
            while batch:
                entries = [{"Data": data, "PartitionKey": str(random.getrandbits(64))} for _, data in batch]
                answer = self.client.put_records(StreamName=self.stream, Records=entries)
                refused = [one for one, told in zip(batch, answer["Records"]) if "ErrorCode" in told]
                with self.lock:
                    self.n_records += sum(n for n, _ in batch) - sum(n for n, _ in refused)
                    self.n_bytes += sum(len(data) for _, data in batch) - sum(len(data) for _, data in refused)
                    self.n_refused += len(refused)
                batch = refused
                if refused:
                    time.sleep(0.1)

    def send_days(self, minutes, n_events, until):
        """Sends the day again and again."""
        batch, n_made, shift = [], 0, 0
        while True:
            for records in minutes:
                for one in envelopes(records, n_events, shift, n_made):
                    batch.append(one)
                    if len(batch) * n_events >= EVENTS_PER_PUT:
                        self.todo.put(batch)
                        batch = []
                n_made += len(records)
                if time.monotonic() >= until:
                    self.todo.put(batch)
                    return
            shift += DAY_SECS

    def finish(self):
        """Waits until all is sent."""
        for _ in self.threads:
            self.todo.put(None)
        for thread in self.threads:
            thread.join()


def read_metrics(port):
    """The page of metrics: values by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def behind_secs(metrics):
    """How far the shard that is farthest behind is."""
    return max((value for name, value in metrics.items() if "input_behind" in name), default=0.0)


class Samples:
    """A line of the table every few seconds."""

    def __init__(self, port, pids, sender, begun):
        self.port, self.pids, self.sender, self.begun = port, pids, sender, begun
        self.last = {}
        print("| s | records put | records read | read/s | behind s | watch MiB | windows open | watch CPU s | load |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        self.before = (begun, 0.0)

    def take(self):
        """Reads the metrics and prints a line."""
        self.last = metrics = read_metrics(self.port)
        now, n_read = time.monotonic(), metrics["tidegate_records_total"]
        rate = (n_read - self.before[1]) / max(now - self.before[0], 1e-9)
        self.before = (now, n_read)
        cells = [
            f"{now - self.begun:.0f}", f"{self.sender.n_records:,}", f"{n_read:,.0f}", f"{rate:,.0f}",
            f"{behind_secs(metrics):.1f}", f"{metrics['tidegate_memory_bytes'] / 2**20:.0f}",
            f"{metrics['tidegate_windows_open']:.0f}", f"{cpu_secs(self.pids[0]):.1f}", f"{os.getloadavg()[0]:.1f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def cpu_secs(pid):
    """User and system time of a process so far."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def histogram(metrics, name):
    """The lines of a histogram that say something."""
    bounds = [(line.split('"')[1], value) for line, value in metrics.items() if f"tidegate_{name}_bucket" in line]
    below = 0
    for bound, value in bounds:
        if value > below:
            yield f"up to {bound} s: {value - below:.0f}"
        below = value


def new_stream(client, n_shards):
    """Makes a stream and waits until it can be used."""
    name = f"load-{os.getpid()}"
    client.create_stream(StreamName=name, ShardCount=n_shards)
    until = time.monotonic() + SHARDS_READY_SECS
    while client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        assert time.monotonic() < until, "the stream did not become active"
        time.sleep(0.1)
    return name


def start_watch(args, endpoint, stream, folder, port):
    """Begins to read the stream."""
    command = [
        args.tidegate, "watch", f"kinesis://{stream}", "--endpoint-url", endpoint, "--start", "trim-horizon",
        "--state", folder / "state", "--inventory", folder / "network-interfaces.json", "--inventory-time",
        "2025-03-03", "--interval", "60", "--findings", folder / "told.jsonl", "--top", "0", "--log", "json",
        "--listen", f"127.0.0.1:{port}",
    ]
    with (folder / "watch.log").open("wb") as log:
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=log)


def run(args, folder):
    """The whole of it."""
    generate = [args.tidegate, "generate", "--scenario", "intrusion", "--days", "1", "--out", folder]
    more = ["--records", str(args.records_per_day)]
    subprocess.run([str(word) for word in generate + more], check=True, stdout=subprocess.DEVNULL)
    minutes = minutes_of(folder)
    endpoint = os.environ["TIDEGATE_TEST_KINESIS"]
    config = Config(max_pool_connections=args.senders, parameter_validation=False, read_timeout=120)
    client = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1", config=config)
    stream, port = new_stream(client, args.shards), free_port()
    watch = start_watch(args, endpoint, stream, folder, port)
    try:
        follow(args, client, stream, minutes, watch, port)
    finally:
        if watch.poll() is None:
            watch.kill()
            watch.wait()
        sys.stderr.write((folder / "watch.log").read_text()[-3000:])


def follow(args, client, stream, minutes, watch, port):
    """Sends and samples until the time is over and all is read, then stops the watch."""
    begun = time.monotonic()
    sender = Sender(client, stream, args.senders)
    making = threading.Thread(target=sender.send_days, args=(minutes, args.events, begun + 60 * args.minutes), daemon=True)
    making.start()
    samples = Samples(port, [watch.pid], sender, begun)
    while making.is_alive():
        making.join(args.every)
        samples.take()
    sender.finish()
    sent_secs = time.monotonic() - begun
    while samples.last["tidegate_records_total"] < sender.n_records and time.monotonic() < begun + 2 * sent_secs + 60:
        time.sleep(1)
        with contextlib.suppress(OSError):
            samples.take()
    stopping = time.monotonic()
    watch.send_signal(signal.SIGTERM)
    status = watch.wait(60)
    metrics, rate = samples.last, sender.n_records / sent_secs
    print(f"\n- put: {sender.n_records:,} records, {sender.n_bytes / 2**20:.0f} MiB in {sent_secs:.0f} s: {rate:,.0f} "
          f"records/s; {sender.n_refused} envelopes refused and put again")
    print(f"- read: {metrics['tidegate_records_total']:,.0f}; ended with {status} {time.monotonic() - stopping:.1f} s after SIGTERM")
    for name in ["record_to_finding_seconds", "close_to_finding_seconds", "save_seconds"]:
        print(f"- {name}: " + ", ".join(histogram(metrics, name)))
    classes = {name: value for name, value in metrics.items() if "_classed_total" in name or "rejected" in name or "retries" in name}
    print("- " + json.dumps({name: value for name, value in classes.items() if value}))


def main():
    """Makes a folder that goes away again."""
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        run(args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
