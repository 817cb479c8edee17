#!/usr/bin/env python3
"""Which labels, values and series there are: what the answer costs pgtsdb, and peers beside it.

  label_lookups.py --psql PSQL --pid POSTMASTER --end SECONDS [--peer NAME=URL,PID]... [--runs 9]

pgtsdb is asked in one SQL session (through psql and its environment), peers over one HTTP connection, about the metrics of fleet.c.  Each
question is asked once without being counted.  The answers of peers are compared with that of pgtsdb.
"""
import argparse
import http.client
import json
import os
import subprocess
import time
import urllib.parse

# name, label or kind of question, selectors, whether the time is bounded: to the hour before the end
QUESTIONS = [
    ("names", "labels", [], False),
    ("names, 1 h", "labels", [], True),
    ("values of job", "job", [], False),
    ("values of job, 1 h", "job", [], True),
    ("values of __name__", "__name__", [], False),
    ("values of __name__, 1 h", "__name__", [], True),
    ("values of instance", "instance", [], False),
    ("values of instance, 1 h", "instance", [], True),
    ("modes of a metric, 1 h", "mode", ["node_cpu_seconds_total"], True),
    ("instances of a region, 1 h", "instance", ['node_load1{region="eu-west-1"}'], True),
    ("names of a metric, 1 h", "labels", ["node_load1"], True),
    ("series of a host, 1 h", "series", ['{instance="host-000042.us-west-2.example.net:9100"}'], True),
    ("series by metric regex, 1 h", "series", ['{__name__=~"node_cpu.*",instance=~"host-00000[0-9].*"}'], True),
    ("series by host regex, 1 h", "series", ['node_load1{instance=~".*[15]0[.]us.*"}'], True),
    ("series by prefix, 1 h", "series", ['{instance=~"host-0000[0-9]2[.].*"}'], True),
    ("status", "status", [], False),
]


def tree_cpu(root):
    """Nanoseconds of a process and its children, by thread; what has ended is not in it."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(pid)] = int(open("/proc/%s/stat" % pid).read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    total = 0
    for pid in [root] + [pid for pid, parent in parents.items() if parent == root]:
        try:
            for thread in os.listdir("/proc/%d/task" % pid):
                total += int(open("/proc/%d/task/%s/schedstat" % (pid, thread)).read().split()[0])
        except OSError:
            pass
    return total


class Pgtsdb:
    def __init__(self, psql, pid):
        self.name, self.pid = "pgtsdb", pid
        self.psql = subprocess.Popen([psql, "-XAtq", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, matches, bounds):
        quoted = ["'" + m.replace("'", "''") + "'" for m in matches]
        arguments = ["ARRAY[%s]" % ",".join(quoted) if quoted else "NULL"] + ["to_timestamp(%d)" % t for t in bounds]
        if what == "status":
            call = "tsdb.api_status_tsdb()"
        elif what in ("labels", "series"):
            call = "tsdb.api_%s(%s)" % (what, ", ".join(arguments))
        else:
            call = "tsdb.api_label_values('%s', %s)" % (what, ", ".join(arguments))
        self.psql.stdin.write(("SELECT %s;\n" % call).encode())
        self.psql.stdin.flush()
        return self.psql.stdout.readline()


class Peer:
    def __init__(self, text):
        self.name, _, rest = text.partition("=")
        url, pid = rest.split(",")[:2]
        self.pid, self.connection = int(pid), http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)

    def ask(self, what, matches, bounds):
        path = "/api/v1/" + ({"labels": "labels", "series": "series", "status": "status/tsdb"}.get(what) or "label/%s/values" % what)
        arguments = [("match[]", m) for m in matches] + list(zip(("start", "end"), bounds))
        self.connection.request("GET", path + "?" + urllib.parse.urlencode(arguments))
        return self.connection.getresponse().read()


def content(body):
    """The answer as a set, so that it can be compared."""
    data = json.loads(body)["data"]
    if isinstance(data, dict):
        return {"series=%s" % data.get("totalSeries", data.get("headStats", {}).get("numSeries"))}
    return {json.dumps(item, sort_keys=True) for item in data}


def measure(server, question, end, runs):
    _, what, matches, bounded = question
    bounds = (end - 3600, end) if bounded else ()
    body = server.ask(what, matches, bounds)
    walls, before = [], tree_cpu(server.pid)
    for _ in range(runs):
        began = time.perf_counter()
        server.ask(what, matches, bounds)
        walls.append(time.perf_counter() - began)
    return body, sorted(walls)[len(walls) // 2] * 1e3, (tree_cpu(server.pid) - before) / runs / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--psql", default="psql")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--end", type=int, required=True)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    servers = [Pgtsdb(options.psql, options.pid)] + [Peer(text) for text in options.peer]
    print("%-28s %8s" % ("", "answers") + "".join(" | %-24s" % server.name for server in servers))
    print("%-28s %8s" % ("", "") + " | %8s %8s %6s" % ("p50 ms", "CPU ms", "") * len(servers))
    for question in QUESTIONS:
        ours, line = None, ""
        for server in servers:
            body, wall, cpu = measure(server, question, options.end, options.runs)
            answer = content(body)
            same = "" if ours is None else "same" if answer == ours else "-%d+%d" % (len(ours - answer), len(answer - ours))
            ours = answer if ours is None else ours
            line += " | %8.2f %8.2f %6s" % (wall, cpu, same)
        print("%-28s %8d%s" % (question[0], len(ours), line), flush=True)


main()
