# What is expired goes, and nothing else: a partition while readers run, after the one that holds a lock has ended; series
# without samples while somebody writes the same series; after a crash in the middle of either.
#
# PGTSDB_CRASH_ROUNDS sets the number of crashes.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);

my $rounds = $ENV{PGTSDB_CRASH_ROUNDS} // 4;
my $day = 86_400_000;
my $midnight = int(time / 86_400) * $day;

my $node = pgtsdb_node('retention', workers => 1, settings => <<'END');
pgtsdb.compaction_interval = '100ms'
pgtsdb.compaction_delay = 0
pgtsdb.empty_series_age = 0
pgtsdb.worker_restart_interval = '100ms'
END

# Half an hour of samples of these jobs, `days` ago; the next call has the half-hour after it.
my $half_hours = 0;
sub load
{
	my ($days, @jobs) = @_;
	my $start = $midnight - $days * $day + $half_hours++ % 24 * 1_800_000;
	return $node->safe_psql('postgres', remote_write_sql(map {
		{
			labels => { __name__ => 'stored', job => $_ },
			samples => [ map { [ $start + $_ * 15_000, $_ ] } 0 .. 119 ]
		}
	} @jobs));
}

sub value { return $node->safe_psql('postgres', $_[0]); }

# Also when the server is just coming up.
sub becomes
{
	my ($query, $expected, $what) = @_;
	wait_until($what, 30, sub { (psql_if_it_answers($node, $query) // '') eq $expected })
		or diag("$query: ", psql_if_it_answers($node, $query));
	return;
}

my $count = q{SELECT count(*) FROM tsdb.samples('stored', '-infinity', 'infinity')};
my $series = q{SELECT string_agg(labels::jsonb ->> 'job', ' ' ORDER BY labels::jsonb ->> 'job') FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'stored'};

# ---- a partition goes, although somebody reads ----

load(10, 'old');
load(1, 'new');
becomes('SELECT count(*) FROM tsdb.head', '0', 'all is compacted');
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; $count");
$node->safe_psql('postgres', q{INSERT INTO tsdb.retention_policies (retention) VALUES ('5 days')});
becomes(q{SELECT errors > 1 AND last_error ~ 'lock timeout' FROM tsdb.worker_status WHERE worker = 'compactor'}, 't',
	'the compactor tells that it could not, and tries again');
my $slowest = 0;
for (1 .. 20)
{
	my $began = time;
	is(value($count), 240, "reader $_ sees all") if $_ == 1;
	value($count);
	$slowest = time - $began if time - $began > $slowest;
}
cmp_ok($slowest, '<', 2, 'readers go on meanwhile');
load(1, 'new');
$holder->query_safe('COMMIT');
becomes($count, '240', 'the partition is dropped when the lock is free');
becomes($series, 'new', 'the series without samples is removed');
becomes(q{SELECT count(*) FROM tsdb.series_groups}, '1', 'and its group');
is($holder->query_safe($count), 240, 'whoever read before sees the same');
$holder->quit;

# what is new is compacted into the class of the policy, for which partitions are made ahead
load(1, 'new');
becomes(q{SELECT count(*) > 0 FROM tsdb.chunks WHERE class > 0}, 't', 'chunks of the class of the policy');
becomes(q{SELECT bool_or(pg_get_expr(relpartbound, oid) ~ format('FROM \(''0'', ''1'', ''%s''\)', (extract(epoch FROM date_trunc('day', now())) * 1000)::bigint + 86400000))
	FROM pg_class WHERE relispartition AND relkind = 'r'}, 't', 'a partition for tomorrow');

# ---- series go, although somebody writes them ----

my $n_series = 120;
my @jobs = map { "written-$_" } 1 .. $n_series;
load(1, @jobs);
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('stored{job=~"written-.*"}', '-infinity', 'infinity')});
my @removers = map {
	my $file = PostgreSQL::Test::Utils::tempdir() . "/remove.sql";
	append_to_file($file, "CALL tsdb.apply_retention();\n" x 60);
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ], '>', \my $out, '2>', \my $err)
} 1 .. 2;
my @writers = map {
	my $writer = $_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/write.sql";
	srand($writer);
	append_to_file($file, remote_write_sql({
		labels => { __name__ => 'stored', job => $_ },
		samples => [ [ $midnight - $day + $writer * 1000, $writer ] ]
	}) . ";\n") for sort { rand() <=> 0.5 } @jobs;
	IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \my $out, '2>', \my $err)
} 1 .. 3;
ok($_->finish, 'a writer got through') for @writers;
$_->finish for @removers;
is(value(q{SELECT count(*) || ' ' || count(DISTINCT labels) || ' ' || sum(value)
	FROM tsdb.samples('stored{job=~"written-.*"}', '-infinity', 'infinity')}),
	3 * $n_series . " $n_series " . 6 * $n_series, 'each sample is there, once');
is(value(q{SELECT count(*) - count(DISTINCT labels) FROM tsdb.series WHERE gone_at IS NULL}), 0, 'no series lives twice');
cmp_ok(value(q{SELECT max(group_id) FROM tsdb.series_groups}), '>', $n_series + 1, 'some were removed and made anew');
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('stored{job=~"written-.*"}')});

# ---- what is deleted gives its space back ----

my $other = q{SELECT count(*), sum(hashtextextended(labels::text || ts || value, 0)) FROM tsdb.samples('sized{half="1"}', '-infinity', 'infinity')};
my $size = q{SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = 'tsdb'::regnamespace};
my $before = value($size);
# as many pages as there are series and half-hours, since random numbers do not compress
$node->safe_psql('postgres', qq{SELECT count(tsdb.push_text(
	(SELECT string_agg(format(E'sized{n="%s",half="%s"} %s\n', n, n % 2, i * random()), '') FROM generate_series(1, 60) n),
	'{}', to_timestamp($midnight / 1000) - interval '1 day' + i * interval '15 s')) FROM generate_series(0, 1919) i});
becomes('SELECT count(*) FROM tsdb.head', '0', 'all is compacted');
my $all = value($other);
my $full = value($size) - $before;
cmp_ok($full, '>', 80 * 8192, 'there is something to give back');
is(value(q{SELECT tsdb.delete_series('sized{half="0"}')}), 30, 'half of the series is deleted');
becomes("SELECT ($size) - $before < $full * 0.65", 't', 'half of the space is given back');
is(value($other), $all, 'the other half of the samples is there');
is(value(q{SELECT tsdb.delete_series('sized', '-infinity', 'infinity')}), 30, 'all samples are deleted');
becomes("SELECT ($size) - $before < 20 * 8192", 't', 'all of the space is given back');

# ---- a crash in the middle ----

my $kept = value($count);
for my $round (1 .. $rounds)
{
	load($_, map { "expired-$round-$_" } 1 .. 20) for 3 .. 4;
	becomes('SELECT count(*) FROM tsdb.head', '0', "round $round: all is compacted");
	$node->safe_psql('postgres', q{UPDATE tsdb.retention_policies SET retention = '36 hours'});
	sleep(rand(0.4));
	$node->kill9;
	start_again($node);
	becomes($series, 'new', "round $round: after a crash the rest goes");
	is(value($count), $kept, "round $round: and nothing else");
	$node->safe_psql('postgres', q{UPDATE tsdb.retention_policies SET retention = '5 days'});
}
$node->restart;
is(value($count), $kept, 'the same after a restart');
is(value(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'tsdb'::regnamespace AND relname ~ '^chunks_' AND relkind = 'r' AND NOT relispartition}),
	0, 'no partition is left beside the table');

done_testing();
