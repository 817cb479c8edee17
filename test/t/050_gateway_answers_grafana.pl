# The gateway, started by the launcher, answers each call of Grafana's Prometheus data source, and what was written by remote
# write comes back as it was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use Test::More;

use Pgtsdb::Gateway;
use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_read_body remote_read_results remote_write_v2_body);

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = pgtsdb_node('gateway', workers => 1, settings => <<"END");
pgtsdb.http_listen = '127.0.0.1:$port'
pgtsdb.http_anonymous_role = 'agent'
END
Pgtsdb::Gateway::make_roles($node);
my $gateway = Pgtsdb::Gateway->at($port);
ok($gateway->wait_until_healthy, 'the launcher starts it');
is($node->safe_psql('postgres', "SELECT database IS NULL, state, pid IS NOT NULL FROM tsdb.worker_status WHERE worker = 'gateway'"),
	't|idle|t', 'and shows it');

sub success
{
	my ($what, $path, $expected, %options) = @_;
	my $answer = defined $options{form} ? $gateway->form($path, $options{form}) : $gateway->get($path);
	is($answer->{status}, 200, "$what: status") or diag($answer->{body});
	is_deeply($answer->{json}, { status => 'success', data => $expected }, $what) or diag($answer->{body});
	return $answer;
}

# Start-up of the data source: health check, flavour, exemplars, rules.
success('health check', '/api/v1/query?query=1%2B1&time=4', { resultType => 'scalar', result => [ 4, '2' ] });
success('health check by POST', '/api/v1/query', { resultType => 'scalar', result => [ 4, '2' ] }, form => 'query=1%2B1&time=4');
my $build = $gateway->get('/api/v1/status/buildinfo')->{json}{data};
is($build->{application}, undef, 'at the root it is no Mimir');
is($build->{features}, undef, 'and has no features');
like($build->{version}, qr/^3\./, 'but a Prometheus');
$build = $gateway->get('/prometheus/api/v1/status/buildinfo')->{json}{data};
is($build->{application}, 'Grafana Mimir', 'under the prefix it is one');
is_deeply([ sort keys %{ $build->{features} } ],
	[ qw(alertmanager_config_api federated_rules query_sharding ruler_config_api) ], 'with features');
is_deeply([ grep { !/^(?:true|false)$/ || ref } values %{ $build->{features} } ], [], 'that are strings');
success('exemplars, with milliseconds', '/api/v1/query_exemplars?query=test&start=1700000000000&end=1700000060000', []);
success('rules', '/api/v1/rules', { groups => [] });
is($gateway->get('/prometheus/api/v1/status/flags')->{status}, 404, 'flags are at the root only');
is($gateway->get('/prometheus/api/v1/status/config')->{status}, 404, 'the configuration too');
is($gateway->get('/api/v1/status/flags')->{json}{data}{listen}, "127.0.0.1:$port", 'where they are the options');
unlike($gateway->get('/api/v1/status/flags')->{body}, qr/pgtsdb_gateway/, 'without the connection strings');

# Data, at fixed times far enough back to be nobody's future.
my $t = 1_700_000_000;
my @series = map { {
	labels => { __name__ => 'requests_total', job => 'api', instance => "host$_", path => "/\x{e4}\"\\" },
	samples => [ map { my $i = $_; [ ($t + $i * 15) * 1000, $i * 10 ] } 0 .. 40 ] } } 1 .. 3;
my $answer = $gateway->write(\@series);
is($answer->{status}, 204, 'remote write');
is($answer->{body}, '', 'has no body to answer');
is($gateway->write(\@series)->{status}, 204, 'and may be repeated');

# Version 2 names the same series, so all of it is there already.
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.series');
$series[0]{metadata} = [ 1, 'Requests that came.' ];
$answer = $gateway->post('/api/v1/write', remote_write_v2_body(@series), %Pgtsdb::Gateway::WRITE_V2);
is($answer->{status}, 204, 'remote write 2.0') or diag($answer->{body});
is_deeply([ map { $answer->{headers}{"x-prometheus-remote-write-$_-written"} } qw(samples histograms exemplars) ], [ 123, 0, 0 ],
	'counts what is stored');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.series'), $before, 'and makes no other series');

