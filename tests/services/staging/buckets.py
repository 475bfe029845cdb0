"""Objects in S3, and what tells of them: notifications to SQS, straight or by way of SNS or EventBridge."""

import base64
import concurrent.futures
import hashlib
import json
import random
import time
import urllib.parse

from . import flow_logs
from .clients import THREADS, Timed, client

REGION = "us-east-1"
ACCOUNT = "123456789012"


def add_commands(commands):
    """The subcommands."""
    one = commands.add_parser("s3", help="upload a tree")
    one.add_argument("folder")
    one.add_argument("url", help="s3://bucket/prefix; the bucket is made when it is not there")
    one.add_argument("--layout", choices=["as-is", "plain", "hour", "hive", "hive-hour"], default="as-is",
                     help="the folders below AWSLogs/; files that are no flow logs are left out unless as-is")
    flow_logs.add_range(one)
    one.set_defaults(run=upload)
    one = commands.add_parser("s3-list", help="keys, sizes and ETags")
    one.add_argument("url")
    one.set_defaults(run=listing)
    one = commands.add_parser("s3-get", help="download an object")
    one.add_argument("url")
    one.add_argument("file")
    one.set_defaults(run=download)
    one = commands.add_parser("s3-delete", help="delete every object under a prefix")
    one.add_argument("url")
    one.set_defaults(run=delete)
    one = commands.add_parser("s3-notify", help="have a bucket tell a queue of new objects; makes both")
    one.add_argument("bucket")
    one.add_argument("queue")
    one.add_argument("--via", choices=["sqs", "sns", "sns-raw", "eventbridge"], default="sqs")
    one.add_argument("--prefix", default="", help="of the keys; not with eventbridge")
    one.set_defaults(run=notify)
    one = commands.add_parser("sqs-create", help="make a queue")
    one.add_argument("queue")
    one.add_argument("--visibility-secs", type=int, default=30)
    one.set_defaults(run=create_queue)
    one = commands.add_parser("sqs-send", help="send messages that tell of every object under a prefix")
    one.add_argument("queue")
    one.add_argument("url", help="s3://bucket/prefix; its objects need not exist when --key is given")
    one.add_argument("--kind", choices=sorted(BODIES), default="s3")
    one.add_argument("--key", action="append", help="tell of this key instead of listing; may be repeated")
    one.add_argument("--copies", type=int, default=1, help="of each message, with the same content")
    one.add_argument("--seed", type=int, default=1, help="of the order, which SQS does not keep either")
    one.set_defaults(run=send)
    one = commands.add_parser("sqs-state", help="how many messages wait and are in flight")
    one.add_argument("queue")
    one.set_defaults(run=state)


def split_url(url):
    """`s3://bucket/prefix` as bucket and prefix."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise SystemExit(f"{url} is not s3://bucket/prefix")
    return parts.netloc, url[len("s3://") + len(parts.netloc):].lstrip("/")


def make_bucket(s3, bucket):
    """Makes a bucket; in this region it is no error when it is there."""
    s3.create_bucket(Bucket=bucket)


def key_in(layout, path, folder):
    """Where a file goes below the prefix; None for a file that has no place in that layout."""
    if layout == "as-is":
        return path.relative_to(folder).as_posix()
    match = flow_logs.NAME.match(path.name)
    if not match:
        return None
    account, region, _, time_of = match.groups()
    year, month, day, hour = time_of[:4], time_of[4:6], time_of[6:8], time_of[9:11]
    if layout.startswith("hive"):
        parts = [f"aws-account-id={account}", "aws-service=vpcflowlogs", f"aws-region={region}", f"year={year}",
                 f"month={month}", f"day={day}", f"hour={hour}"]
    else:
        parts = [account, "vpcflowlogs", region, year, month, day, hour]
    parts = parts if layout.endswith("hour") else parts[:-1]
    return "/".join(["AWSLogs", *parts, path.name])


def upload(args):
    """Uploads concurrently."""
    s3, timed = client("s3"), Timed()
    bucket, prefix = split_url(args.url)
    make_bucket(s3, bucket)

    def put(path):
        key = key_in(args.layout, path, args.folder)
        if key is None:
            return 0
        body = path.read_bytes()
        s3.put_object(Bucket=bucket, Key="/".join(part for part in [prefix.rstrip("/"), key] if part), Body=body)
        return len(body)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        sizes = list(pool.map(put, flow_logs.files(args.folder, args.since, args.until)))
    return {**timed.rate(objects=len(sizes), bytes=sum(sizes)), "url": args.url}


def objects(s3, url):
    """Every object under a prefix."""
    bucket, prefix = split_url(url)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def listing(args):
    """Lists."""
    found = [{"key": one["Key"], "size": one["Size"], "etag": one["ETag"].strip('"')}
             for one in objects(client("s3"), args.url)]
    return {"count": len(found), "objects": found}


def download(args):
    """Downloads."""
    bucket, key = split_url(args.url)
    body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with open(args.file, "wb") as file:
        file.write(body)
    return {"bytes": len(body)}


def delete(args):
    """Deletes."""
    s3, (bucket, _) = client("s3"), split_url(args.url)
    keys = [one["Key"] for one in objects(s3, args.url)]
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    return {"count": len(keys)}


def make_queue(name, visibility_secs=30):
    """The URL and ARN of a queue, made when it is not there."""
    sqs = client("sqs")
    attributes = {"VisibilityTimeout": str(visibility_secs)}
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def create_queue(args):
    """Makes a queue."""
    url, arn = make_queue(args.queue, args.visibility_secs)
    return {"queue_url": url, "queue_arn": arn}


def notify(args):
    """Connects a bucket with a queue. S3 sends a test event to what it is told to notify."""
    s3 = client("s3")
    make_bucket(s3, args.bucket)
    url, arn = make_queue(args.queue)
    target = {"Events": ["s3:ObjectCreated:*"]}
    if args.prefix:
        target["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": args.prefix}]}}
    if args.via == "sqs":
        configuration = {"QueueConfigurations": [{"QueueArn": arn, **target}]}
    elif args.via == "eventbridge":
        send_events(args.bucket, arn)
        configuration = {"EventBridgeConfiguration": {}}
    else:
        topic = send_topic(args.queue, arn, raw="true" if args.via == "sns-raw" else "false")
        configuration = {"TopicConfigurations": [{"TopicArn": topic, **target}]}
    s3.put_bucket_notification_configuration(Bucket=args.bucket, NotificationConfiguration=configuration)
    return {"queue_url": url, "queue_arn": arn, "via": args.via}


def send_events(bucket, queue_arn):
    """A rule of EventBridge that hands a bucket's events to a queue."""
    events = client("events")
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=bucket, EventPattern=json.dumps(pattern), State="ENABLED")
    events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": queue_arn}])


