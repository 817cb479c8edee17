# Grafana's PostgreSQL data source works with the tables and functions of pgtsdb: each of its macros, expanded as Grafana
# does, is sent in a simple query by a read-only role, and answers columns that make a graph.
#
# A graph wants a column "time" (timestamptz, or a number of seconds) that ascends, a text "metric", and numeric values.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Grafana;
use Pgtsdb::Node;

my $from = 1767225600;		# 2026-01-01T00:00:00Z
my $to = $from + 3599.5;

my $grafana = Pgtsdb::Grafana->new(from => $from, to => $to, interval => '15s');
sub expand { return $grafana->sql(@_) }

# ---- what the server makes of it ----

my $node = pgtsdb_node('grafana');
$node->safe_psql('postgres', q{
	SELECT sum(tsdb.push_text(format(E'node_load1{instance="a"} %s\nnode_load1{instance="b"} %s\nrequests_total{instance="a"} %s\n',
	                                 i % 7, i % 5, i * 3),
	                          '{"job": "node"}', timestamptz '2026-01-01T00:00:00Z' + i * interval '15 s'))
	  FROM generate_series(0, 240) i;
	INSERT INTO tsdb.scrape_targets (job_name, address, status) VALUES ('node', 'a:9100', 'PAUSED');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('LoadHigh', 'node_load1 > 5');

	-- as README.md says
	CREATE ROLE grafana LOGIN;
	INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('grafana', 'default');
	ALTER ROLE grafana SET search_path = public, tsdb;
	ALTER ROLE grafana SET default_transaction_read_only = on;
	ALTER ROLE grafana SET statement_timeout = '30s'});
my $connstr = $node->connstr('postgres') . ' user=grafana';

# One simple query message, whatever is in it; rows as lists of texts.
sub answers
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', undef, connstr => $connstr, extra_params => [ '-c', $sql ]);
	is($err, '', 'no error from: ' . $sql =~ s/\s+/ /gr);
	return map { [ split /\|/, $_, -1 ] } split /\n/, $out;
}

sub types
{
	my ($sql) = @_;
	return join ', ', map { s/\|/ /r } split /\n/, $node->safe_psql('postgres', "$sql \\gdesc", connstr => $connstr);
}

# A graph: the columns, so many rows, ascending times.
sub is_graph
{
	my ($what, $sql, $types, $n, %options) = @_;
	my $expanded = expand($sql, %options);
	unlike($expanded, qr/\$__/, "$what: all macros are known");
	is(types($expanded), $types, "$what: columns");
	my @rows = answers($expanded);
	is(scalar @rows, $n, "$what: rows");
	my @times = map { $_->[0] } @rows;
	is_deeply(\@times, [ $types =~ /^time timestamp/ ? sort @times : sort { $a <=> $b } @times ], "$what: times ascend");
	return @rows;
}

my $timestamps = 'time timestamp with time zone, metric text, value double precision';

my @rows = is_graph('promql', <<'END', $timestamps, 480);
SELECT ts AS time, labels->>'instance' AS metric, value
  FROM tsdb.promql('avg_over_time(node_load1[$__interval])', $__timeFrom(), $__timeTo(), '$__interval') ORDER BY 1, 2
END
is_deeply($rows[0], [ '2026-01-01 00:00:00+00', 'a', '0' ], 'the first row');
@rows = is_graph('series_name', <<'END', $timestamps, 480);
SELECT $__time(ts), tsdb.series_name(labels) AS metric, value
  FROM tsdb.promql('node_load1', $__timeFrom(), $__timeTo(), '$__interval') ORDER BY 1, 2
END
is($rows[0][1], 'node_load1{instance="a", job="node"}', 'the name of a series');
is_graph('__interval_ms', <<'END', $timestamps, 480);
SELECT $__time(ts), labels->>'instance' AS metric, value
  FROM tsdb.promql('node_load1', $__timeFrom(), $__timeTo(), $__interval_ms * interval '1 ms') ORDER BY 1
END
is_graph('samples and __timeFilter', <<'END', $timestamps, 480);
SELECT $__time(ts), labels->>'instance' AS metric, value
  FROM tsdb.samples('node_load1', '2025-01-01', '2027-01-01') WHERE $__timeFilter(ts) ORDER BY 1
END
is_graph('__timeEpoch', <<'END', 'time numeric, metric text, value double precision', 240);
SELECT $__timeEpoch(ts), labels->>'instance' AS metric, value
  FROM tsdb.promql('sum(node_load1)', $__timeFrom(), $__timeTo(), '15s') ORDER BY 1
END

# Groups of time, with and without the switch "TimescaleDB" of the data source, and each way to fill gaps.
for my $fill ('', ', NULL', ', previous', ', 0')
{
	my %expected = (
		0 => [ 'time numeric, metric text, value double precision', '1767225600' ],
		1 => [ $timestamps, '2026-01-01 00:00:00+00' ]);
	for my $timescaledb (0, 1)
	{
		my ($types, $first) = @{ $expected{$timescaledb} };
		for my $group ("\$__timeGroupAlias(ts, '5m'$fill),", "\$__timeGroup(ts,'5m'$fill),", "\$__timeGroup(ts, 5m$fill) AS \"time\",")
		{
			my @rows = is_graph("$group timescaledb $timescaledb",
				"SELECT $group labels->>'instance' AS metric, avg(value) AS value"
				  . " FROM tsdb.samples('node_load1', \$__timeFrom(), \$__timeTo()) GROUP BY 1, 2 ORDER BY 1, 2",
				$types, 24, timescaledb => $timescaledb);
			is($rows[0][0], $first, "$group timescaledb $timescaledb: the first bucket");
		}
	}
}
@rows = is_graph('__timeGroup of a week', <<'END', 'time timestamp with time zone, value bigint', 1, timescaledb => 1);
SELECT $__timeGroupAlias(ts, 1w), count(*) AS value
  FROM tsdb.samples('node_load1', $__timeFrom(), $__timeTo()) GROUP BY 1 ORDER BY 1
