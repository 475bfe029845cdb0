"""Clients for the stand-ins, and how long things took."""

import os
import time

import boto3
from botocore.config import Config

ENDPOINTS = {"kinesis": "TIDEGATE_TEST_KINESIS"}
THREADS = 8


def client(service):
    """A client whose endpoint is the stand-in's, and never AWS."""
    variable = ENDPOINTS.get(service, "TIDEGATE_TEST_MOTO")
    endpoint = os.environ.get(variable)
    if not endpoint:
        raise SystemExit(f"{variable} is not set: run `./test services --shell`")
    config = Config(
        retries={"max_attempts": 4, "mode": "standard"}, max_pool_connections=2 * THREADS,
        s3={"addressing_style": "path"}, parameter_validation=False,
    )
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", config=config)


class Timed:
    """How many things per second something did."""

    def __init__(self):
        self.begun = time.monotonic()

    def rate(self, **counts):
        """The counts, the seconds they took, and each count per second."""
        secs = max(time.monotonic() - self.begun, 1e-9)
        per_sec = {f"{name}_per_sec": round(count / secs) for name, count in counts.items()}
        return {**counts, "secs": round(secs, 3), **per_sec}
