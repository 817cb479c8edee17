# Two replicas send the same series through the gateway, each in two shards; one is stored.  Whichever of them is killed, and
# while the server crashes, no series has a gap, and none has samples of both but for the moment of a change.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_v2_body);

my $interval = 200;		# milliseconds between scrapes; b scrapes in the middle between those of a
my %value = (a => 1, b => 2);

my $node = pgtsdb_node('replicas');
Pgtsdb::Gateway::make_roles($node);
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.replica_pairs (failover_timeout, overlap) VALUES ('1500 ms', '1 second')});
my $gateway = Pgtsdb::Gateway->start($node);

my %senders;

# A process for each shard.  Like Prometheus it leaves no scrape out, and repeats what was not accepted.
sub start_replica
{
	my ($replica) = @_;
	for my $shard (1, 2)
	{
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			$SIG{TERM} = 'DEFAULT';
			send_shard($replica, $shard);
		}
		push @{ $senders{$replica} }, $pid;
	}
	return;
}

sub send_shard
{
	my ($replica, $shard) = @_;
	my $t = (int(time() * 1000 / $interval) + 1) * $interval + ($replica eq 'b' ? $interval / 2 : 0);
	while (1)
	{
		my $wait = $t - time() * 1000;
		usleep($wait * 1000) if $wait > 0;
		my @series = map {
			{ labels => { __name__ => 'm', i => "$shard.$_", job => 'node', cluster => 'east', __replica__ => $replica },
				samples => [ [ $t, $value{$replica} ] ] } } 1 .. 5;
		usleep(50_000) until $gateway->write(\@series)->{status} == 204;
		$t += $interval;
	}
}

sub kill_replica
{
	my ($replica) = @_;
	my @pids = @{ delete $senders{$replica} // [] };
	kill 'KILL', @pids;
	waitpid $_, 0 for @pids;
	return;
}

END
{
	my $status = $?;
	kill_replica($_) for keys %senders;
	$? = $status;
}

sub elected
{
	my $replica = psql_if_it_answers($node, q{SELECT replica FROM tsdb.replica_elections});
	chomp $replica;
	return $replica;
}

# ---- both are there ----

start_replica('a');
wait_until('the first one is elected', 10, sub { elected() eq 'a' });
start_replica('b');
sleep 3;
is(elected(), 'a', 'it stays elected while both send');
is($node->safe_psql('postgres', q{SELECT count(*), min(value), max(value) FROM tsdb.samples('m', '-infinity', 'infinity') WHERE value <> 1}),
	'0||', 'and is the only one whose samples are stored');
my $held = $node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.held_writes});
cmp_ok($held, '>', 0, 'what the other one sends is held');
cmp_ok($held, '<', 80, 'and dropped when the elected one has come past it');

# ---- one is killed, and comes back ----

kill_replica('a');
wait_until('when it is killed the other one is elected', 20, sub { elected() eq 'b' });
sleep 1;
start_replica('a');
sleep 3;
is(elected(), 'b', 'one that comes back does not take over');

# ---- the server crashes ----

kill_all($node);
sleep 1;
start_again($node);
wait_until('after a crash of the server one is elected as before', 20, sub { elected() =~ /^[ab]$/ });
sleep 3;

# ---- and the other is killed ----

my $survivor = elected() eq 'b' ? 'a' : 'b';
kill_replica(elected());
wait_until('when the next one is killed the first is elected again', 20, sub { elected() eq $survivor });
sleep 2;

# ---- every sample is counted ----

kill_replica($survivor);
my $changes = $node->safe_psql('postgres', q{SELECT elections - 1 FROM tsdb.replica_elections});
cmp_ok($changes, '>=', 2, 'replicas were elected anew');
my %samples;
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT labels::text, (extract(epoch FROM ts) * 1000)::bigint, value FROM tsdb.samples('m', '-infinity', 'infinity') ORDER BY labels, ts}))
{
	my ($labels, $t, $value) = split /\|/;
	push @{ $samples{$labels} }, [ $t, $value ];
}
is(scalar(keys %samples), 10, 'all series are there');
is(scalar(grep { /__replica__/ } keys %samples), 0, 'none with the label of a replica');
my (%steps, @runs);
for my $series (values %samples)
{
	my $runs = 0;
	for my $i (1 .. $#$series)
	{
		my $same = $series->[$i][1] == $series->[$i - 1][1];
		$steps{($same ? 'within' : 'at a change') . ': ' . ($series->[$i][0] - $series->[$i - 1][0])}++;
		$runs++ unless $same;
	}
	push @runs, $runs;
}
is_deeply([ sort keys %steps ], [ 'at a change: ' . $interval / 2, "within: $interval" ],
	'every scrape of the elected replica is stored, and the next of the other one follows where it ends');
diag(explain(\%steps)) if keys %steps != 2;
is_deeply([ sort @runs ], [ ($changes) x 10 ], 'each series changes as often as replicas were elected');

is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.held_writes h JOIN tsdb.replica_elections e ON h.replica = e.replica}), 0,
	'nothing is held of the elected one');
# ---- what a sender is told of a request that is held ----

my $other = $survivor eq 'a' ? 'b' : 'a';
my %labels = (__name__ => 'm2', cluster => 'east', __replica__ => $other);
$node->safe_psql('postgres', q{UPDATE tsdb.replica_elections SET received_at = now() + interval '1 hour'});
my $answer = $gateway->post('/api/v1/write', remote_write_v2_body({ labels => \%labels, samples => [ [ int(time() * 1000), 1 ] ] }),
	%Pgtsdb::Gateway::WRITE_V2);
is($answer->{status}, 204, 'of version 2 as well it is accepted');
is($answer->{headers}{'x-prometheus-remote-write-samples-written'}, 1, 'and counts as written');
$answer = $gateway->post('/api/v1/write', 'no snappy', %Pgtsdb::Gateway::WRITE);
is($answer->{status}, 400, 'a body that is none is refused');
$node->safe_psql('postgres', q{UPDATE tsdb.replica_pairs SET max_held_bytes = 0});
$answer = $gateway->write([ { labels => \%labels, samples => [ [ int(time() * 1000), 1 ] ] } ]);
is($answer->{status}, 503, 'when too much is held the sender keeps it');
is($answer->{headers}{'retry-after'}, 1, 'and repeats');
$node->safe_psql('postgres', q{UPDATE tsdb.replica_pairs SET max_clusters = 1});
$labels{cluster} = 'west';
is($gateway->write([ { labels => \%labels, samples => [ [ int(time() * 1000), 1 ] ] } ])->{status}, 429, 'one cluster too many is a budget');

$node->stop;
done_testing();
