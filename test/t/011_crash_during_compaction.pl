# Compaction that is ended at any moment leaves each sample exactly once, whether it had become part of a chunk or not.
# In the first round it is ended while it waits, half through a group, for somebody who has locked a row; in the others at
# a random moment, which may also be before or after it.
#
# PGTSDB_CRASH_ROUNDS sets the number of rounds, PGTSDB_CRASH_SERIES that of series, PGTSDB_CRASH_SCRAPES that of samples that each
# gets in a round.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);

my $rounds = $ENV{PGTSDB_CRASH_ROUNDS} // 5;
my $targets = 12;
my $series = 20;		# of each target
my $scrapes = $ENV{PGTSDB_CRASH_SCRAPES} // 240;		# of each round, 30 s apart: two hours
($targets, $series) = (int($ENV{PGTSDB_CRASH_SERIES} / 500) + 1, 500) if $ENV{PGTSDB_CRASH_SERIES};
my $epoch = 1_700_000_000_000;

my $node = pgtsdb_node('compaction', settings => "max_wal_size = '4GB'\n");

sub write_round
{
	my ($round) = @_;
	my $start = $epoch + $round * $scrapes * 30_000;
	for my $target (1 .. $targets)
	{
		my @series = map {
			my $n = $_;
			{
				labels => { __name__ => 'kept_total', job => 'compaction', instance => "target-$target", n => $n },
				samples => [ map { [ $start + $_ * 30_000, $_ * $n + $round ] } 0 .. $scrapes - 1 ]
			}
		} 1 .. $series;
		$node->safe_psql('postgres', remote_write_sql(@series));
	}
	return;
}

# What is stored, in three numbers: samples, different samples, and a sum over labels, times and values.
my $fingerprint = q{
	SELECT count(*), count(DISTINCT hash), sum(hash)
	  FROM tsdb.samples('{__name__="kept_total"}', '-infinity', 'infinity') s,
		   hashtextextended(s.labels::text || extract(epoch FROM s.ts) || ' ' || s.value, 0) hash};

# A session that keeps the last head row of the group in the middle, and so stops compaction there.
sub lock_a_row
{
	my $locker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{
		BEGIN;
		SELECT FROM tsdb.head WHERE group_id = (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY group_id) FROM tsdb.head)
		 ORDER BY ts DESC LIMIT 1 FOR UPDATE;
		SELECT pg_sleep(120)} ], '>', \my $output, '2>', \my $errors);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'})
		or BAIL_OUT('no row was locked');
	return $locker;
}

my $duration = 0.2;		# of a compaction, as the round before took it
for my $round (1 .. $rounds)
{
	write_round($round);
	my $before = $node->safe_psql('postgres', $fingerprint);
	my $samples = $round * $targets * $series * $scrapes;
	like($before, qr/^$samples\|$samples\|/, "round $round: $samples samples, each once, before compaction");

	my $locker = $round == 1 ? lock_a_row() : undef;
	my $errors;
	my $compaction = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL tsdb.compact()' ], '>', \my $output, '2>', \$errors);
	if ($locker)
	{
		$node->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^CALL' AND wait_event_type = 'Lock'}) or BAIL_OUT('no wait');
	}
	else
	{
		sleep(rand($duration));
	}
	if ($round % 2)
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		$node->kill9;
		start_again($node);
	}
	$compaction->finish;
	$locker->finish if $locker;
	like($errors, qr/connection|terminating/, 'compaction was interrupted') if $locker;

	my $chunks = $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks');
	# at least: compaction commits without waiting for the disk, so the crash may take the last groups back
	cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT group_id) FROM tsdb.head'), '>=', $targets / 2 + 1,
		'half of the groups are left to do') if $locker;
	is($node->safe_psql('postgres', $fingerprint), $before, "round $round: the same after the crash ($chunks chunk rows)");
	my $began = time;
	$node->safe_psql('postgres', 'CALL tsdb.compact()');
	$duration = time - $began;
	is($node->safe_psql('postgres', $fingerprint), $before, "round $round: the same after the compaction that followed");
}

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks'), '>', 0, 'samples did become chunks');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'and no head rows are left of closed windows');

done_testing();
