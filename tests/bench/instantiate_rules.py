#!/usr/bin/env python3
"""Makes one rule file of rules as people wrote them, instantiated for each of many clusters.

    instantiate_rules.py --clusters c00,c01 [--interval 30] FILE... > rules.yml

For each cluster every group is repeated, every selector of every expression gets the matcher
cluster="...", and every rule the label `cluster`, so that no two clusters record the same series.
What comes out loads in Prometheus, vmalert and Belfry alike, and asks the same of each. Files may be plain rule
files or PrometheusRule resources. Needs python3-yaml.

    instantiate_rules.py --self-test        checks the rewriting of expressions
"""

import argparse
import re
import sys

TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+|[a-z][0-9a-z]*)?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<mark>=~|!~|!=|==|<=|>=|.)
""", re.X | re.S)

# Followed by a list of labels in parentheses.
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk",
                "quantile", "limitk", "limit_ratio"}
WORDS = GROUPING | AGGREGATIONS | {"and", "or", "unless", "atan2", "offset", "bool", "inf", "nan", "start", "end"}


def tokens_of(expr):
    return [(match.lastgroup, match.group()) for match in TOKEN.finditer(expr)]


class Rewriter:
    """Reads an expression from left to right and writes it down again with one matcher more in each selector."""

    def __init__(self, expr, matcher):
        self.tokens, self.at, self.out, self.matcher = tokens_of(expr), 0, [], matcher

    def take(self):
        token = self.tokens[self.at]
        self.at += 1
        self.out.append(token[1])
        return token

    def next_mark(self):
        """The next token that is not space, without taking it."""
        for kind, text in self.tokens[self.at:]:
            if kind != "space":
                return text
        return ""

    def copy_until(self, end):
        while self.at < len(self.tokens) and self.take()[1] != end:
            pass

    def matchers(self):
        """From behind the opening brace to the closing one."""
        start = len(self.out)
        self.copy_until("}")
        inside = "".join(self.out[start:-1]).strip().rstrip(",")
        self.out[start:] = [inside + ("," if inside else "") + self.matcher + "}"]

    def name(self, word):
        after = self.next_mark()
        if word.lower() in GROUPING and after == "(":
            self.copy_until(")")
        elif after == "{":
            self.copy_until("{")
            self.matchers()
        elif after != "(" and word.lower() not in WORDS:
            self.out.append("{" + self.matcher + "}")

    def run(self):
        while self.at < len(self.tokens):
            kind, text = self.take()
            if kind == "name":
                self.name(text)
            elif text == "{":
                self.matchers()
            elif text == "[":
                self.copy_until("]")
        return "".join(self.out)


def add_matcher(expr, cluster):
    return Rewriter(expr, f'cluster="{cluster}"').run()


CASES = [
    ("up", 'up{C}'),
    ("up == 0", 'up{C} == 0'),
    ('up{job="a", }', 'up{job="a",C}'),
    ("up{}", "up{C}"),
    ('{__name__=~"a|b"}', '{__name__=~"a|b",C}'),
    ("rate(x[5m]) > 1e3", "rate(x{C}[5m]) > 1e3"),
    ("sum by (job, le) (rate(x_bucket{le=~\"0.1|}\"}[1h:5m] offset 1d))",
     "sum by (job, le) (rate(x_bucket{le=~\"0.1|}\",C}[1h:5m] offset 1d))"),
    ("sum(a) by (b) / on (b) group_left (c) sum(d) by (b)", "sum(a{C}) by (b) / on (b) group_left (c) sum(d{C}) by (b)"),
    ("a * on() group_left b # c d\nunless e > bool 0x1F", "a{C} * on() group_left b{C} # c d\nunless e{C} > bool 0x1F"),
    ("job:x:rate5m AND sum WITHOUT (a) (b)", "job:x:rate5m{C} AND sum WITHOUT (a) (b{C})"),
    ("label_replace(a, 'b', \"$1\", `c`, '(.*)')", "label_replace(a{C}, 'b', \"$1\", `c`, '(.*)')"),
    ("time() - a @ end() > -Inf", "time() - a{C} @ end() > -Inf"),
    ("topk(3, sum_over_time(a[1d]))", "topk(3, sum_over_time(a{C}[1d]))"),
]


def self_test():
    bad = [(expr, add_matcher(expr, "c"), want.replace("C}", 'cluster="c"}')) for expr, want in CASES]
    bad = [row for row in bad if row[1] != row[2]]
    for expr, got, want in bad:
        print(f"{expr}\n  became {got}\n  wanted {want}", file=sys.stderr)
    return 1 if bad else 0


def groups_of(path):
    import yaml  # only where files are read
    with open(path, encoding="utf-8") as file:
        for document in yaml.safe_load_all(file):
            for part in (document or {}).get("items", [document or {}]):
                yield from (part.get("spec") or part).get("groups", [])


def instantiate(group, cluster, interval):
    rules = []
    for rule in group.get("rules", []):
        rule = dict(rule, expr=add_matcher(str(rule["expr"]), cluster))
        rule["labels"] = dict(rule.get("labels") or {}, cluster=cluster)
        rules.append(rule)
    return {"name": f"{group['name']} of {cluster}", "interval": f"{interval}s", "rules": rules}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--clusters", help="names, with commas")
    parser.add_argument("--interval", type=int, default=30, help="of every group, in seconds (default 30)")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", metavar="FILE")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if not args.clusters or not args.files:
        parser.error("which --clusters, which files?")
    import yaml
    groups, names = [], {}
    for path in args.files:
        for group in groups_of(path):
            names[group["name"]] = names.get(group["name"], 0) + 1
            if names[group["name"]] > 1:
                group = dict(group, name=f"{group['name']} {names[group['name']]}")
            groups += [instantiate(group, cluster, args.interval) for cluster in args.clusters.split(",")]
    yaml.safe_dump({"groups": groups}, sys.stdout, sort_keys=False, width=1000)
    rules = sum(len(group["rules"]) for group in groups)
    print(f"{len(groups)} groups, {rules} rules", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