my $labels = { __name__ => 'requests_total', job => 'api', instance => 'host1', path => "/\x{e4}\"\\" };
my $at = $t + 600;
success('query', "/api/v1/query?query=requests_total%7Binstance%3D%22host1%22%7D&time=$at",
	{ resultType => 'vector', result => [ { metric => $labels, value => [ $at, '400' ] } ] });
success('query range', "/api/v1/query_range?query=sum(rate(requests_total%5B1m%5D))&start=$at&end=" . ($at + 15) . '&step=15',
	{ resultType => 'matrix', result => [ { metric => {}, values => [ [ $at, '2' ], [ $at + 15, '2' ] ] } ] });
success('query range by POST, half of it in the URL', "/api/v1/query_range?step=15s&start=$at",
	{ resultType => 'matrix', result => [ { metric => {}, values => [ [ $at, '3' ] ] } ] }, form => "query=count(requests_total)&end=$at");
success('the body wins over the URL', '/api/v1/query?query=1&time=1', { resultType => 'scalar', result => [ 4, '2' ] },
	form => 'query=2&time=4');
success('RFC 3339', '/api/v1/query?query=1&time=2023-11-14T22:13:20.5Z', { resultType => 'scalar', result => [ $t + 0.5, '1' ] });
success('labels', "/api/v1/labels?start=$t&end=$at", [ qw(__name__ instance job path) ]);
success('labels by POST', '/api/v1/labels', [ qw(__name__ instance job path) ], form => "start=$t&end=$at");
success('metric names', '/api/v1/label/__name__/values', [ 'requests_total' ]);
success('label values', "/api/v1/label/instance/values?match[]=requests_total&start=$t&end=$at", [ qw(host1 host2 host3) ]);
$answer = $gateway->get('/api/v1/label/instance/values?limit=2');
is_deeply($answer->{json}{data}, [ qw(host1 host2) ], 'label values with a limit');
is_deeply($answer->{json}{warnings}, [ 'results truncated due to limit' ], 'and a warning');
success('series', '/api/v1/series?match[]=requests_total%7Binstance%3D%22host1%22%7D&match%5B%5D=nothing', [ $labels ]);
is(scalar @{ $gateway->get('/api/v1/series?match[]=%7B__name__!%3D%22%22%7D')->{json}{data} }, 3, 'all series');
success('metadata', '/api/v1/metadata?limit=5',
	{ requests_total => [ { type => 'counter', help => 'Requests that came.', unit => '' } ] });
success('format', '/api/v1/format_query?query=sum(a)by(b)', 'sum by (b) (a)');
is($gateway->form('/api/v1/parse_query', 'query=a')->{json}{data}{type}, 'vectorSelector', 'parse');
is($gateway->get("/api/v1/query?query=requests_total&time=$at&stats=all")->{json}{data}{stats}{samples}{totalQueryableSamples}, 3, 'stats');
is(scalar @{ $gateway->get("/api/v1/query?query=requests_total&time=$at&limit=2")->{json}{data}{result} }, 2, 'limit');
is_deeply($gateway->get("/api/v1/query?query=requests_total&time=@{[$at + 60]}&lookback_delta=30s")->{json}{data}{result}, [], 'lookback');
is($gateway->get("/api/v1/query?query=1&max_samples_processed_warning_threshold=5&x=y")->{status}, 200, 'unknown parameters are ignored');

# Large answers, compressed or not.
my $path = "/api/v1/query_range?query=requests_total&start=$t&end=$at&step=1";
my $plain = $gateway->get($path);
my $gzip = $gateway->get($path, 'Accept-Encoding' => 'br, gzip;q=0.8');
is($plain->{headers}{'content-encoding'}, undef, 'not compressed unless asked');
is($gzip->{headers}{'content-encoding'}, 'gzip', 'compressed when asked');
ok(length $gzip->{raw} < length($plain->{body}) / 5, 'which is shorter');
is($gzip->{body}, $plain->{body}, 'and the same');
use IO::Compress::Gzip qw(gzip);
my ($form, $packed) = ('query=1%2B1&time=4');
gzip(\$form => \$packed);
is($gateway->form('/api/v1/query', $packed, 'Content-Encoding' => 'gzip')->{json}{data}{result}[1], 2, 'a compressed form');

