#!/usr/bin/env python3
"""Lays data into the stand-ins that `./test services` starts, and prints what it did as one JSON object.

The endpoints are those of TIDEGATE_TEST_MOTO and TIDEGATE_TEST_KINESIS. The same arguments lay down the same
bytes in the same order. `./test services --shell` gives a shell in which to try it by hand.
"""

import argparse
import json
import sys

sys.dont_write_bytecode = True

from staging import buckets, log_groups, streams  # noqa: E402  (after the line that keeps the tree clean)


def main():
    """Runs one subcommand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (buckets, log_groups, streams):
        module.add_commands(commands)
    args = parser.parse_args()
    print(json.dumps(args.run(args)))


if __name__ == "__main__":
    main()
