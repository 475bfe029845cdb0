"""Log groups of CloudWatch Logs: a stream per network interface, events without header lines."""

import collections

from . import flow_logs
from .clients import Timed, client

# The limits of PutLogEvents.
EVENTS_MAX, BYTES_MAX, EVENT_EXTRA_BYTES, SPAN_MS_MAX = 10_000, 1_048_576, 26, 24 * 3600 * 1000


def add_commands(commands):
    """The subcommands."""
    one = commands.add_parser("cwl", help="put the records of text flow logs into a log group; makes it")
    one.add_argument("folder")
    one.add_argument("group")
    one.add_argument("--flow-log", action="store_true", help="also make a flow log that DescribeFlowLogs tells of")
    flow_logs.add_range(one)
    one.set_defaults(run=put)
    one = commands.add_parser("cwl-read", help="count and sum what FilterLogEvents gives")
    one.add_argument("group")
    one.add_argument("--stream-prefix")
    one.set_defaults(run=read)


def stream_of(record):
    """The log stream of a record's interface; some records have no interface."""
    return f"{record.interface}-all" if record.interface != "-" else "no-interface-all"


def ignore_existing(logs, call, **arguments):
    """Makes what may be there."""
    try:
        call(**arguments)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass


class Batch:
    """Events of one stream that one request may hold."""

    def __init__(self):
        self.events = []
        self.bytes = 0

    def takes(self, event):
        """Whether the event keeps the batch within the limits."""
        times = [one["timestamp"] for one in (self.events[:1] + self.events[-1:])] + [event["timestamp"]]
        size = self.bytes + len(event["message"]) + EVENT_EXTRA_BYTES
        return len(self.events) < EVENTS_MAX and size <= BYTES_MAX and max(times) - min(times) < SPAN_MS_MAX // 2

    def add(self, event):
        """One more event."""
        self.events.append(event)
        self.bytes += len(event["message"]) + EVENT_EXTRA_BYTES


def put(args):
    """Puts events; within a request they are in the order of time, as the service asks."""
    logs, timed, digest, calls = client("logs"), Timed(), flow_logs.Digest(), 0
    log_format = flow_logs.log_format(args.folder, args.since, args.until)
    ignore_existing(logs, logs.create_log_group, logGroupName=args.group)
    batches = collections.defaultdict(Batch)

    def flush(stream):
        events = sorted(batches.pop(stream).events, key=lambda event: event["timestamp"])
        answer = logs.put_log_events(logGroupName=args.group, logStreamName=stream, logEvents=events)
        if answer.get("rejectedLogEventsInfo"):
            raise SystemExit(f"events were refused: {answer['rejectedLogEventsInfo']}")
        return 1

    streams = set()
    for record in flow_logs.records(args.folder, args.since, args.until):
        stream, event = stream_of(record), {"timestamp": record.start * 1000, "message": record.line}
        if stream not in streams:
            ignore_existing(logs, logs.create_log_stream, logGroupName=args.group, logStreamName=stream)
            streams.add(stream)
        if not batches[stream].takes(event):
            calls += flush(stream)
        batches[stream].add(event)
        digest.add(record.line)
    for stream in list(batches):
        calls += flush(stream)
    if args.flow_log:
        describe(args.group, log_format)
    rate = timed.rate(records=digest.count, calls=calls)
    return {**rate, "streams": len(streams), "digest": str(digest), "format": log_format}


def describe(group, log_format):
    """Makes a flow log that publishes to the group in that format."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    ec2.create_flow_logs(
        ResourceType="VPC", ResourceIds=[vpc], TrafficType="ALL", LogDestinationType="cloud-watch-logs",
        LogGroupName=group, LogFormat=log_format, DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow-logs",
    )


def read(args):
    """Reads to the last page."""
    logs, timed, digest, pages, empty, ids = client("logs"), Timed(), flow_logs.Digest(), 0, 0, set()
    prefix = {"logStreamNamePrefix": args.stream_prefix} if args.stream_prefix else {}
    token = {}
    while True:
        page = logs.filter_log_events(logGroupName=args.group, **prefix, **token)
        pages += 1
        empty += not page["events"]
        for event in page["events"]:
            digest.add(event["message"])
            ids.add(event["eventId"])
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    rate = timed.rate(records=digest.count, pages=pages)
    return {**rate, "empty_pages": empty, "event_ids": len(ids), "digest": str(digest)}
