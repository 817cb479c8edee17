#!/usr/bin/env python3
"""Random selectors, and what each of them must find: a plain implementation that shares nothing with the index.

  label_reference.py ROWS SELECTORS TABLE FOLDER

ROWS holds a line "id <tab> weight <tab> labels as JSON, or \\N" per row of TABLE.  Into FOLDER go two files of queries, one for each
session, and `expected`: number of the selector, rows, sum of their weights.  A set of rows is one long integer, a bit each; a regular
expression is a matter of Python's re.
"""
import json
import random
import re
import sys

OPERATORS = ["=", "!=", "=~", "!~"]
WEIGHT_BITS = 31


def bits(rows, n):
    data = bytearray(n // 8 + 1)
    for row in rows:
        data[row >> 3] |= 1 << (row & 7)
    return int.from_bytes(data, "little")


class Rows:
    def __init__(self, path):
        self.values, weights, everything = {}, [], []
        for row, line in enumerate(open(path, encoding="utf-8")):
            _, weight, labels = line.rstrip("\n").split("\t")
            weights.append(int(weight))
            if labels == "\\N":
                continue
            everything.append(row)
            for name, value in json.loads(labels.replace("\\\\", "\\")).items():
                self.values.setdefault(name, {}).setdefault(value, []).append(row)
        self.n = len(weights)
        self.all = bits(everything, self.n)
        self.weights = [bits((r for r, w in enumerate(weights) if w >> bit & 1), self.n) for bit in range(WEIGHT_BITS)]
        self.names = {name: list(values) for name, values in self.values.items()}
        self.have = {name: bits((r for rows in values.values() for r in rows), self.n) for name, values in self.values.items()}
        # values of few rows stay lists: one integer each would be a hundred thousand of a hundred kilobytes
        for values in self.values.values():
            for value, rows in values.items():
                if len(rows) > 100:
                    values[value] = bits(rows, self.n)

    def with_values(self, name, wanted):
        """The rows whose value of the label satisfies wanted(); those without the label have the empty one."""
        values, have = self.values.get(name, {}), self.have.get(name, 0)
        yes = [value for value in values if wanted(value)]
        if len(yes) > len(values) // 2:
            found = have & ~self.union(values, values.keys() - set(yes))
        else:
            found = self.union(values, yes)
        return found | (self.all & ~have if wanted("") else 0)

    def union(self, values, which):
        found, few = 0, []
        for value in which:
            rows = values[value]
            if isinstance(rows, list):
                few += rows
            else:
                found |= rows
        return found | bits(few, self.n) if few else found

    def match(self, name, operator, text):
        if operator in ("=", "!="):
            found = self.with_values(name, text.__eq__) if text == "" else self.with_value(name, text)
        else:
            pattern = re.compile(text, re.DOTALL)
            found = self.with_values(name, lambda value: pattern.fullmatch(value) is not None)
        return self.all & ~found if operator in ("!=", "!~") else found

    def with_value(self, name, value):
        rows = self.values.get(name, {}).get(value, [])
        return bits(rows, self.n) if isinstance(rows, list) else rows


def pattern_for(rng, value, other):
    """A pattern of a kind: some the index knows how to look up, some it has to run."""
    literal, cut = re.escape(value), rng.randint(0, len(value))
    return rng.choice([
        lambda: literal,
        lambda: re.escape(value[:cut]) + ".*",
        lambda: re.escape(value[:cut]) + ".+",
        lambda: ".*" + re.escape(value[cut:]),
        lambda: ".*" + re.escape(value[cut // 2:cut]) + ".*",
        lambda: literal + "|" + re.escape(other),
        lambda: "(" + literal + "|" + re.escape(other) + "|)",
        lambda: re.escape(value[:cut]) + "(" + re.escape(value[cut:]) + "|x|[0-9]+)",
        lambda: re.escape(value[:cut]) + "[a-z0-9]*",
        lambda: literal + "?",
        lambda: "(?i)" + literal.upper() if value.isascii() else literal,
        lambda: "[a-m].*",
        lambda: ".{%d,%d}" % (cut, len(value)),
        lambda: "[^" + (value[cut:cut + 1] if value[cut:cut + 1].isalnum() else "z") + "]*",
        lambda: "^" + literal + "$",
        lambda: "",
        lambda: ".*",
        lambda: ".+",
    ])()


def random_matcher(rng, rows):
    # running a pattern over hundreds of thousands of values takes Python long, so that label is chosen less often
    name = rng.choice([n for n, values in rows.names.items() for _ in range(1 if len(values) > 100000 else 8)] + 4 * ["absent"])
    known = rows.names.get(name, ["x"])
    value, other = rng.choice(known), rng.choice(known)
    operator = rng.choice(OPERATORS)
    if operator in ("=", "!="):
        r = rng.random()
        return name, operator, "" if r < 0.1 else value + "x" if r < 0.15 else value
    return name, operator, pattern_for(rng, value, other)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def main():
    rows, n_selectors, table, folder = Rows(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    rng = random.Random(4)
    sessions = [open("%s/%d.sql" % (folder, i), "w", encoding="utf-8") for i in (1, 2)]
    expected = open(folder + "/expected", "w")
    narrow = [name for name, values in rows.names.items() if len(values) > 50]
    known = {}

    def answer(matcher):
        if matcher not in known:
            if len(known) > 2000:
                known.clear()
            known[matcher] = rows.match(*matcher)
        return known[matcher]

    for n in range(n_selectors):
        matchers = [random_matcher(rng, rows) for _ in range(1 + n % 4)]
        found = rows.all
        for matcher in matchers:
            found &= answer(matcher)
        # to fetch most of the rows takes long and says little more of the index
        if found.bit_count() > rows.n // 20 and rng.random() < 0.9:
            name = rng.choice(narrow)
            matchers.append((name, "=", rng.choice(rows.names[name])))
            found &= answer(matchers[-1])
        weight = sum((found & mask).bit_count() << bit for bit, mask in enumerate(rows.weights)) if found else 0
        print(n, found.bit_count(), weight, sep="|", file=expected)
        selector = "{" + ",".join(quoted(name) + operator + quoted(text) for name, operator, text in matchers) + "}"
        print("SELECT %d, count(*), coalesce(sum(weight), 0) FROM %s WHERE labels OPERATOR(tsdb.@@) '%s';"
              % (n, table, selector.replace("'", "''")), file=sessions[n % 2])


main()
