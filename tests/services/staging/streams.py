"""Streams of Kinesis: records in the order of time, in any form, over a split and a merge of shards."""

import hashlib
import itertools
import random
import time

from . import carriers, flow_logs
from .clients import Timed, client
from .log_groups import stream_of

# The limits of PutRecords; a batch stays well below them.
RECORDS_MAX, BYTES_MAX = 500, 4 * 1024 * 1024
# How often each form comes in a mixture: the stand-in is slow with many small records.
MIXED = [8, 1, 1, 8]


def add_commands(commands):
    """The subcommands."""
    one = commands.add_parser("kinesis", help="put the records of text flow logs into a stream; makes it")
    one.add_argument("folder")
    one.add_argument("stream")
    one.add_argument("--shards", type=int, default=4)
    one.add_argument("--form", choices=[*carriers.FORMS, "mixed"], default="envelope")
    one.add_argument("--split-at", type=float, help="split a shard after this share of the records")
    one.add_argument("--merge-at", type=float, help="merge two shards after this share of the records")
    one.add_argument("--redeliver", type=float, default=0, help="the share of envelopes sent a second time, later")
    one.add_argument("--per-record", type=int, default=50, help="flow log records in an envelope or aggregate, at most")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--group", default="flow-logs", help="the log group that envelopes name")
    flow_logs.add_range(one)
    one.set_defaults(run=put)
    one = commands.add_parser("kinesis-create", help="make an empty stream")
    one.add_argument("stream")
    one.add_argument("--shards", type=int, default=4)
    one.set_defaults(run=create)
    one = commands.add_parser("kinesis-split", help="split the first open shard")
    one.add_argument("stream")
    one.set_defaults(run=lambda args: reshard(args, split))
    one = commands.add_parser("kinesis-merge", help="merge the last two open shards")
    one.add_argument("stream")
    one.set_defaults(run=lambda args: reshard(args, merge))
    one = commands.add_parser("kinesis-read", help="count and sum what a stream holds, parents before children")
    one.add_argument("stream")
    one.set_defaults(run=read)


def wait_active(kinesis, stream):
    """Until the stream takes records and changes."""
    while kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.02)


def create(args):
    """Makes the stream if it is not there."""
    kinesis = client("kinesis")
    try:
        kinesis.create_stream(StreamName=args.stream, ShardCount=args.shards)
    except kinesis.exceptions.ResourceInUseException:
        pass
    wait_active(kinesis, args.stream)
    return {"shards": len(shards(kinesis, args.stream))}


def shards(kinesis, stream):
    """Every shard, the closed ones too."""
    found, page = [], kinesis.list_shards(StreamName=stream)
    while True:
        found += page["Shards"]
        if not page.get("NextToken"):
            return found
        page = kinesis.list_shards(NextToken=page["NextToken"])


def hash_range(shard):
    """First and last hash key."""
    keys = shard["HashKeyRange"]
    return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])


