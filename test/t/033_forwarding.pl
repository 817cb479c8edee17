# What is stored goes on to other servers: once it is committed, in order, through failures of the target and of the server.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Http;
use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_body remote_write_v2_body remote_write_sql);

my $node = pgtsdb_node('forwarding', workers => 1, settings => "pgtsdb.worker_restart_interval = '100ms'\n");
Pgtsdb::Gateway::make_roles($node);
my $http = Pgtsdb::Http->new;
my $address = $http->address;

# The receiver is another database with a gateway of its own.
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', q{
	CREATE EXTENSION pgtsdb;
	GRANT EXECUTE ON FUNCTION tsdb.remote_write(bytea) TO agent;
	INSERT INTO tsdb.tenant_members VALUES ('agent', 'default', true, true);
	INSERT INTO tsdb.tenant_budgets (max_sample_age) VALUES ('0')});
my $receiver = Pgtsdb::Gateway->start($node, '--read-dsn' => $node->connstr('copy') . ' user=pgtsdb_gateway');
my $url = "http://127.0.0.1:$receiver->{port}/api/v1/write";

sub status_of
{
	my ($name, $columns) = @_;
	my $row = psql_if_it_answers($node, "SELECT $columns FROM tsdb.remote_write_status WHERE name = '$name'");
	chomp $row;
	return $row;
}

sub contents
{
	my ($database, $selector) = @_;
	return $node->safe_psql($database, qq{
		SELECT tsdb.series_name(labels), extract(epoch FROM ts), encode(float8send(value), 'hex')
		  FROM tsdb.samples('$selector', '-infinity', 'infinity') ORDER BY 1, 2});
}

sub wait_until_sent
{
	my ($name, $what) = @_;
	return wait_until($what, 60, sub { status_of($name, 'waiting_requests') eq '0' });
}

# One sample each, of series i = $from .. $to.
sub write_samples
{
	my ($metric, $from, $to) = @_;
	$node->safe_psql('postgres', join '; ',
		map { remote_write_sql({ labels => { __name__ => $metric, i => $_ }, samples => [ [ 1_700_000_000_000 + $_ * 1000, $_ ] ] }) } $from .. $to);
	return;
}

# ---- nothing is kept while there is no target ----

write_samples('before', 1, 3);
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.remote_write_outbox'), 0, 'without a target nothing is kept');

# ---- everything that is stored arrives, in each way in which it may come ----

$node->safe_psql('postgres', "INSERT INTO tsdb.remote_write_targets (name, url) VALUES ('copy', '$url')");
write_samples('v1', 1, 5);
$node->safe_psql('postgres', "SELECT tsdb.remote_write_v2('\\x" . unpack('H*', remote_write_v2_body(
	{ labels => { __name__ => 'v2', a => 'ä"' }, samples => [ [ 1_700_000_000_000, 1.5 ], [ 1_700_000_001_000, 'stale' ], [ 1_700_000_002_000, 'nan' ] ] })) . "')");
$node->safe_psql('postgres', q{SELECT tsdb.push('{"samples": [{"metric": "json", "timestampMs": 1700000000000, "value": "-Inf"}]}')});
$node->safe_psql('postgres', q{SELECT tsdb.push_text(string_agg(format('text{i="%s"} %s %s', i, i, 1700000000000 + t * 1000), E'\n') || E'\n', '{"job": "pushed"}')
	FROM generate_series(1, 1500) i, generate_series(1, 3) t});
$node->safe_psql('postgres', q{BEGIN; SELECT tsdb.push_text('never 1'); ROLLBACK});
$node->safe_psql('postgres', q{
	BEGIN; SELECT tsdb.push_text('twice 1 1700000000000'); SAVEPOINT s; SELECT tsdb.push_text('never 2'); ROLLBACK TO s;
	SELECT tsdb.push_text('twice 2 1700000001000'); COMMIT});
