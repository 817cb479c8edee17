# Routes of Prometheus and Mimir besides those of Grafana's data sources: each answers what is true here.
use strict;
use warnings;
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