def send_topic(name, queue_arn, raw):
    """The ARN of a topic that hands on to a queue."""
    sns = client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    attributes = {"RawMessageDelivery": raw}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
    return topic


def iso_time(secs):
    """As S3 writes times in events."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(secs))


def s3_event(bucket, one):
    """As S3 sends it: the key is form-encoded, slashes stay."""
    key = urllib.parse.quote_plus(one["Key"], safe="/")
    record = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventTime": iso_time(0),
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "AWS:EXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.1"}, "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "flow-logs",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": "EXAMPLE"}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": one["Size"], "eTag": one["ETag"].strip('"'), "sequencer": "0055AED6DCD90281E5"},
        },
    }
    return {"Records": [record]}


def test_event(bucket, _one):
    """The first message of a newly configured queue."""
    return {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": iso_time(0), "Bucket": bucket,
            "RequestId": "5582815E1AEA5ADF", "HostId": "EXAMPLE"}


def sns_event(bucket, one):
    """The same in the envelope of SNS."""
    digest = hashlib.sha256(one["Key"].encode()).digest()
    return {"Type": "Notification", "MessageId": digest.hex()[:32], "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:t",
            "Subject": "Amazon S3 Notification", "Message": json.dumps(s3_event(bucket, one)),
            "Timestamp": iso_time(0), "SignatureVersion": "1", "Signature": base64.b64encode(digest).decode()}


def eventbridge_event(bucket, one):
    """As EventBridge sends it: the key is not encoded."""
    detail = {"version": "0", "bucket": {"name": bucket}, "request-id": "EXAMPLE", "requester": ACCOUNT,
              "object": {"key": one["Key"], "size": one["Size"], "etag": one["ETag"].strip('"'), "sequencer": "00"},
              "source-ip-address": "192.0.2.1", "reason": "PutObject"}
    return {"version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
            "source": "aws.s3", "account": ACCOUNT, "time": iso_time(0), "region": REGION,
            "resources": [f"arn:aws:s3:::{bucket}"], "detail": detail}


def garbage(_bucket, _one):
    """Not an event at all."""
    return {"hello": ["world", {"Records": "none"}]}


BODIES = {"s3": s3_event, "test": test_event, "sns": sns_event, "eventbridge": eventbridge_event, "garbage": garbage}


def send(args):
    """Sends."""
    sqs, timed = client("sqs"), Timed()
    bucket, _ = split_url(args.url)
    url, _ = make_queue(args.queue)
    if args.key:
        told = [{"Key": key, "Size": 1, "ETag": "00"} for key in args.key]
    else:
        told = list(objects(client("s3"), args.url))
    bodies = [json.dumps(BODIES[args.kind](bucket, one)) for one in told for _ in range(args.copies)]
    random.Random(args.seed).shuffle(bodies)
    for begin in range(0, len(bodies), 10):
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies[begin:begin + 10])]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    return {**timed.rate(messages=len(bodies)), "queue_url": url}


def state(args):
    """What a queue holds."""
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=args.queue)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {"waiting": int(found["ApproximateNumberOfMessages"]),
            "in_flight": int(found["ApproximateNumberOfMessagesNotVisible"])}
