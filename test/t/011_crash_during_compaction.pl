# Compaction that is ended at any moment leaves each sample exactly once, whether it had become part of a chunk or not.
#
# PGTSDB_CRASH_ROUNDS sets the number of rounds.
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
my $scrapes = 240;		# of each round, 30 s apart: two hours
my $epoch = 1_700_000_000_000;

my $node = pgtsdb_node('compaction');

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

my $duration = 0.2;		# of a compaction, as the round before took it
my $interrupted = 0;
for my $round (1 .. $rounds)
{
	write_round($round);
	my $before = $node->safe_psql('postgres', $fingerprint);
	my $samples = $round * $targets * $series * $scrapes;
	like($before, qr/^$samples\|$samples\|/, "round $round: $samples samples, each once, before compaction");

	my $errors;
	my $compaction = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL tsdb.compact()' ], '>', \my $output, '2>', \$errors);
	sleep(rand($duration));
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
	$interrupted++ if $errors =~ /connection|terminating/;

	my $chunks = $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks');
	is($node->safe_psql('postgres', $fingerprint), $before, "round $round: the same after the crash ($chunks chunk rows)");
	my $began = time;
	$node->safe_psql('postgres', 'CALL tsdb.compact()');
	$duration = time - $began;
	is($node->safe_psql('postgres', $fingerprint), $before, "round $round: the same after the compaction that followed");
}

cmp_ok($interrupted, '>', 0, "compaction was interrupted in $interrupted of $rounds rounds");
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks'), '>', 0, 'samples did become chunks');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'and no head rows are left of closed windows');

done_testing();
