# Alerts reach a webhook as Alertmanager would tell them: once when they fire, once when they are resolved, again after
# failures, and not again after a restart.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

use Pgtsdb::Http;
use Pgtsdb::Node;

my $node = pgtsdb_node('notify', workers => 1);
my $http = Pgtsdb::Http->new;
my $address = $http->address;

# Messages that the webhook has accepted or refused so far, oldest first.
sub messages
{
	my ($path) = @_;
	return map { decode_json($_->{body}) } @{ $http->requests($path) };
}

sub wait_for_messages
{
	my ($path, $n, $what) = @_;
	return wait_until($what, 30, sub { @{ $http->requests($path) } >= $n });
}

# Gauges that the rules look at.
sub set_trouble
{
	my (%values) = @_;
	my $body = join '', map { "trouble{unit=\"$_\"} $values{$_}\n" } sort keys %values;
	$node->safe_psql('postgres', "SELECT tsdb.push_text('$body')");
	return;
}

sub log_of
{
	my ($receiver) = @_;
	return $node->safe_psql('postgres',
		"SELECT cardinality(firing), reason FROM tsdb.notification_log WHERE receiver_name = '$receiver'");
}

$http->answer($_, status => 200) for qw(/a /b /quiet);
set_trouble(x => 0, y => 0);
my $started = time;
$node->safe_psql('postgres', qq{
	INSERT INTO tsdb.secrets (secret_name, value) VALUES ('hook', 'opensesame');
	INSERT INTO tsdb.receivers (receiver_name, webhook_url, token_secret) VALUES ('a', 'http://$address/a', 'hook');
	INSERT INTO tsdb.routes (receiver_name, group_wait, group_interval) VALUES ('a', '0', '1 second');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval, severity, annotations)
	VALUES ('Trouble', 'trouble > 0', '1 second', 'page', '{"summary": "{{ \$labels.unit }} <is> in trouble"}')});

# ---- firing ----

set_trouble(x => 1);
wait_for_messages('/a', 1, 'an alert fires, and the webhook is told');
my ($message) = messages('/a');
is($message->{version}, '4', 'version');
is($message->{status}, 'firing', 'status');
is($message->{receiver}, 'a', 'receiver');
is($message->{groupKey}, '{}:{alertname="Trouble"}', 'groupKey');
is_deeply($message->{groupLabels}, { alertname => 'Trouble' }, 'groupLabels');
is($message->{truncatedAlerts}, 0, 'truncatedAlerts');
is($message->{notification_reason}, 'first notification', 'notification_reason');
is(@{ $message->{alerts} }, 1, 'one alert');
my $alert = $message->{alerts}[0];
is($alert->{status}, 'firing', 'its status');
is_deeply($alert->{labels}, { alertname => 'Trouble', severity => 'page', unit => 'x' }, 'its labels');
is_deeply($alert->{annotations}, { summary => 'x <is> in trouble' }, 'its annotations');
like($alert->{startsAt}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'its start');
is($alert->{endsAt}, '0001-01-01T00:00:00Z', 'it has no end');
like($alert->{fingerprint}, qr/^[0-9a-f]{16}$/, 'its fingerprint');
is_deeply($message->{commonLabels}, $alert->{labels}, 'commonLabels');
my $head = $http->requests('/a')->[0]{head};
like($head, qr{^Content-Type: application/json}m, 'as JSON');
like($head, qr{^Authorization: Bearer opensesame}m, 'with the token');

# ---- nothing new, nothing told; not even by another worker or another start of the server ----

sub nothing_new
{
	my ($what) = @_;
	my $before = @{ $http->requests('/a') };
	sleep 4;
	is(@{ $http->requests('/a') }, $before, $what);
	return;
}

nothing_new('an alert that goes on is told once');
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM tsdb.worker_status WHERE worker = 'notifier'});
kill 'TERM', $pid;
wait_until('the notifier is started again', 30, sub {
	my $new = $node->safe_psql('postgres', q{SELECT pid FROM tsdb.worker_status WHERE worker = 'notifier'});
	return $new ne '' && $new ne $pid;
});
nothing_new('a restart of the worker tells nothing again');
$node->stop('immediate');
$node->start;
nothing_new('a crash of the server neither');

# ---- more alerts of the group, and their end ----

