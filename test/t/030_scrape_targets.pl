# Targets of every kind, good and bad, side by side: each costs only itself, and tsdb.targets tells what is wrong with it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Http;
use Pgtsdb::Node;

my $text = 'text/plain; version=0.0.4';
my $node = pgtsdb_node('scrape', workers => 1, settings => "pgtsdb.scrape_interval = '1s'\n");
my $http = Pgtsdb::Http->new;
my $address = $http->address;

sub value_of
{
	my ($query) = @_;
	return $node->safe_psql('postgres', "SELECT value FROM tsdb.promql(\$q\$$query\$q\$)");
}

sub labels_of
{
	my ($query) = @_;
	return $node->safe_psql('postgres', "SELECT labels FROM tsdb.promql(\$q\$$query\$q\$) ORDER BY labels::text");
}

sub add_target
{
	my ($job, %columns) = @_;
	my $names = join ', ', map { ", $_" } ();
	my %row = (job_name => $job, address => $address, metrics_path => "/$job", %columns);
	my @names = sort keys %row;
	$node->safe_psql('postgres', sprintf('INSERT INTO tsdb.scrape_targets (%s) VALUES (%s)',
		join(', ', @names), join(', ', map { "'$row{$_}'" } @names)));
	return;
}

sub wait_for_health
{
	my ($job, $health) = @_;
	return wait_until("$job is $health", 20, sub {
		$node->safe_psql('postgres', "SELECT health FROM tsdb.targets WHERE job_name = '$job'") eq $health;
	});
}

sub last_error
{
	my ($job) = @_;
	return $node->safe_psql('postgres', "SELECT last_error FROM tsdb.targets WHERE job_name = '$job'");
}

# ---- one row is enough ----

$http->answer('/metrics', type => $text, status => 200, body => "# TYPE good gauge\ngood{a=\"1\"} 42\ngood{a=\"2\"} 43\n");
$node->safe_psql('postgres', "INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('good', '$address')");
wait_for_health('good', 'up');
is(value_of('good{a="1"}'), 42, 'its samples are stored');
is(labels_of('good{a="2"}'), qq({"a": "2", "job": "good", "__name__": "good", "instance": "$address"}),
	'with the labels of the target');
is(value_of('up{job="good"}'), 1, 'up is 1');
is(value_of('scrape_samples_scraped{job="good"}'), 2, 'scrape_samples_scraped');
is(value_of('scrape_samples_post_metric_relabeling{job="good"}'), 2, 'scrape_samples_post_metric_relabeling');
cmp_ok(value_of('scrape_duration_seconds{job="good"}'), '>', 0, 'scrape_duration_seconds');
wait_until('series are added once', 20, sub { value_of('scrape_series_added{job="good"}') eq '0' });
is($node->safe_psql('postgres', "SELECT samples, series, rejected, last_error IS NULL FROM tsdb.targets WHERE job_name = 'good'"),
	'2|2|0|t', 'tsdb.targets');
my $request = $http->requests('/metrics')->[0]{head};
like($request, qr{^Accept: application/openmetrics-text;version=1.0.0}m, 'what it accepts');
like($request, qr{^Accept-Encoding: gzip}m, 'compressed answers too');
like($request, qr{^X-Prometheus-Scrape-Timeout-Seconds: 1\r}m, 'and how long it waits');

# ---- bad ones, all at once ----

$http->answer('/lines', type => $text, status => 200, body => "ok 1\nbroken{a=\"1} 2\nok2 x\nalso_ok 3\ntwice 1\ntwice 1\n");
$http->answer('/error', type => $text, status => 500, body => "error_body 1\n");
$http->answer('/hang', status => 'hang');
$http->answer('/html', type => 'text/html', status => 200, body => "<html>html_body 1</html>\n");
$http->answer('/large', type => $text, status => 200, body => 'large_body{a="' . 'x' x 5000 . "\"} 1\n", gzip => 1);
$http->answer('/many', type => $text, status => 200, body => join '', map { "many_$_ 1\n" } 1 .. 10);
$http->answer('/cut', type => 'application/openmetrics-text; version=1.0.0', status => 200, body => "cut_body 1\n");
add_target('lines');
add_target('error');
add_target('hang');
add_target('html');
add_target('large', body_size_limit => 1000);
add_target('many', sample_limit => 9);
add_target('cut');
add_target('unreachable', address => '127.0.0.1:1');
add_target('nowhere', address => 'host.invalid:80');

wait_for_health('lines', 'up');
is(value_of('also_ok'), 3, 'lines after a malformed one are read');
is(value_of('count({__name__=~"broken|ok2"})'), '', 'the malformed ones are not');
like(last_error('lines'), qr/^line 2: string is not closed/, 'which is told, with the line');
is($node->safe_psql('postgres', "SELECT rejected, samples FROM tsdb.targets WHERE job_name = 'lines'"), '3|4',
	'two lines and a repeated series are counted');

