# The gateway comes back whatever happens to it, the database does not notice, and a sender that repeats what was answered
# 503 loses nothing when the database restarts.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Node;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = pgtsdb_node('gateway', workers => 1, settings => <<"END");
pgtsdb.http_listen = '127.0.0.1:$port'
pgtsdb.http_anonymous_role = 'agent'
END
Pgtsdb::Gateway::make_roles($node);
my $child = Pgtsdb::Gateway->at($port);
ok($child->wait_until_healthy, 'the launcher starts it');

sub child
{
	my $pid = psql_if_it_answers($node, "SELECT pid FROM tsdb.worker_status WHERE worker = 'gateway' AND state = 'idle'");
	chomp $pid;
	return $pid;
}

sub sample
{
	my ($i) = @_;
	return [ { labels => { __name__ => 'written', i => $i }, samples => [ [ 1_700_000_000_000 + $i, $i ] ] } ];
}

sub stored
{
	return $node->safe_psql('postgres', q{
		SELECT count(*) FROM tsdb.samples('written', '2023-01-01', '2024-01-01')});
}

# ---- what the child is ----

my $pid = child();
my ($group, $session) = (split ' ', slurp_file("/proc/$pid/stat"))[4, 5];
is($group, $pid, 'it has a process group of its own');
is($session, $pid, 'and a session');
my %open = map { m{/(\d+)$} ? ($1 => readlink $_) : () } glob "/proc/$pid/fd/*";
is_deeply([ grep { $open{$_} =~ m{/(?:base|global|pg_wal)/|shm|pg_notify} } keys %open ], [], 'no file of the server is open in it');
is($open{0}, '/dev/null', 'nor its input');
unlike(slurp_file("/proc/$pid/environ"), qr/PGDATA|PG_REGRESS/, 'its environment is its own');
unlike(slurp_file("/proc/$pid/cmdline"), qr/user=/, 'its connection string is not among its arguments');

# ---- ends of the child ----

# A young one that ends waits a moment, so that one that cannot start does not spin.
sleep 5;
for my $signal ('KILL', 'TERM')
{
	my $start = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	my $before = child();
	kill $signal, $before;
	my $begun = time();
	my $back;
	wait_until("it comes back after SIG$signal", 10, sub { $child->get('/-/healthy')->{status} == 200 && ($back = child()) && $back ne $before });
	cmp_ok(time() - $begun, '<', 2, 'within 2 s');
	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $start, 'the database has not noticed');
	is($child->write(sample(1))->{status}, 204, 'and takes samples');
	sleep 5;
}
like($node->safe_psql('postgres', "SELECT last_error FROM tsdb.worker_status WHERE worker = 'gateway'"), qr/exit code 0|signal/, 'the end is shown');

my $old = child();
$node->append_conf('postgresql.conf', "pgtsdb.http_options = '--query-timeout=1500ms  --read-connections=3'");
$node->reload;
wait_until('a new option restarts it', 20, sub { (child() || $old) ne $old && $child->get('/-/healthy')->{status} == 200 });
is($child->get('/api/v1/status/flags')->{json}{data}{'query-timeout'}, '1500ms', 'with that option');

$old = child();
$node->append_conf('postgresql.conf', "pgtsdb.http_options = '--no-such-option=1'");
$node->reload;
wait_until('one that cannot start is tried again and again', 20, sub {
	psql_if_it_answers($node, q{SELECT errors > 4 FROM tsdb.worker_status WHERE worker = 'gateway' AND state = 'waiting to restart'}) =~ /t/ });
$node->append_conf('postgresql.conf', "pgtsdb.http_options = ''");
$node->reload;
wait_until('and starts when it can', 40, sub { $child->get('/-/healthy')->{status} == 200 });

my $launcher = $node->safe_psql('postgres', "SELECT pid FROM tsdb.worker_status WHERE worker = 'launcher'");
$old = child();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
wait_until('it follows the launcher', 20, sub { (child() || $old) ne $old && $child->get('/-/healthy')->{status} == 200 });
ok(!-e "/proc/$old" || slurp_file("/proc/$old/stat") =~ /\) Z/, 'the old one is gone');

# A crash of the server's processes takes all down.
$old = child();
kill 9, $node->safe_psql('postgres', "SELECT pid FROM tsdb.worker_status WHERE worker = 'compactor'");
answers_again($node);
wait_until('it comes back after a crash', 30, sub { (child() || $old) ne $old && $child->get('/api/v1/query?query=1')->{status} == 200 });

$node->append_conf('postgresql.conf', "pgtsdb.http_listen = ''");
$node->reload;
wait_until('it ends when nobody wants it', 20, sub { $child->get('/-/healthy')->{status} == 0 });
wait_until('and is not shown', 10, sub { psql_if_it_answers($node, "SELECT count(*) FROM tsdb.worker_status WHERE worker = 'gateway'") =~ /^0/ });

# ---- restarts of the database under a gateway that goes on ----

my $gateway = Pgtsdb::Gateway->start($node, '--stop-timeout=60s');
is($gateway->write(sample(2))->{status}, 204, 'one that was started by hand');
is($gateway->get('/-/ready')->{status}, 200, 'is ready');
$node->stop;
my $down = $gateway->get('/api/v1/query?query=1');
is($down->{status}, 503, 'without the database: 503');
is($down->{json}{errorType}, 'unavailable', 'in JSON');
is($down->{headers}{'retry-after'}, '1', 'with Retry-After');
is($gateway->write(sample(3))->{status}, 503, 'for writes');
is($gateway->get('/-/ready')->{status}, 503, 'for ready');
is($gateway->get('/-/healthy')->{status}, 200, 'not for healthy');
$node->start;
is($gateway->write(sample(3))->{status}, 204, 'then served again');
is($gateway->get('/api/v1/query?query=1')->{status}, 200, 'reads too');

# A sender that repeats, while the database restarts twice.
my $writer = fork();
if ($writer == 0)
{
	for my $i (10 .. 209)
	{
		my $status;
		for (1 .. 600)
		{
			$status = $gateway->write(sample($i))->{status};
			last if $status == 204;
			usleep(50_000);
		}
		POSIX::_exit(1) if $status != 204;
	}
	POSIX::_exit(0);
}
for my $mode (qw(fast immediate))
{
	usleep(200_000);
	$node->stop($mode);
	usleep(200_000);
	$node->start;
}
waitpid $writer, 0;
is($?, 0, 'a sender that repeats gets through');
is(stored(), 203, 'and all it sent is stored');

# A stop lets what runs end.
my $socket = $gateway->connect;
$node->safe_psql('postgres', q{
	SELECT tsdb.push(jsonb_build_object('samples', jsonb_agg(jsonb_build_object(
		'metric', 'many', 'labels', jsonb_build_object('i', i::text), 'timestampMs', 1700000000000, 'value', i))))
	  FROM generate_series(1, 500) i});
$socket->syswrite('GET /api/v1/query_range?query=' . Pgtsdb::Gateway::encode(join ' + ', ('sum(many * on(i) many)') x 12) .
	"&start=1700000000&end=1700000300&step=0.03 HTTP/1.1\r\nHost: x\r\n\r\n");
wait_until('a query runs', 10, sub {
	$node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgtsdb_gateway' AND state = 'active'") > 0 });
kill 'TERM', $gateway->{pid};
my $answer = Pgtsdb::Gateway::answer($socket);
is($answer->{status}, 200, 'what runs is answered');
is($answer->{headers}{connection}, 'close', 'and the connection closed');
is($gateway->stop, 0, 'before the gateway ends');

$node->stop;
done_testing();