wait_until_sent('copy', 'all is sent');
is(contents('copy', '{__name__!="before"}'), contents('postgres', '{__name__!="before"}'), 'and the same there as here, bit by bit');
is($node->safe_psql('copy', q{SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' IN ('before', 'never')}), 0,
	'but for what was there before, and what was rolled back');
cmp_ok(status_of('copy', 'sent_samples'), '>=', 4500 + 5 + 3 + 1 + 2, 'and is counted');
cmp_ok(status_of('copy', 'sent_requests'), '<', 30, 'many samples to a request');
wait_until('what is sent is deleted', 20, sub { $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.remote_write_outbox') eq '0' });

# ---- scrapes, their end, and alerts ----

$http->answer('/metrics', status => 200, type => 'text/plain', body => "temperature{room=\"attic\"} 21.5\ngone 1\n");
$node->safe_psql('postgres', qq{
	INSERT INTO tsdb.scrape_targets (job_name, address, scrape_interval) VALUES ('house', '$address', '1 second');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('Warm', 'temperature > 20', '1 second')});
wait_until('an alert fires', 30, sub { $node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.alerts WHERE state = 'firing'}) eq '1' });
$http->answer('/metrics', status => 200, type => 'text/plain', body => "temperature{room=\"attic\"} 21.5\n");
sleep 2;
$node->safe_psql('postgres', q{DELETE FROM tsdb.alert_rules; DELETE FROM tsdb.scrape_targets});
sleep 2;
wait_until_sent('copy', 'scrapes and alerts are sent');
for my $selector ('{job="house"}', 'ALERTS', 'ALERTS_FOR_STATE', '{__name__=~"up|scrape_.*|gone"}')
{
	my $here = contents('postgres', $selector);
	isnt($here, '', "there is $selector");
	is(contents('copy', $selector), $here, 'with stale markers and all');
}

# ---- a replica pair goes on as what is stored ----

$node->safe_psql('postgres', 'INSERT INTO tsdb.replica_pairs DEFAULT VALUES');
for my $replica ('a', 'b')
{
	$node->safe_psql('postgres', remote_write_sql({ labels => { __name__ => 'paired', cluster => 'c', __replica__ => $replica },
		samples => [ [ $replica eq 'a' ? 1_700_000_000_000 : 1_700_000_007_000, 1 ] ] }));
}
$node->safe_psql('postgres', q{UPDATE tsdb.replica_elections SET received_at = received_at - interval '1 minute'});
$node->safe_psql('postgres', remote_write_sql({ labels => { __name__ => 'paired', cluster => 'c', __replica__ => 'b' }, samples => [ [ 1_700_000_022_000, 1 ] ] }));
wait_until_sent('copy', 'samples of replicas are sent');
is(contents('copy', 'paired'), contents('postgres', 'paired'), 'as they are stored');
is($node->safe_psql('copy', q{SELECT count(*) FROM tsdb.samples('paired{__replica__=""}', '-infinity', 'infinity')}), 3, 'without the label, those that were held too');
$node->safe_psql('postgres', 'DELETE FROM tsdb.replica_pairs');

# ---- the order is that of transactions ----

# Series that are there: who makes new ones lets nobody else make some until it commits.
$node->safe_psql('postgres', q{SELECT tsdb.push_text('slow 1')});
write_samples('fast', 1, 2);
wait_until_sent('copy', 'samples of these series');
my $slow = $node->background_psql('postgres');
$slow->query_safe("BEGIN");
$slow->query_safe("SELECT tsdb.push_text('slow 2')");
my $before = contents('copy', 'fast');
$node->safe_psql('postgres', remote_write_sql({ labels => { __name__ => 'fast', i => 1 }, samples => [ [ 1_700_000_100_000 + $_, $_ ] ] })) for 1 .. 2;
sleep 2;
is(status_of('copy', 'waiting_requests'), '2', 'requests wait for an earlier transaction that is in progress');
is(contents('copy', 'fast'), $before, 'and are not sent before its own');
$slow->query_safe("COMMIT");
$slow->quit;
wait_until_sent('copy', 'then both are sent');
is(contents('copy', '{__name__=~"slow|fast"}'), contents('postgres', '{__name__=~"slow|fast"}'), 'nothing was passed over');

# ---- what the target answers ----

$http->answer('/write', status => 204);
$http->answer('/patient', status => 204);
$node->safe_psql('postgres', qq{
	INSERT INTO tsdb.secrets (secret_name, value) VALUES ('token', 'opensesame'), ('url', 'http://$address/patient');
	INSERT INTO tsdb.remote_write_targets (name, url, token_secret, headers)
	VALUES ('web', 'http://$address/write', 'token', '{"X-Scope-OrgID": "team", "X-Empty": ""}');
	INSERT INTO tsdb.remote_write_targets (name, url_secret) VALUES ('patient', 'url')});
my $body = remote_write_body({ labels => { __name__ => 'web', i => 1 }, samples => [ [ 1_700_000_000_000, 1 ] ] });
write_samples('web', 1, 1);
wait_until_sent('web', 'a request arrives');
my ($request) = @{ $http->requests('/write') };
like($request->{head}, qr{^POST /write HTTP/1.1}, 'as a POST');
like($request->{head}, qr{^\Q$_\E\r$}m, $_) for 'Content-Type: application/x-protobuf', 'Content-Encoding: snappy',
	'X-Prometheus-Remote-Write-Version: 0.1.0', 'Authorization: Bearer opensesame', 'X-Scope-OrgID: team', 'X-Empty:';
is(unpack('H*', $request->{body}), unpack('H*', remote_write_body({ labels => { __name__ => 'web', i => 1 }, samples => [ [ 1_700_000_001_000, 1 ] ] })),
	'a body of version 1 as it came');

my $n = @{ $http->requests('/write') };
$http->answer('/write', status => 500, body => "disk full\nsecond line");
write_samples('web', 2, 3);
wait_until('a request that fails is repeated', 20, sub { status_of('web', 'retries') >= 3 });
is(status_of('web', 'waiting_requests'), '2', 'and so long the next one waits');
like(status_of('web', 'last_error'), qr/^server returned HTTP status 500: disk full$/, 'the status says why');
wait_until_sent('patient', 'others do not');
$http->answer('/write', status => 204);
wait_until_sent('web', 'until it is taken');
is((map { $_->{body} } @{ $http->requests('/write') })[-1] eq remote_write_body({ labels => { __name__ => 'web', i => 3 }, samples => [ [ 1_700_000_003_000, 3 ] ] }),
	1, 'in order');

$http->answer('/patient', status => 429, headers => 'Retry-After: 4');
$n = @{ $http->requests('/patient') };
write_samples('web', 4, 4);
wait_until('a target asks for patience', 20, sub { @{ $http->requests('/patient') } > $n });
sleep 2;
is(@{ $http->requests('/patient') }, $n + 1, 'and gets it');
$http->answer('/patient', status => 204);
wait_until_sent('patient', 'then the request is taken');

$http->answer('/write', status => 400, body => "out of bounds\n");
write_samples('web', 5, 6);
wait_until_sent('web', 'what is refused is not repeated');
is(status_of('web', 'refused_samples'), '2', 'but counted');
like(status_of('web', 'last_error'), qr/^server returned HTTP status 400: out of bounds$/, 'and the reason shown');
$http->answer('/write', status => 204);
unlike(slurp_file($node->logfile), qr/opensesame|\/patient/, 'no secret is in the log');

# ---- limits ----

$http->answer('/write', status => 503);
$node->safe_psql('postgres', q{UPDATE tsdb.remote_write_targets SET max_age = '3 seconds' WHERE name = 'web'});
write_samples('web', 7, 9);
wait_until('what is older than max_age is given up', 40, sub { status_of('web', 'expired_samples') eq '3' });
is(status_of('web', 'waiting_requests'), '0', 'and waits no more');
$node->safe_psql('postgres', q{UPDATE tsdb.remote_write_targets SET max_age = '2 hours', max_bytes = 300 WHERE name = 'web'});
write_samples('web', 10, 29);
wait_until('what is more than max_bytes too', 60, sub { status_of('web', 'waiting_bytes') <= 300 });
my ($expired, $waiting) = split /\|/, status_of('web', 'expired_samples, waiting_samples');
is($expired - 3 + $waiting, 20, 'the oldest are counted, and the others wait');
$http->answer('/write', status => 204);
wait_until_sent('web', 'and are sent');

$node->safe_psql('postgres', q{UPDATE tsdb.remote_write_targets SET status = 'PAUSED' WHERE name = 'web'});
$n = @{ $http->requests('/write') };
write_samples('web', 30, 31);
wait_until_sent('patient', 'an active target goes on');
is(@{ $http->requests('/write') }, $n, 'while one is paused');
is(status_of('web', 'waiting_requests'), '2', 'for which it is kept as well');
$node->safe_psql('postgres', q{UPDATE tsdb.remote_write_targets SET status = 'ACTIVE' WHERE name = 'web'});
wait_until_sent('web', 'and sent when it is active again');
is(@{ $http->requests('/write') }, $n + 2, 'all of it');

# ---- the receiver and the server go away, again and again ----

$receiver->stop('KILL');
my $writer = fork() // die "fork: $!";
if ($writer == 0)
{
	my $sender = Pgtsdb::Gateway->at($ENV{SENDER_PORT} // 0);
	for my $i (1 .. 400)
	{
		my $sql = remote_write_sql({ labels => { __name__ => 'long', i => $i % 20 }, samples => [ [ 1_700_000_000_000 + $i * 1000, $i ] ] });
		my $rc = -1;
		for (1 .. 600)
		{
			answers_again($node);
			$rc = eval { scalar $node->psql('postgres', $sql) } // -1;
			last if $rc == 0;
			usleep(50_000);
		}
		POSIX::_exit(1) if $rc != 0;
	}
	POSIX::_exit(0);
}
sleep 2;
my $forwarder = $node->safe_psql('postgres', q{SELECT pid FROM tsdb.worker_status WHERE worker = 'forwarder'});
$receiver->start_again;
sleep 1;
kill 9, $forwarder;			# and all its siblings with it
answers_again($node);
sleep 1;
kill_all($node);
start_again($node);
$receiver->stop;
sleep 1;
$receiver->start_again;
waitpid $writer, 0;
is($?, 0, 'a writer gets through');
wait_until_sent('copy', 'after crashes of target and server all is sent');
my $here = contents('postgres', 'long');
is(scalar(split /\n/, $here), 400, 'everything is here');
is(contents('copy', 'long'), $here, 'and there');
wait_until_sent('web', 'to the others too');
my %seen = map { $_->{body} => 1 } @{ $http->requests('/write') };
is(scalar(grep { !$seen{ remote_write_body({ labels => { __name__ => 'long', i => $_ % 20 }, samples => [ [ 1_700_000_000_000 + $_ * 1000, $_ ] ] }) } } 1 .. 400), 0,
	'no request is left out');
wait_until('the outbox is empty', 30, sub { psql_if_it_answers($node, 'SELECT count(*) FROM tsdb.remote_write_outbox') =~ /^0$/ });

# ---- the end ----

$node->safe_psql('postgres', 'DELETE FROM tsdb.remote_write_targets');
write_samples('after', 1, 3);
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.remote_write_outbox'), 0, 'without a target nothing is kept again');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.remote_write_status}), 0, 'and nothing shown');
is($node->safe_psql('postgres', q{SELECT errors FROM tsdb.worker_status WHERE worker = 'forwarder'}), 0, 'no unit of the forwarder has failed');
$node->safe_psql('postgres', 'SELECT tsdb.drop_storage(); DROP EXTENSION pgtsdb');
wait_until('the forwarder goes with the extension', 30, sub {
	psql_if_it_answers($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pgtsdb forwarder'}) =~ /^0$/ });
$node->safe_psql('postgres', 'CREATE EXTENSION pgtsdb');
sleep 1;
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pgtsdb forwarder'}), 0,
	'and is not there without a target');
$node->safe_psql('postgres', "INSERT INTO tsdb.remote_write_targets (name, url) VALUES ('web', 'http://$address/write')");
write_samples('anew', 1, 1);
wait_until_sent('web', 'but with one');

$node->stop;
done_testing();
