# Routes of Prometheus and Mimir besides those of Grafana's data sources: each answers what is true here.
use strict;
use warnings;
use Digest::SHA ();
use PostgreSQL::Test::Cluster;
use Test::More;

use Pgtsdb::Gateway;
use Pgtsdb::Node;

my $node = pgtsdb_node('routes', workers => 0);
Pgtsdb::Gateway::make_roles($node);
my $gateway = Pgtsdb::Gateway->start($node);

sub data { my ($path) = @_; my $answer = $gateway->get($path); is($answer->{status}, 200, $path) or diag($answer->{body}); return $answer->{json}{data} }

# What the server can do.  Each function that is told of can be used, and no other.
my $features = data('/api/v1/features');
my @sections = sort keys %$features;
is_deeply(\@sections, [ qw(api promql promql_functions promql_operators rules scrape tsdb) ], 'sections');
ok($features->{promql}{subqueries} && $features->{promql_functions}{rate} && $features->{promql_operators}{topk}, 'PromQL');
is(scalar keys %{ $features->{promql_functions} }, 90, 'all functions');
ok(!$features->{tsdb}{native_histograms} && !$features->{api}{otlp_write_receiver}, 'what is not there is told as well');
is(join(',', sort grep { $gateway->get("/api/v1/parse_query?query=$_(1,2,3,4,5,6,7)")->{json}{error} =~ /unknown function/ }
		keys %{ $features->{promql_functions} }), '', 'functions that are known');

# Metadata of targets: of the metrics of which a target has series.
$node->safe_psql('postgres', q{
	SELECT tsdb.push_text(E'# HELP a_total Of a.\n# TYPE a_total counter\na_total 1\n# TYPE h histogram\n# HELP h Of h.\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\nup 1\n',
		'{"job": "one", "instance": "h:1", "zone": "z"}');
	SELECT tsdb.push_text(E'a_total 1\nb 1\n', '{"job": "two", "instance": "h:2"}');
	INSERT INTO tsdb.scrape_targets (job_name, address, labels) VALUES ('one', 'h:1', '{"zone": "z"}'), ('two', 'h:2', '{}'), ('two', 'h:3', '{}')});
my ($one, $two) = ({ job => 'one', instance => 'h:1', zone => 'z' }, { job => 'two', instance => 'h:2' });
my @a = (type => 'counter', help => 'Of a.', unit => '');
my @all = ({ target => $one, metric => 'a_total', @a }, { target => $one, metric => 'h', type => 'histogram', help => 'Of h.', unit => '' },
	{ target => $two, metric => 'a_total', @a });
is_deeply(data('/api/v1/targets/metadata'), \@all, 'of all targets');
is_deeply(data('/api/v1/targets/metadata?match_target={job=%22two%22}'), [ $all[2] ], 'of one');
is_deeply(data('/api/v1/targets/metadata?metric=a_total'), [ { target => $one, @a }, { target => $two, @a } ], 'of one metric');
is_deeply(data('/api/v1/targets/metadata?limit=1'), [ @all[0, 1] ], 'with a limit, a target is told whole');
is_deeply(data('/api/v1/targets/metadata?limit=0'), [], 'of none');
is_deeply(data('/api/v1/targets/metadata?metric=nothing'), [], 'of no metric');
is($gateway->get('/api/v1/targets/metadata?limit=x')->{json}{error}, 'limit must be a number', 'a limit that is none');
is($gateway->get('/api/v1/targets/metadata?match_target={job=')->{status}, 400, 'a selector that is none');

# Rules, by what they are, and page by page.
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval, severity, labels) VALUES
	('A', 'up == 0', '10 s', 'page', '{}'), ('B', 'up == 1', '10 s', NULL, '{"team": "x"}'), ('C', 'up == 2', '30 s', 'page', '{}'), ('D', 'up == 3', '1 min', NULL, '{}')});