set_trouble(y => 1);
wait_for_messages('/a', 2, 'another alert of the group fires');
$message = (messages('/a'))[1];
is($message->{notification_reason}, 'new alerts added', 'because of it');
is_deeply([ map { $_->{labels}{unit} } @{ $message->{alerts} } ], [ 'x', 'y' ], 'both are told');
is_deeply($message->{commonLabels}, { alertname => 'Trouble', severity => 'page' }, 'with what they have in common');

set_trouble(x => 0);
wait_for_messages('/a', 3, 'one is resolved');
$message = (messages('/a'))[2];
is($message->{status}, 'firing', 'the group still fires');
is_deeply([ map { "$_->{labels}{unit} $_->{status}" } @{ $message->{alerts} } ], [ 'x resolved', 'y firing' ], 'states');
is($message->{alerts}[0]{fingerprint}, $alert->{fingerprint}, 'the same fingerprint');
isnt($message->{alerts}[0]{endsAt}, '0001-01-01T00:00:00Z', 'now it has an end');

set_trouble(y => 0);
wait_for_messages('/a', 4, 'the other is resolved');
$message = (messages('/a'))[3];
is($message->{status}, 'resolved', 'the group is resolved');
is_deeply([ map { "$_->{labels}{unit} $_->{status}" } @{ $message->{alerts} } ], [ 'y resolved' ], 'the first is not told twice');
is(log_of('a'), '0|all alerts resolved', 'the log says that nothing fires');
nothing_new('resolved is told once');

# ---- failures ----

$http->answer('/a', status => 500);
set_trouble(x => 1);
wait_for_messages('/a', 6, 'a refused message is sent again');
is(log_of('a'), '0|all alerts resolved', 'it does not count as told');
like(slurp_file($node->logfile), qr/receiver "a" of tenant "default" could not be told .*: server returned HTTP status 500/,
	'the log says why');
unlike(slurp_file($node->logfile), qr/opensesame/, 'and no secret');
$http->answer('/a', status => 200);
wait_until('it gets through', 60, sub { log_of('a') eq '1|first notification' });
nothing_new('and is not repeated');

$http->answer('/a', status => 503, headers => 'Retry-After: 6');
my $n = @{ $http->requests('/a') };
set_trouble(y => 1);
wait_for_messages('/a', $n + 1, 'a server asks for patience');
nothing_new('and gets it');
$http->answer('/a', status => 200);
wait_until('then the message gets through', 30, sub { log_of('a') eq '2|new alerts added' });
is(@{ $http->requests('/a') }, $n + 2, 'at the second attempt');

# ---- repeating ----

$node->safe_psql('postgres', q{UPDATE tsdb.routes SET repeat_interval = '2 seconds'});
wait_until('an alert that goes on is told again', 30, sub { log_of('a') eq '2|repeat interval elapsed' });
is((messages('/a'))[-1]{notification_reason}, 'repeat interval elapsed', 'and why');
$node->safe_psql('postgres', q{UPDATE tsdb.routes SET repeat_interval = '4 hours'});

# ---- without a route every receiver is told of everything; one INSERT is enough ----

sleep 1 while time - $started < 31;		# the default group_wait, so that the alerts are older
$node->safe_psql('postgres', qq{
	DELETE FROM tsdb.routes;
	INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('dead', 'http://127.0.0.1:1/');
	INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('b', 'http://$address/b');
	INSERT INTO tsdb.receivers (receiver_name, webhook_url, send_resolved, max_alerts)
	VALUES ('quiet', 'http://$address/quiet', false, 1)});
wait_until('a receiver is told of what fires', 90, sub { log_of('b') =~ /^2\|first/ });
is(($http->requests('/b'))->[0] ? (messages('/b'))[0]{receiver} : '', 'b', 'by its name');
wait_until('so is another', 30, sub { log_of('quiet') =~ /^2\|first/ });
$message = (messages('/quiet'))[0];
is(@{ $message->{alerts} }, 1, 'max_alerts cuts the message');
is($message->{truncatedAlerts}, 1, 'and says so');
wait_until('an unreachable one holds up nobody', 30, sub { slurp_file($node->logfile) =~ /receiver "dead".*could not be told/ });

is($node->safe_psql('postgres', "SELECT errors FROM tsdb.worker_status WHERE worker = 'notifier'"), 0,
	'no unit of the notifier has failed');

done_testing();