END
is($rows[0][0], '2025-12-29 00:00:00+00', 'a week begins on Monday');

# Columns that count seconds or nanoseconds.
my $epochs = q{(SELECT extract(epoch FROM ts)::bigint AS s, extract(epoch FROM ts)::bigint * 1000000000 AS ns, value
                  FROM tsdb.samples('requests_total', '-infinity', 'infinity')) x};
my $integers = 'time bigint, value double precision';
is_graph('__unixEpochFilter', "SELECT s AS time, value FROM $epochs WHERE \$__unixEpochFilter(s) ORDER BY 1", $integers, 240);
is_graph('__unixEpochFrom and To',
	"SELECT s AS time, value FROM $epochs WHERE s > \$__unixEpochFrom() AND s <= \$__unixEpochTo() ORDER BY 1", $integers, 239);
is_graph('__unixEpochNanoFilter', "SELECT s AS time, value FROM $epochs WHERE \$__unixEpochNanoFilter(ns) ORDER BY 1", $integers, 240);
is_graph('__unixEpochNanoFrom and To',
	"SELECT s AS time, value FROM $epochs WHERE ns > \$__unixEpochNanoFrom() AND ns < \$__unixEpochNanoTo() ORDER BY 1", $integers, 239);
for my $fill ('', ', NULL', ', previous', ', 0')
{
	for my $group ("\$__unixEpochGroupAlias(s, '10m'$fill)", "\$__unixEpochGroup(s, '10m'$fill) AS \"time\"")
	{
		is_graph($group, "SELECT $group, max(value) AS value FROM $epochs GROUP BY 1 ORDER BY 1",
			'time double precision, value double precision', 7);
	}
}

# Several value columns are several series; a table panel, a variable and annotations have no rules but types that Grafana knows.
is_graph('wide', <<'END', 'time timestamp with time zone, requests double precision, load double precision', 59);
SELECT r.ts AS time, r.value AS requests, l.value AS load
  FROM tsdb.promql('sum(rate(requests_total[5m]))', $__timeFrom(), $__timeTo(), '1m') r
  JOIN tsdb.promql('sum(node_load1)', $__timeFrom(), $__timeTo(), '1m') l USING (ts) ORDER BY 1
END
is(types(q{SELECT * FROM tsdb.promql('node_load1')}),
	'labels jsonb, ts timestamp with time zone, value double precision', 'columns of a table');
my $variable = expand(q{SELECT DISTINCT labels->>'instance' FROM tsdb.promql('node_load1', $__timeTo()) ORDER BY 1});
is_deeply([ answers($variable) ], [ ['a'], ['b'] ], 'a variable');
my $annotations = expand(<<'END');
SELECT at AS time, rule_name || ' ' || new_state AS text, labels->>'severity' AS tags FROM alert_events WHERE $__timeFilter(at)
END
is(types($annotations), 'time timestamp with time zone, text text, tags text', 'annotations');
is_deeply([ answers($annotations) ], [], 'no annotation yet');

# More than one statement in a message, the last of which is the answer.
@rows = answers(expand(<<'END'));
SET TIME ZONE 'UTC'; SELECT 1; SELECT ts, value FROM tsdb.promql('sum(requests_total)', $__timeTo()); SELECT count(*) FROM targets
END
is_deeply(\@rows, [ ['1'], [ '2026-01-01 00:59:59.5+00', '717' ], ['1'] ], 'several statements');

# The query builder: which tables there are, without a schema where the search path has it, and their columns.
my $on_path = q{quote_ident(table_schema) IN (SELECT trim(s) FROM unnest(string_to_array(current_setting('search_path'), ',')) s)};
my %tables = map { $_->[0] => 1 } answers(qq{SELECT CASE WHEN $on_path THEN quote_ident(table_name)
	ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END FROM information_schema.tables
	WHERE table_schema NOT IN ('information_schema', 'pg_catalog')});
ok($tables{$_}, "the query builder finds $_") for qw(alerts alert_events alert_rules targets worker_status rule_status);
ok(!$tables{$_}, "and does not find $_") for qw(head chunks series);
is_deeply([ answers(qq{SELECT quote_ident(column_name), data_type FROM information_schema.columns
	WHERE table_name = 'alerts' AND $on_path AND column_name IN ('labels', 'value', 'active_at', 'state') ORDER BY 1}) ],
	[ [ 'active_at', 'timestamp with time zone' ], [ 'labels', 'jsonb' ], [ 'state', 'text' ], [ 'value', 'double precision' ] ],
	'columns of alerts');
is_deeply([ answers('SELECT address, health FROM targets') ], [ [ 'a:9100', 'paused' ] ], 'targets');
is_deeply([ answers('SELECT rule_name FROM alert_rules') ], [['LoadHigh']], 'alert_rules');
is_deeply([ answers(q{SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'}) ], [], 'no TimescaleDB is claimed');

# It can do no more than read, and only what it may read.
like(($node->psql('postgres', q{SELECT tsdb.push_text('x 1')}, connstr => $connstr))[2], qr/permission denied/, 'no writing');
like(($node->psql('postgres', q{INSERT INTO tsdb.receivers (receiver_name) VALUES ('x')}, connstr => $connstr))[2],
	qr/read-only transaction/, 'no configuration');
like(($node->psql('postgres', q{SET pgtsdb.tenant = 'other'; SELECT * FROM tsdb.promql('up')}, connstr => $connstr))[2],
	qr/may not read tenant "other"/, 'no other tenant');

done_testing();