sub rules { my ($filter) = @_; return join ' ', map { "$_->{name}:" . join '', map { $_->{name} } @{ $_->{rules} } } @{ data("/api/v1/rules?$filter")->{groups} } }
is(rules(''), 'every 10s:AB every 30s:C every 60s:D', 'all rules');
is(rules('rule_name[]=B&rule_name[]=C'), 'every 10s:B every 30s:C', 'by name');
is(rules('rule_group[]=every%2030s'), 'every 30s:C', 'by group');
is(rules('file[]=tsdb.alert_rules&match[]={severity="page"}'), 'every 10s:A every 30s:C', 'by labels');
is(rules('match[]={team="x"}&match[]={severity=~".%2B"}&rule_name[]=B'), 'every 10s:B', 'by one of several selectors');
is(rules('file[]=other'), '', 'of another file');
my ($token, @pages) = ('');
while (defined $token)
{
	my $page = data("/api/v1/rules?group_limit=2&group_next_token=$token");
	push @pages, join ' ', map { $_->{name} } @{ $page->{groups} };
	$token = $page->{groupNextToken};
}
is_deeply(\@pages, [ 'every 10s every 30s', 'every 60s' ], 'two groups at a time');
is($gateway->get('/api/v1/rules?group_limit=1')->{json}{data}{groupNextToken}, Digest::SHA::sha256_hex('tsdb.alert_rules;every 30s'), 'the token of Prometheus');
for ([ 'group_limit=1&group_next_token=x', qr/were rule groups changed/ ], [ 'group_next_token=x', qr/group_limit needs to be present/ ],
	[ 'group_limit=0', qr/greater than 0/ ], [ 'group_limit=x', qr/valid number/ ], [ 'match[]={', qr/./ ])
{
	my $answer = $gateway->get("/api/v1/rules?$_->[0]");
	is_deeply([ $answer->{status}, $answer->{json}{errorType} ], [ 400, 'bad_data' ], $_->[0]) or diag($answer->{body});
	like($answer->{json}{error}, $_->[1], 'and why');
}

# Administration.
for my $method (qw(POST PUT))
{
	my $answer = $gateway->request($method, '/api/v1/admin/tsdb/clean_tombstones', '');
	is_deeply([ @$answer{qw(status body)} ], [ 204, '' ], "$method clean_tombstones: there are none");
	$answer = $gateway->request($method, '/api/v1/admin/tsdb/snapshot?skip_head=true', '');
	is($answer->{status}, 500, "$method snapshot");
	is($answer->{json}{errorType}, 'unavailable', 'is what Prometheus says when it cannot');
	like($answer->{json}{error}, qr/pg_basebackup/, 'and tells what to use');
	is($answer->{headers}{'retry-after'}, undef, 'which will not change');
	is($gateway->request($method, '/-/reload', '')->{status}, 200, "$method reload: what is configured holds already");
}
is($gateway->get('/api/v1/admin/tsdb/snapshot')->{status}, 405, 'GET changes nothing');
is_deeply(data('/api/v1/notifications'), [], 'notifications');

# Mimir: what it says that it has, it has.
my %flags = %{ data('/prometheus/api/v1/status/buildinfo')->{features} };
my %routes = (ruler_config_api => '/prometheus/config/v1/rules', alertmanager_config_api => '/prometheus/api/v1/alerts/config');
is($flags{$_}, $gateway->get($routes{$_})->{status} == 404 ? 'false' : 'true', $_) for sort keys %routes;
my $mimir = '/prometheus/api/v1/cardinality';
is_deeply($gateway->get("$mimir/label_names?limit=2")->{json}, { label_names_count => 5, label_values_count_total => 12,
	cardinality => [ { label_name => '__name__', label_values_count => 6 }, { label_name => 'instance', label_values_count => 2 } ] }, 'label names');
is_deeply($gateway->get("$mimir/label_names?selector=b")->{json}{label_names_count}, 3, 'of a selector');
my $of_b = { label_name => 'job', label_values_count => 1, series_count => 1, cardinality => [ { label_value => 'two', series_count => 1 } ] };
is_deeply($gateway->get("$mimir/label_values?label_names[]=job&label_names[]=zone&selector={__name__=%22b%22}")->{json},
	{ series_count_total => 1, labels => [ $of_b ] }, 'label values');
is($gateway->form("$mimir/label_values", 'label_names[]=__name__')->{json}{series_count_total}, 7, 'of all series');
is(scalar @{ $gateway->get("$mimir/active_series?selector={job=%22two%22}")->{json}{data} }, 2, 'active series');
is($gateway->get("$mimir/$_")->{status}, 400, "$_: asked for nothing") for qw(label_values active_series);
is($gateway->get("$mimir/label_names?limit=501")->{status}, 400, 'too many');
is($gateway->get("$mimir/label_names?selector={")->{status}, 400, 'a selector that is none');

$gateway->stop;
$node->stop;
done_testing();
