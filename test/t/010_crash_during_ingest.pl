# What remote write acknowledged is there after a crash, whole, and what it did not acknowledge is there whole or not at
# all; queries are answered, and the same series are written again.  Several senders write while the server is ended at a random
# moment in one of four ways.
#
# PGTSDB_CRASH_ROUNDS sets the number of rounds, PGTSDB_CRASH_SERIES that of all series, PGTSDB_CRASH_SECONDS for how long at
# most the senders write before the end.
use strict;
use warnings;
use List::Util qw(min);
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(label_bytes remote_write_sql);

my $rounds = $ENV{PGTSDB_CRASH_ROUNDS} // 5;
my $seconds = $ENV{PGTSDB_CRASH_SECONDS} // 1.2;
my $senders = 3;
my $series = int(($ENV{PGTSDB_CRASH_SERIES} // 120) / $senders);		# of each sender
my $batch = min($series, 2000);		# of one call
my $batches = int($series / $batch);
my $calls = 2000;		# more than a sender gets done
my $epoch = 1_700_000_000;

# A call is acknowledged when its commit is on disk, as it is in production.
my $node = pgtsdb_node('ingest', settings => <<"END");
fsync = on
max_wal_size = '4GB'
pgtsdb.max_series = @{[ $series * $senders + 1000 ]}
END

# The calls of one sender in one round, written down while psql runs them.  Each brings one sample of each series of a batch,
# at a time that no other has, and says so once it is acknowledged.  The value is the time.
sub send_calls
{
	my ($pipe, $round, $sender) = @_;
	my (@labels, $call);
	local $SIG{PIPE} = 'IGNORE';
	for $call (1 .. $calls)
	{
		my $first = ($call - 1) % $batches * $batch;
		my $second = ($round * $calls + $call);
		my @series = map {
			{
				label_bytes => $labels[$_] //=
					label_bytes({ __name__ => 'crash_total', sender => $sender, n => $_, job => int($_ / 500) }),
				samples => [ [ ($epoch + $second) * 1000, $second ] ]
			}
		} $first .. $first + $batch - 1;
		print $pipe remote_write_sql(@series), ";\n\\echo acknowledged $second\n" or last;
	}
	close $pipe;
	return;
}

# Starts a process that writes the calls down, and a psql that reads them from it.
sub start_sender
{
	my ($round, $sender) = @_;
	my $output = PostgreSQL::Test::Utils::tempdir() . '/output';
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $conninfo = $node->connstr('postgres') . " application_name=sender$sender";
		open(STDOUT, '>', $output) and open(STDERR, '>', "$output.errors") or POSIX::_exit(1);
		open(my $pipe, '|-', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $conninfo) or POSIX::_exit(1);
		send_calls($pipe, $round, $sender);
		POSIX::_exit(0);
	}
	return { pid => $pid, output => $output };
}

my %crash = (
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start; },
	'kill -9 of the postmaster' => sub { $node->kill9; start_again($node); },
	'kill -9 of all processes' => sub { kill_all($node); start_again($node); },
	'kill -9 of a sender\'s backend' => sub {
		my $pid = $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sender%' ORDER BY random() LIMIT 1});
		kill 9, $pid if $pid;
		usleep(100_000);
		answers_again($node);
	});
my @ways = sort keys %crash;

# The last call that a sender's output acknowledges, or the one before the first.
sub last_acknowledged
{
	my ($output, $before) = @_;
	my @numbers = slurp_file($output) =~ /^acknowledged (\d+)$/mg;
	return @numbers ? $numbers[-1] : $before;
}

# Per call of a sender in a round: how many samples are there, and do they carry its number.
sub check_calls
{
	my ($name, $sender, $from, $last) = @_;
	my $found = $node->safe_psql(
		'postgres', qq{
		SELECT count(*) FILTER (WHERE samples = $batch AND right_value AND distinct_series = $batch),
			   count(*) FILTER (WHERE NOT (samples = $batch AND right_value AND distinct_series = $batch)),
			   count(*) FILTER (WHERE call <= $last)
		  FROM (SELECT extract(epoch FROM ts) - $epoch AS call, count(*) AS samples,
					   count(DISTINCT labels) AS distinct_series, bool_and(value = extract(epoch FROM ts) - $epoch) AS right_value
				  FROM tsdb.samples('crash_total{sender="$sender"}',
									to_timestamp($epoch + $from), to_timestamp($epoch + $from + $calls)) GROUP BY 1) c});
	my ($whole, $broken, $kept) = split /\|/, $found;
	my $acknowledged = $last - $from;
	is($kept, $acknowledged, "$name, sender $sender: all $acknowledged acknowledged calls are there");
	is($broken, 0, "$name, sender $sender: no call is there in part");
	cmp_ok($whole, '<=', $acknowledged + 1, "$name, sender $sender: nothing but the call under way came on top");
	return $acknowledged;
}

# Queries, and writes of series that were there and of one that was not.
sub check_service
{
	my ($name, $round, $since) = @_;
	my $at = $epoch + ($round + 1) * $calls;
	my $answer = $node->safe_psql('postgres', qq{SELECT count(*) FROM tsdb.promql('crash_total{n="0"}[1w]', to_timestamp($at))});
	my $query = time - $since;
	cmp_ok($answer, '>', 0, "$name: queries are answered");
	is($node->safe_psql('postgres', remote_write_sql(
			map { { labels => { __name__ => $_, job => 'again' }, samples => [ [ $at * 1000, $round ] ] } } 'known', "new_$round")),
		2, "$name: and samples taken");
	note(sprintf '%s: a query after %.1f s, an acknowledged write after %.1f s', $name, $query, time - $since);
	is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT labels) FROM tsdb.series}), 0,
		"$name: no series was made twice");
	return;
}

my @last;
for my $round (1 .. $rounds)
{
	my $way = $ways[ ($round - 1) % @ways ];
	my $name = "round $round ($way)";
	my @runs = map { start_sender($round, $_) } 1 .. $senders;
	usleep(1e6 * ($seconds / 6 + rand($seconds * 5 / 6)));
	$crash{$way}->();
	check_service($name, $round, time);
	waitpid($_->{pid}, 0) for @runs;

	my $sum = 0;
	for my $sender (1 .. $senders)
	{
		my $from = $round * $calls;
		$last[$round][$sender] = last_acknowledged($runs[ $sender - 1 ]{output}, $from);
		$sum += check_calls($name, $sender, $from, $last[$round][$sender]);
	}
	cmp_ok($sum, '>', 0, "round $round: there was something to lose ($sum calls)");
}

# What came through the first crash came through the others.
check_calls('round 1, in the end', $_, $calls, $last[1][$_]) for 1 .. $senders;
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'known'}), 1, 'series outlive crashes');

done_testing();