my %why = (
	error => qr/HTTP status 500/,
	hang => qr/timed out/,
	html => qr{Content-Type "text/html"},
	large => qr/larger than 1000 bytes/,
	many => qr/10 samples exceed the limit of 9/,
	cut => qr/# EOF/,
	unreachable => qr/connect/,
	nowhere => qr/resolve/);
for my $job (sort keys %why)
{
	wait_for_health($job, 'down');
	like(last_error($job), $why{$job}, "$job: why");
	is(value_of("up{job=\"$job\"}"), 0, "$job: up is 0");
}
is(value_of('count({__name__=~"error_body|html_body|large_body|cut_body|many_.*"})'), '', 'nothing of them is stored');
is(value_of('scrape_samples_scraped{job="many"}'), 10, 'samples over the limit were counted');
is(value_of('up{job="good"}'), 1, 'the good target goes on');

# ---- ways to scrape ----

$http->answer('/packed', type => $text, status => 200, body => "packed 7\n", gzip => 1);
$http->answer('/own', type => 'application/openmetrics-text; version=1.0.0', status => 200,
	body => "# TYPE own counter\nown_total{job=\"theirs\"} 5 # {trace_id=\"1\"} 1\n# EOF\n");
$http->answer('/secret', type => $text, status => 200, body => "secret 1\n");
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.secrets (secret_name, value) VALUES ('scrape-password', 'opensesame');
	INSERT INTO tsdb.scrape_configs (job_name, basic_auth_user, password_secret, params)
	VALUES ('secret', 'reader', 'scrape-password', '{"match[]": ["a b", "c"]}')});
add_target('packed', labels => '{"env": "test", "instance": "named"}');
add_target('own', honor_labels => 't');
add_target('secret');
wait_for_health($_, 'up') for qw(packed own secret);
is(labels_of('packed'), '{"env": "test", "job": "packed", "__name__": "packed", "instance": "named"}',
	'compressed; labels of the target, instance among them');
is(labels_of('own_total'), qq({"job": "theirs", "__name__": "own_total", "instance": "$address"}), 'OpenMetrics; honor_labels');
$request = $http->requests('/secret')->[0]{head};
like($request, qr{^GET /secret\?match%5B%5D=a%20b&match%5B%5D=c }, 'parameters');
like($request, qr{^Authorization: Basic cmVhZGVyOm9wZW5zZXNhbWU=}m, 'credentials');
is($node->safe_psql('postgres', "SELECT count(*) FROM tsdb.targets t WHERE t::text LIKE '%opensesame%'"), 0,
	'which are shown nowhere');

# ---- this server itself ----

$node->safe_psql('postgres', q{INSERT INTO tsdb.scrape_targets (job_name, address, scheme) VALUES ('postgres', 'self', 'postgres')});
wait_for_health('postgres', 'up');
is(value_of('pg_up{instance="self", job="postgres"}'), 1, 'it is up');
cmp_ok(value_of('pg_stat_database_xact_commit{datname="postgres"}'), '>', 0, 'its statistics are stored');
cmp_ok(value_of('pgtsdb_worker_units_total{worker="scraper"}'), '>', 0, 'and those of its workers');
is($node->safe_psql('postgres', q{SELECT rejected FROM tsdb.targets WHERE job_name = 'postgres'}), 0, 'all lines are good');

# ---- what is refused at once ----

sub refused
{
	my ($what, $statement, $message) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $statement);
	isnt($code, 0, "$what is refused");
	like($err, $message, "$what: why");
	return;
}

my $insert = 'INSERT INTO tsdb.scrape_targets (job_name, address';
refused('a scheme in the address', "$insert) VALUES ('x', 'http://a:1')", qr/"http:\/\/a:1": it has a scheme\nHINT:/);
refused('a bad port', "$insert) VALUES ('x', 'a:0')", qr/the port is not a number from 1 to 65535/);
refused('a reserved label', "$insert, labels) VALUES ('x', 'a:1', '{\"__x\": \"1\"}')", qr/reserved/);
refused('nested labels', "$insert, labels) VALUES ('x', 'a:1', '{\"x\": {}}')", qr/not an object of strings/);
refused('a timeout over the interval', "$insert, scrape_interval, scrape_timeout) VALUES ('x', 'a:1', '5 s', '6 s')",
	qr/longer than the scrape_interval/);
refused('a tenant that does not exist', "$insert, tenant_id) VALUES ('x', 'a:1', 'nobody')", qr/not present in table "tenants"/);

is($node->safe_psql('postgres', "SELECT errors FROM tsdb.worker_status WHERE worker = 'scraper'"), 0,
	'no unit of the scraper has failed');
unlike(slurp_file($node->logfile), qr/XX000|PANIC|TRAP/, 'and nothing went wrong inside');

done_testing();
