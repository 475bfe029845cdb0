"""Starts moto on 127.0.0.1 and a free port, which it writes to the file that TIDEGATE_PORT_FILE names.

Unlike the `moto_server` command it ends when its standard input does, logs no requests, and takes log events of
any age: the records of the tests have fixed dates, and CloudWatch Logs refuses what is older than 14 days.
"""

import datetime
import logging
import os
import sys
import threading

import moto.logs.models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REFUSED_AGE = datetime.timedelta(days=14)


def any_age(**parts):
    """Stands for `timedelta` where moto computes the oldest event it takes."""
    age = datetime.timedelta(**parts)
    return datetime.timedelta(days=36500) if age == REFUSED_AGE else age


def end_with_standard_input():
    """Waits for the starter to go."""
    sys.stdin.buffer.read()
    os._exit(0)


def announce(port):
    """Writes the port in one step, so that a reader sees all of it or nothing."""
    path = os.environ["TIDEGATE_PORT_FILE"]
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(path + ".new", path)


def main():
    """Serves until standard input closes."""
    moto.logs.models.timedelta = any_age
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(server.server_port)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    announce(server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
