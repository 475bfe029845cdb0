"""Starts moto on 127.0.0.1 and a free port, which it writes to the file that TIDEGATE_PORT_FILE names.

Unlike the `moto_server` command it ends when its standard input does and logs no requests; and it is closer to
CloudWatch Logs where that matters to a reader, see `LogSearches`.
"""

import datetime
import itertools
import logging
import os
import sys
import threading

import moto.logs.models
import moto.logs.responses
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REFUSED_AGE = datetime.timedelta(days=14)
EVENTS_MAX, BYTES_MAX, EVENT_EXTRA_BYTES = 10_000, 1_048_576, 26


def any_age(**parts):
    """Stands for `timedelta` where moto computes the oldest event it takes.

    CloudWatch Logs refuses what is older than 14 days, and the records of the tests have fixed dates.
    """
    age = datetime.timedelta(**parts)
    return datetime.timedelta(days=36500) if age == REFUSED_AGE else age


class LogSearches:
    """FilterLogEvents as CloudWatch Logs answers it.

    moto ignores the prefix of stream names, interleaves streams only when asked, fills every page, knows no limit
    of 1 MB, and searches anew for each page. Here events come in the order of time, ingestion and id, the first
    page and every third one are empty and have a token all the same, and a token continues what its search found.
    """

    def __init__(self, group_class, responses_class):
        self.found = {}
        self.ids = itertools.count()
        self.prefix = threading.local()
        self.answer = responses_class.filter_log_events
        searches = self
        group_class.filter_log_events = lambda group, *args: searches.page(group, *args)
        responses_class.filter_log_events = lambda response: searches.respond(response)

    def respond(self, response):
        """Keeps the one parameter that moto does not hand on."""
        self.prefix.value = response._get_param("logStreamNamePrefix")
        return self.answer(response)

    def search(self, group, names, start, end, pattern):
        """All events, in order."""
        prefix = self.prefix.value or ""
        events = []
        for name, stream in list(group.streams.items()):
            if name.startswith(prefix) and (not names or name in names):
                events += stream.filter_log_events(start, end, pattern)
        # Ids are numbers of one length in CloudWatch Logs, and so compare as text.
        events.sort(key=lambda event: (event["timestamp"], event["ingestionTime"], int(event["eventId"])))
        return events

    def page(self, group, _name, names, start, end, limit, token, pattern, _interleaved):
        """A page, the token of the next, and the streams searched, which are no longer told."""
        if token is None:
            search, at, number = str(next(self.ids)), 0, 0
            self.found[search] = self.search(group, names, start, end, pattern)
        else:
            search, at, number = token.split("-")
            at, number = int(at), int(number)
        events = self.found.get(search, [])
        last = at if number % 3 == 0 else self.end_of_page(events, at, limit or EVENTS_MAX)
        if last < len(events):
            return events[at:last], f"{search}-{last}-{number + 1}", []
        return events[at:last], None, []

    @staticmethod
    def end_of_page(events, at, limit):
        """Where the limits end a page."""
        size, last = 0, at
        while last < min(len(events), at + limit):
            size += len(events[last]["message"]) + EVENT_EXTRA_BYTES
            if size > BYTES_MAX and last > at:
                break
            last += 1
        return last


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
    LogSearches(moto.logs.models.LogGroup, moto.logs.responses.LogsResponse)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(server.server_port)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    announce(server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
