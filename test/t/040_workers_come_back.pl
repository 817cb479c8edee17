# Every worker that ends, in whatever way, comes back once: after a crash, which restarts all processes of the server, after
# being told to end, and after the end of the launcher, which goes on with the workers it finds.  A standby has none.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(usleep);

use Pgtsdb::Node;

my $node = pgtsdb_node('workers', workers => 1, allows_streaming => 1, settings => <<'END');
pgtsdb.launcher_interval = '200ms'
pgtsdb.worker_restart_interval = '100ms'
END

# The running workers: "worker slot" => pid.
sub workers
{
	answers_again($node);
	my $out = psql_if_it_answers($node,
		q{SELECT worker, slot, pid FROM tsdb.worker_status WHERE pid IS NOT NULL AND state IN ('idle', 'working')});
	return map { my ($worker, $slot, $pid) = split /\|/; ("$worker $slot" => $pid) } split /\n/, $out;
}

my @all = ('compactor 0', 'launcher 0', 'notifier 0', 'ruler 0', 'scraper 0');

# Waits until exactly these run, and none of them is one of the processes in the list.
sub run_again
{
	my ($what, $names, @gone) = @_;
	my %now;
	wait_until($what, 60, sub {
		%now = workers();
		my %pid = map { $_ => 1 } values %now;
		return "@{[sort keys %now]}" eq "@{[sort @$names]}" && !grep { $pid{$_} } @gone;
	}) or diag(join ', ', map { "$_: $now{$_}" } sort keys %now);
	return %now;
}

my %before = run_again('the launcher starts all workers', \@all);

for my $victim (@all)
{
	kill 9, $before{$victim};
	%before = run_again("all come back after a crash of the $victim", \@all, values %before);
}

for my $victim (grep { $_ ne 'launcher 0' } @all)
{
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($before{$victim})");
	my %now = run_again("the $victim comes back after its end", \@all, $before{$victim});
	is_deeply({ %now, $victim => 0 }, { %before, $victim => 0 }, 'and the others go on');
	%before = %now;
}

$node->safe_psql('postgres', "SELECT pg_terminate_backend($before{'launcher 0'})");
my %now = run_again('the launcher comes back after its end', \@all, $before{'launcher 0'});
is_deeply({ %now, 'launcher 0' => 0 }, { %before, 'launcher 0' => 0 }, 'and goes on with the workers that run');

is($node->safe_psql('postgres', q{
	SELECT count(*) - count(DISTINCT backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'pgtsdb %'}), 0,
	'no worker runs twice');
is($node->safe_psql('postgres', q{
	SELECT worker FROM tsdb.worker_status WHERE now() - last_heartbeat > '5 s'}), '', 'every heart beats');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 7105 AND mode = 'ExclusiveLock'}), 5,
	'each holds the lock of its slot');

# Settings take effect by reload.
$node->append_conf('postgresql.conf', 'pgtsdb.scrapers = 3');
$node->reload;
run_again('more scrapers by a reload', [ @all, 'scraper 1', 'scraper 2' ]);
$node->append_conf('postgresql.conf', 'pgtsdb.scrapers = 0');
$node->reload;
run_again('none by another', [ grep { !/scraper/ } @all ]);
$node->append_conf('postgresql.conf', 'pgtsdb.scrapers = 1');
$node->reload;
%before = run_again('and one again', \@all);

# A standby shares the settings and has no workers until it is promoted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('workers_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT count(*) FROM tsdb.worker_status WHERE pid IS NOT NULL}), 0,
	'a standby has no workers');
$standby->promote;
wait_until('a promoted standby has them', 60, sub {
	$standby->safe_psql('postgres', q{SELECT count(*) FROM tsdb.worker_status WHERE pid IS NOT NULL}) == 5; });

# A worker never ends as if its job were done.
$node->stop;
$standby->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/pgtsdb \w+" \(PID \d+\) exited with exit code 0/,
	'no worker exits 0');

done_testing();