def open_shards(kinesis, stream):
    """Those that take records, by hash key."""
    found = [one for one in shards(kinesis, stream) if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
    return sorted(found, key=hash_range)


def split(kinesis, stream):
    """Splits the first open shard in the middle."""
    shard = open_shards(kinesis, stream)[0]
    first, last = hash_range(shard)
    middle = str((first + last) // 2)
    kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
    wait_active(kinesis, stream)


def merge(kinesis, stream):
    """Merges the last two open shards."""
    one, other = open_shards(kinesis, stream)[-2:]
    kinesis.merge_shards(StreamName=stream, ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"])
    wait_active(kinesis, stream)


def reshard(args, change):
    """Changes the shards of a stream."""
    kinesis = client("kinesis")
    change(kinesis, args.stream)
    return {"shards": len(shards(kinesis, args.stream)), "open": len(open_shards(kinesis, args.stream))}


class Writer:
    """Packs flow log records into Kinesis records and puts them, in order."""

    def __init__(self, args):
        self.kinesis, self.args = client("kinesis"), args
        self.random = random.Random(args.seed)
        self.ids = itertools.count()
        self.pending, self.pending_bytes, self.later = [], 0, []
        self.records = self.redelivered = 0
        self.shards_changed()

    def shards_changed(self):
        """Aggregates hold keys of one shard only, so the shards have to be known."""
        self.ranges = [hash_range(one) for one in open_shards(self.kinesis, self.args.stream)]

    def shard_of(self, key):
        """The number of the shard that takes a partition key."""
        hashed = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        return next(number for number, (first, last) in enumerate(self.ranges) if first <= hashed <= last)

    def write(self, records):
        """Some records, next in time to those before."""
        form = self.args.form if self.args.form != "mixed" else self.random.choices(carriers.FORMS, MIXED)[0]
        getattr(self, form)(records)
        if self.later and self.random.random() < 0.5:
            self.put(*self.later.pop(0))
            self.redelivered += 1

    def groups(self, records, key):
        """The records by key, in order within each, as many at a time as a Kinesis record may hold."""
        by_key = {}
        for record in records:
            by_key.setdefault(key(record), []).append(record)
        for one, members in by_key.items():
            for begin in range(0, len(members), self.args.per_record):
                yield one, members[begin:begin + self.args.per_record]

    def envelope(self, records):
        """A Kinesis record per log stream."""
        for stream, members in self.groups(records, stream_of):
            events = [(f"{one.start * 1000:016d}{next(self.ids):040d}", one.start * 1000, one.line) for one in members]
            data = carriers.envelope(self.args.group, stream, events)
            self.put(stream, data)
            if self.random.random() < self.args.redeliver:
                self.later.append((stream, data))

    def firehose(self, records):
        """A Kinesis record per record, in JSON."""
        for one in records:
            self.put(one.interface, carriers.firehose(one.line))

    def lines(self, records):
        """A Kinesis record per record."""
        for one in records:
            self.put(one.interface, one.line.encode())

    def kpl(self, records):
        """Aggregates per shard, of several partition keys."""
        for _, members in self.groups(records, lambda one: self.shard_of(one.interface)):
            data = carriers.aggregate([(one.interface, one.line.encode()) for one in members])
            self.put(members[0].interface, data)

    def put(self, key, data):
        """One Kinesis record."""
        if len(self.pending) == RECORDS_MAX or self.pending_bytes + len(data) > BYTES_MAX:
            self.flush()
        self.pending.append({"PartitionKey": key, "Data": data})
        self.pending_bytes += len(data)

    def flush(self):
        """Puts what waits; what the service did not take is put again."""
        left, self.pending, self.pending_bytes = self.pending, [], 0
        self.records += len(left)
        while left:
            answer = self.kinesis.put_records(StreamName=self.args.stream, Records=left)
            left = [one for one, result in zip(left, answer["Records"]) if result.get("ErrorCode")]

    def finish(self):
        """Everything is in the stream afterwards."""
        for waiting in self.later:
            self.put(*waiting)
            self.redelivered += 1
        self.later = []
        self.flush()


def put(args):
    """Puts, and splits and merges on the way."""
    create(args)
    log_format = flow_logs.log_format(args.folder, args.since, args.until)
    total = sum(1 for _ in flow_logs.records(args.folder, args.since, args.until))
    changes = [(args.split_at, split), (args.merge_at, merge)]
    changes = sorted((share * total, change) for share, change in changes if share is not None)
    writer, timed, digest = Writer(args), Timed(), flow_logs.Digest()
    if args.form in ("envelope", "mixed"):
        writer.put("control", carriers.control_message())
    remaining = flow_logs.records(args.folder, args.since, args.until)
    while chunk := list(itertools.islice(remaining, 10 * args.per_record)):
        while changes and digest.count >= changes[0][0]:
            writer.flush()
            changes.pop(0)[1](writer.kinesis, args.stream)
            writer.shards_changed()
        writer.write(chunk)
        for record in chunk:
            digest.add(record.line)
    if changes:
        raise SystemExit("too few records to split or merge on the way; use a smaller --per-record")
    writer.finish()
    rate = timed.rate(records=digest.count, kinesis_records=writer.records)
    return {**rate, "redelivered": writer.redelivered, "digest": str(digest), "format": log_format}


def drain(kinesis, stream, shard):
    """The records of a shard, and whether it is closed; an open one ends where nothing is ahead."""
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator, found = iterator["ShardIterator"], []
    while iterator:
        page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        found += page["Records"]
        iterator = page.get("NextShardIterator")
        if not page["Records"] and not page["MillisBehindLatest"]:
            break
    return found, iterator is None


def read(args):
    """Reads every shard, parents first."""
    kinesis, timed, digest, records, ids = client("kinesis"), Timed(), flow_logs.Digest(), 0, set()
    repeated, per_shard = 0, {}
    # A child's id is always higher than its parents'.
    for shard in sorted(shards(kinesis, args.stream), key=lambda one: one["ShardId"]):
        found, is_closed = drain(kinesis, args.stream, shard["ShardId"])
        lines = 0
        for event_id, line in (pair for one in found for pair in carriers.carried(one["Data"])):
            if event_id is not None and event_id in ids:
                repeated += 1
                continue
            ids.add(event_id)
            digest.add(line)
            lines += 1
        records += len(found)
        parents = [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if shard.get(name)]
        per_shard[shard["ShardId"]] = {"lines": lines, "closed": is_closed, "parents": parents}
    rate = timed.rate(records=digest.count, kinesis_records=records)
    return {**rate, "repeated": repeated, "shards": per_shard, "digest": str(digest)}
