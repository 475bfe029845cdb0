"""The forms in which a Kinesis record carries flow log records, there and back."""

import gzip
import hashlib
import json

ACCOUNT = "123456789012"
MAGIC = b"\xf3\x89\x9a\xc2"
FORMS = ["envelope", "firehose", "lines", "kpl"]


def varint(value):
    """A protobuf number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, content):
    """A protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def aggregate(entries):
    """Entries (partition key, data) as the Kinesis Producer Library packs them."""
    keys = sorted({key for key, _ in entries})
    index = {key: number for number, key in enumerate(keys)}
    message = b"".join(field(1, key.encode()) for key in keys)
    for key, data in entries:
        message += field(3, varint(1 << 3) + varint(index[key]) + field(3, data))
    return MAGIC + message + hashlib.md5(message).digest()


def fields(message):
    """The fields of a protobuf message: numbers and bytes only."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        value = number()
        if tag & 7 == 2:
            yield tag >> 3, message[at:at + value]
            at += value
        else:
            yield tag >> 3, value


def disaggregate(data):
    """The entries of an aggregated record, or None when it is not one."""
    if not data.startswith(MAGIC):
        return None
    message, digest = data[len(MAGIC):-16], data[-16:]
    assert hashlib.md5(message).digest() == digest, "an aggregated record whose sum is wrong"
    parts = list(fields(message))
    keys = [part.decode() for number, part in parts if number == 1]
    entries = [dict(fields(part)) for number, part in parts if number == 3]
    return [(keys[entry[1]], entry[3]) for entry in entries]


def envelope(group, stream, events):
    """Events (id, milliseconds, line) as a subscription filter sends them."""
    content = {
        "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": group, "logStream": stream,
        "subscriptionFilters": ["flow-logs"],
        "logEvents": [{"id": one, "timestamp": ms, "message": line} for one, ms, line in events],
    }
    return gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 6, mtime=0)


def control_message():
    """What CloudWatch Logs sends to see whether the stream is there."""
    content = {
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{"id": "", "timestamp": 0, "message": "CWL CONTROL MESSAGE: Checking health of destination Kinesis."}],
    }
    return gzip.compress(json.dumps(content).encode(), 6, mtime=0)


def firehose(line):
    """A flow log's record as it goes to Firehose: no newline."""
    return json.dumps({"message": line}, separators=(",", ":")).encode()


def carried(data):
    """What a Kinesis record holds: pairs of event id (or None) and line."""
    entries = disaggregate(data)
    if entries is not None:
        return [pair for _, part in entries for pair in carried(part)]
    if data.startswith(b"\x1f\x8b"):
        content = json.loads(gzip.decompress(data))
        if content["messageType"] != "DATA_MESSAGE":
            return []
        return [(event["id"], event["message"]) for event in content["logEvents"]]
    if data.startswith(b"{"):
        return [(None, json.loads(data)["message"])]
    return [(None, line) for line in data.decode().splitlines()]