# Status, browsers, federation, JSON push, deletion.
for my $page (qw(runtimeinfo tsdb tsdb/blocks walreplay))
{
	is($gateway->get("$_/api/v1/status/$page")->{json}{status}, 'success', "$_/status/$page") for '', '/prometheus';
}
is($gateway->get('/-/ready')->{status}, 200, 'ready');
is($gateway->request('HEAD', '/-/healthy')->{status}, 200, 'HEAD');
like($gateway->get('/metrics')->{body}, qr/^pgtsdb_gateway_http_requests_total\{handler="\/api\/v1\/write",code="204"\} 3$/m, 'metrics');
$answer = $gateway->request('OPTIONS', '/api/v1/query', undef, Origin => 'http://grafana');
is($answer->{status}, 204, 'OPTIONS');
is($answer->{headers}{'access-control-allow-origin'}, '*', 'allows scripts of any origin');
is($gateway->request('OPTIONS', '/api/v1/write', undef, Origin => 'http://x')->{headers}{'access-control-allow-origin'}, undef,
	'to read, not to write');
is($gateway->get('/api/v1/query?query=1', Origin => 'http://grafana')->{headers}{'access-control-allow-origin'}, '*',
	'on the answers too');

my $now = int(time());
is($gateway->write([ { labels => { __name__ => 'f', l => "a\"\n" }, samples => [ [ $now * 1000 - 1000, 1.5 ] ] },
	{ labels => { __name__ => 'gone' }, samples => [ [ $now * 1000 - 1000, 'stale' ] ] } ])->{status}, 204, 'written now');
is($gateway->get('/federate?match[]=f&match[]=gone')->{body},
	"# TYPE f untyped\nf{instance=\"\",l=\"a\\\"\\n\"} 1.5 @{[$now * 1000 - 1000]}\n", 'federation, without what is stale');
is($gateway->get('/federate?match[]=%7B')->{status}, 400, 'federation of nonsense');

# Remote read: what comes back is what would be written, bit for bit.
sub read_back
{
	my ($queries, @types) = @_;
	my $answer = $gateway->post('/api/v1/read', remote_read_body($queries, @types), 'Content-Encoding' => 'snappy',
		'Content-Type' => 'application/x-protobuf', 'X-Prometheus-Remote-Read-Version' => '0.1.0', 'Accept-Encoding' => 'snappy, gzip');
	is_deeply([ $answer->{status}, @{ $answer->{headers} }{qw(content-type content-encoding)} ],
		[ 200, 'application/x-protobuf', 'snappy' ], 'remote read') or diag($answer->{body});
	return [ remote_read_results($answer->{raw}) ];
}
my @all = ($t * 1000, ($t + 600) * 1000);
delete $series[0]{metadata};
is_deeply(read_back([ [ @all, [ 0, '__name__', 'requests_total' ] ] ]), [ join '', map { Pgtsdb::RemoteWrite::time_series($_) } @series ],
	'answers all samples of all series');
is_deeply(read_back([ [ @all, [ 0, '__name__', 'requests_total' ], [ 3, 'instance', 'host[23]' ] ],
		[ $now * 1000 - 1000, $now * 1000, [ 2, '__name__', 'go.*' ], [ 1, '__name__', 'gogo' ] ], [ 1, 2, [ 0, '__name__', 'requests_total' ] ] ], 0, 1),
	[ Pgtsdb::RemoteWrite::time_series($series[0]),
		Pgtsdb::RemoteWrite::time_series({ labels => { __name__ => 'gone' }, samples => [ [ $now * 1000 - 1000, 'stale' ] ] }), '' ],
	'three queries, a stale marker among the samples');
