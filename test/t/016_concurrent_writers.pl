# Writers do not fail because of each other, and what they all wrote is there: when none of the tables exist, when they
# make the same series in opposite order, and when they write parts of one row.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $node = pgtsdb_node('writers');

sub write_file
{
	my ($name, $content) = @_;
	my $file = "${PostgreSQL::Test::Utils::tmp_check}/$name";
	PostgreSQL::Test::Utils::append_to_file($file, $content);
	return $file;
}

# pgbench fails when any statement of any client does.
sub all_at_once
{
	my ($what, $clients, $transactions, $script, %vars) = @_;
	my @vars = map { ('-D', "$_=$vars{$_}") } sort keys %vars;
	$node->command_ok(
		[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-M', 'simple', @vars,
			'-f', write_file("$what.pgbench" =~ s/ /_/gr, $script), 'postgres' ],
		"$what: nobody fails");
	return;
}

sub count_of { return $node->safe_psql('postgres', "SELECT count(*) $_[0]") }

sub samples_of { return count_of("FROM tsdb.samples('{__name__=~\"$_[0]\"}', '2000-01-01', '2100-01-01')") }

# The clock of all clients: no two samples of a series at one time.
$node->safe_psql('postgres', 'CREATE SEQUENCE ticks START 1700000000 INCREMENT 15 CACHE 1');

# Everybody is first.
for my $round (1 .. 5)
{
	$node->safe_psql('postgres', 'SELECT tsdb.drop_storage()');
	all_at_once("first write $round", 8, 1, <<'END');
SELECT tsdb.push_text('first_write 1', '{"job": "first"}', to_timestamp(nextval('ticks')));
END
	is(count_of("FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'first_write'"), 1, "first write $round: one series");
	is(samples_of('first_write'), 8, "first write $round: all samples");
}

# New series in any order, in transactions of several requests; many of them already made by somebody else.
all_at_once('same series', 8, 30, <<'END');
\set salt random(1, 1000000)
BEGIN;
SELECT tsdb.push_text(string_agg(format('same{n="%s"} 1', (n * 7919 + :salt) % 200), E'\n') || E'\n', '{"job": "same"}', to_timestamp(nextval('ticks')))
  FROM generate_series(1, 20) n;
SELECT tsdb.push_text(string_agg(format('same{n="%s"} 1', (n * 104729 + :salt) % 200), E'\n') || E'\n', '{"job": "same"}', to_timestamp(nextval('ticks')))
  FROM generate_series(1, 20) n;
COMMIT;
END
is(count_of("FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'same'"), 200, 'same series: each once');
is(count_of("FROM (SELECT 1 FROM tsdb.series GROUP BY part, group_id, col HAVING count(*) > 1) t"), 0, 'same series: no column twice');
is(count_of("FROM tsdb.series_groups g WHERE n_columns <> (SELECT count(*) FROM tsdb.series s WHERE s.group_id = g.group_id)"), 0,
	'same series: groups know their columns');
is(samples_of('same'), 8 * 30 * 2 * 20, 'same series: all samples');

# Some transactions roll back.
$node->safe_psql('postgres', 'CREATE TABLE committed (client int)');
all_at_once('rolled back', 8, 30, <<'END');
\set salt random(1, 1000000)
\set outcome random(0, 1)
BEGIN;
SELECT tsdb.push_text(string_agg(format('maybe{n="%s"} 1', (n * 7919 + :salt) % 400), E'\n') || E'\n', '{"job": "maybe"}', to_timestamp(nextval('ticks')))
  FROM generate_series(1, 20) n;
\if :outcome
INSERT INTO committed VALUES (:client_id);
COMMIT;
\else
ROLLBACK;
\endif
END
is(samples_of('maybe'), 20 * count_of('FROM committed'), 'rolled back: the samples of those that committed');
is(count_of("FROM (SELECT labels FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'maybe' GROUP BY labels HAVING count(*) > 1) t"), 0, 'rolled back: each series once');

# Fragments of one scrape, each by another client, at the same times: rows of one group and time meet, none is lost.
$node->safe_psql('postgres', q{SELECT tsdb.push_text(string_agg(format('shard{client="%s",n="%s"} 0', c, n), E'\n') || E'\n',
	'{"job": "shard"}', to_timestamp(1600000000)) FROM generate_series(0, 7) c, generate_series(1, 10) n});
for my $cold (0, 1)
{
	# After a restart the counter that keeps the rows apart begins somewhere else.
	$node->restart if $cold;
	all_at_once("fragments $cold", 8, 50, <<'END', from => 1_600_000_015 + $cold * 1000);
\set tick :from + 15 * random(0, 49)
SELECT tsdb.push_text(string_agg(format('shard{client="%s",n="%s"} 1', :client_id, n), E'\n') || E'\n', '{"job": "shard"}',
                      to_timestamp(:tick)) FROM generate_series(1, 10) n;
END
}
is(count_of("FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'shard'"), 80, 'fragments: no new series');
is(count_of("FROM (SELECT DISTINCT group_id FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'shard') t"), 1, 'fragments: one group');
my $rows = count_of("FROM tsdb.head JOIN tsdb.series USING (part, group_id) WHERE labels OPERATOR(tsdb.->>) '__name__' = 'shard' AND col = 0");
cmp_ok($rows, '>', 100, 'fragments: rows met');
is(samples_of('shard') % 10, 0, 'fragments: each is there as a whole');

# What was written once is not written again by somebody else.
my $before = samples_of('shard');
all_at_once('again', 4, 20, <<'END');
SELECT tsdb.push_text(string_agg(format('shard{client="%s",n="%s"} 1', c, n), E'\n') || E'\n', '{"job": "shard"}', to_timestamp(1600000000))
  FROM generate_series(0, 7) c, generate_series(1, 10) n;
END
is(samples_of('shard'), $before, 'again: no sample twice');

$node->stop;
done_testing();
