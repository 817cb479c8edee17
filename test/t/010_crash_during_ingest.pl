# What remote write acknowledged is there after a crash, whole, and what it did not acknowledge is there whole or not at
# all.  Several senders write while the server is ended at a random moment in one of three ways.
#
# PGTSDB_CRASH_ROUNDS sets the number of rounds.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);

my $rounds = $ENV{PGTSDB_CRASH_ROUNDS} // 5;
my $senders = 3;
my $series = 40;		# of each sender
my $calls = 2000;		# more than a sender gets done
my $epoch = 1_700_000_000_000;

# A call is acknowledged when its commit is on disk, as it is in production.
my $node = pgtsdb_node('ingest', settings => "fsync = on\n");

# The statements of one sender in one round; each call brings one sample of each of its series, and says so once it is
# acknowledged.  The value is the number of the call.
sub write_sender_script
{
	my ($path, $round, $sender) = @_;
	open(my $file, '>', $path) or die "$path: $!";
	for my $call (1 .. $calls)
	{
		my @series = map {
			{
				labels => { __name__ => 'crash_total', round => $round, sender => $sender, n => $_ },
				samples => [ [ $epoch + $call * 1000, $call ] ]
			}
		} 1 .. $series;
		print $file remote_write_sql(@series), ";\n\\echo acknowledged $call\n";
	}
	close $file;
	return;
}

my %crash = (
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start; },
	'kill -9 of the postmaster' => sub { $node->kill9; start_again($node); },
	'kill -9 of a sender\'s backend' => sub {
		my $pid = $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sender%' ORDER BY random() LIMIT 1});
		kill 9, $pid if $pid;
		usleep(100_000);
		answers_again($node);
	});
my @ways = sort keys %crash;

# The last call that a sender's output acknowledges.
sub last_acknowledged
{
	my ($output) = @_;
	my @numbers = $output =~ /^acknowledged (\d+)$/mg;
	return @numbers ? $numbers[-1] : 0;
}

my $folder = PostgreSQL::Test::Utils::tempdir();
for my $round (1 .. $rounds)
{
	my $way = $ways[ ($round - 1) % @ways ];
	my (@runs, @output);
	for my $sender (1 .. $senders)
	{
		my $script = "$folder/$round-$sender.sql";
		write_sender_script($script, $round, $sender);
		my $conninfo = $node->connstr('postgres') . " application_name=sender$sender";
		$output[$sender] = '';
		push @runs, IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $conninfo, '-f', $script ],
			'>', \$output[$sender], '2>', \my $errors);
	}
	usleep(200_000 + rand(1_000_000));
	$crash{$way}->();
	$_->finish for @runs;

	my $sum = 0;
	for my $sender (1 .. $senders)
	{
		my $last = last_acknowledged($output[$sender]);
		my $selector = qq({__name__="crash_total",round="$round",sender="$sender"});
		# per call: how many samples are there, and do they carry its number
		my $calls_found = $node->safe_psql(
			'postgres', qq{
			SELECT count(*) FILTER (WHERE samples = $series AND right_value AND distinct_series = $series),
				   count(*) FILTER (WHERE NOT (samples = $series AND right_value AND distinct_series = $series)),
				   count(*) FILTER (WHERE call <= $last)
			  FROM (SELECT (extract(epoch FROM ts) * 1000 - $epoch) / 1000 AS call, count(*) AS samples,
						   count(DISTINCT labels) AS distinct_series,
						   bool_and(value = (extract(epoch FROM ts) * 1000 - $epoch) / 1000) AS right_value
					  FROM tsdb.samples('$selector', '-infinity', 'infinity') GROUP BY 1) c});
		my ($whole, $broken, $kept) = split /\|/, $calls_found;
		is($kept, $last, "round $round ($way), sender $sender: all $last acknowledged calls are there");
		is($broken, 0, "round $round, sender $sender: no call is there in part");
		cmp_ok($whole, '<=', $last + 1, "round $round, sender $sender: nothing but the call under way came on top");
		$sum += $last;
	}
	cmp_ok($sum, '>', 0, "round $round: there was something to lose ($sum calls)");
}

done_testing();