is($gateway->post('/api/v1/read', remote_read_body([], 7))->{status}, 400, 'answers of a type that there is not');
is($gateway->post('/api/v1/read', 'nonsense')->{status}, 400, 'nonsense');
is($gateway->post('/api/v1/read', remote_read_body([ [ 1, 2, [ 2, 'a', '(' ] ] ]))->{status}, 400, 'nor a pattern that is none');
is($gateway->post('/api/v1/read', '', 'Content-Encoding' => 'gzip')->{status}, 415, 'nor another encoding');

$answer = $gateway->post('/v1/metrics/push',
	qq({"samples": [{"metric": "m", "labels": {"a": "b"}, "timestampMs": ${now}000, "value": 1}, {"metric": "m"}]}));
is($answer->{status}, 202, 'push');
is_deeply($answer->{json}, { ingestedCount => 1, droppedCount => 1 }, 'counts');
is($gateway->get("/v1/metrics/query_range?query=m&start=$now&end=$now&step=15")->{json}{data}{result}[0]{metric}{a}, 'b', 'and is read');
is($gateway->post('/v1/metrics/push', '{"samples": ')->{status}, 400, 'push of half a document');

is($gateway->post('/api/v1/admin/tsdb/delete_series?match[]=m&match[]=f', '')->{status}, 204, 'deletion');
success('has deleted', '/api/v1/series?match[]=%7B__name__%3D~%22m%7Cf%22%7D', []);
is($gateway->post('/api/v1/admin/tsdb/delete_series', '')->{status}, 400, 'deletion of nothing');

# Rules, alerts, targets.
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, severity, evaluation_interval)
	VALUES ('Up', 'vector(12.5)', 'page', '1 s');
	INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('api', '127.0.0.1:1')});
wait_until('an alert fires', 30, sub { @{ $gateway->get('/api/v1/alerts')->{json}{data}{alerts} } > 0
	&& $gateway->get('/api/v1/alerts')->{json}{data}{alerts}[0]{state} eq 'firing' });
my $alert = $gateway->get('/api/v1/alerts')->{json}{data}{alerts}[0];
is_deeply([ @$alert{qw(labels value)} ], [ { alertname => 'Up', severity => 'page' }, '1.25e+01' ], 'and is answered');
like($alert->{activeAt}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/, 'with its time');
my $group = $gateway->get('/api/v1/rules')->{json}{data}{groups}[0];
is_deeply([ @$group{qw(name file interval)} ], [ 'every 1s', 'tsdb.alert_rules', 1 ], 'a group of rules');
is_deeply([ @{ $group->{rules}[0] }{qw(name query state health type labels)} ],
	[ 'Up', 'vector(12.5)', 'firing', 'ok', 'alerting', { severity => 'page' } ], 'with its rule');
is(scalar @{ $group->{rules}[0]{alerts} }, 1, 'and its alert');
is_deeply($gateway->get('/api/v1/rules?type=record')->{json}{data}{groups}, [], 'no recording rules');
is($gateway->get('/api/v1/rules?type=x')->{status}, 400, 'no other kind');
my $target = $gateway->get('/api/v1/targets?state=active')->{json}{data}{activeTargets}[0];
is_deeply([ @$target{qw(scrapePool scrapeUrl scrapeInterval scrapeTimeout)} ],
	[ 'api', 'http://127.0.0.1:1/metrics', '60s', '10s' ], 'a target');
success('the pools', '/api/v1/scrape_pools', { scrapePools => [ 'api' ] });
success('Alertmanagers', '/api/v1/alertmanagers', { activeAlertmanagers => [], droppedAlertmanagers => [] });
is_deeply($gateway->get('/api/v1/targets?state=dropped')->{json}{data}{activeTargets}, [], 'of which none is dropped');

is($node->safe_psql('postgres', q{SELECT string_agg(tsdb.api_value(v), ' ' ORDER BY n) FROM unnest('{0,1,-1,100,0.00123,1e-7,1.5e300,123.456,NaN,Infinity,-Infinity}'::float8[])
	WITH ORDINALITY x (v, n)}), '0e+00 1e+00 -1e+00 1e+02 1.23e-03 1e-07 1.5e+300 1.23456e+02 NaN +Inf -Inf', 'values of alerts');

$node->stop;
done_testing();
