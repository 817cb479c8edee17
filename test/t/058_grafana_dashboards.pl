# The dashboards of docs/grafana: each query in them, with its variables set as Grafana sets them, is answered, and where there is
# data of its shape, with data.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Gateway;
use Pgtsdb::Grafana;
use Pgtsdb::Node;

my $home = dirname(__FILE__) . '/../../docs/grafana';
my %boards = map { basename($_) => JSON::PP->new->utf8->decode(slurp_file($_)) } glob "$home/dashboards/*.json";
is_deeply([ sort keys %boards ], [ qw(hosts.json pgtsdb.json services.json) ], 'dashboards');

sub panels { my ($board) = @_; return map { ($_, @{ $_->{panels} // [] }) } @{ $board->{panels} } }
sub kind { my ($source) = @_; return { prometheus => 'prometheus', 'grafana-postgresql-datasource' => 'postgres' }->{ $source->{type} } // 'other' }

# ---- what a panel must have ----

my %uids;
for my $file (sort keys %boards)
{
	my $board = $boards{$file};
	ok($board->{schemaVersion} >= 39 && !$uids{ $board->{uid} }++ && $board->{title} && $board->{description}, "$file: schema, uid, title");
	my %sources = map { ("\${$_->{name}}" => $_->{query}) } grep { $_->{type} eq 'datasource' } @{ $board->{templating}{list} };
	my (%ids, %taken);
	for my $panel (panels($board))
	{
		my $name = "$file: $panel->{title}";
		ok(!$ids{ $panel->{id} }++, "$name: its own id");
		my $place = $panel->{gridPos};
		my @cells = map { my $x = $_; map { "$x,$_" } $place->{y} .. $place->{y} + $place->{h} - 1 } $place->{x} .. $place->{x} + $place->{w} - 1;
		ok($place->{x} + $place->{w} <= 24 && !(grep { $taken{$_}++ } @cells), "$name: its own place");
		next if $panel->{type} eq 'row';
		my $defaults = $panel->{fieldConfig}{defaults};
		ok($panel->{description} && $defaults->{unit} && $defaults->{thresholds}{steps} && @{ $panel->{targets} }, "$name: description, unit, thresholds");
		is($sources{ $_->{datasource}{uid} }, $_->{datasource}{type}, "$name: a data source that can be chosen") for $panel, @{ $panel->{targets} };
	}
}

# ---- data of the shape that exporters and client libraries give it ----

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = pgtsdb_node('dashboards', workers => 1, settings => <<"END");
pgtsdb.http_listen = '127.0.0.1:$port'
pgtsdb.http_anonymous_role = 'agent'
END
Pgtsdb::Gateway::make_roles($node);
my $gateway = Pgtsdb::Gateway->at($port);
ok($gateway->wait_until_healthy, 'the gateway runs');

my $host = <<'END';
node_uname_info{nodename="h"} 1
node_boot_time_seconds 1.7e9
node_load1 0.5
node_cpu_seconds_total{cpu="0",mode="idle"} 10*
node_cpu_seconds_total{cpu="0",mode="user"} 5*
node_memory_MemTotal_bytes 8e9
node_memory_MemAvailable_bytes 5e9
node_vmstat_pgmajfault 3*
node_vmstat_oom_kill 1*
node_disk_io_time_seconds_total{device="sda"} 2*
node_disk_io_time_weighted_seconds_total{device="sda"} 3*
node_disk_read_bytes_total{device="sda"} 1000*
node_disk_written_bytes_total{device="sda"} 2000*
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1e11
node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 4e10
node_filesystem_device_error{device="/dev/sda1",fstype="ext4",mountpoint="/"} 0
node_network_receive_bytes_total{device="eth0"} 100*
node_network_transmit_bytes_total{device="eth0"} 200*
node_network_receive_drop_total{device="eth0"} 0*
node_network_transmit_drop_total{device="eth0"} 0*
node_network_receive_errs_total{device="eth0"} 0*
node_network_transmit_errs_total{device="eth0"} 0*
END
my $histogram = join '', map { my ($le, $n) = @$_; "NAME_bucket{LABELS,le=\"$le\"} $n*\n" } [ 0.1, 3 ], [ 1, 5 ], [ '+Inf', 6 ];
$histogram .= "NAME_sum{LABELS} 4*\nNAME_count{LABELS} 6*\n";
sub histogram { my ($name, $labels) = @_; return $histogram =~ s/NAME/$name/gr =~ s/LABELS/$labels/gr }
my %services = (
	# Go's and Python's usual names, Micrometer's, OpenTelemetry's
	go => qq(http_requests_total{code="200",method="get"} 5*\nhttp_requests_total{code="500",method="get"} 1*\n)
	  . histogram('http_request_duration_seconds', 'handler="/"'),
	spring => histogram('http_server_requests_seconds', 'method="GET",status="200",uri="/a"') . histogram('http_server_requests_seconds', 'method="GET",status="503",uri="/b"'),
	otel => histogram('http_server_request_duration_seconds', 'http_response_status_code="200",http_route="/a"')
	  . histogram('http_server_request_duration_seconds', 'http_response_status_code="500",http_route="/b"'));

my $now = int(time());
# A star is the number of the scrape.
sub scrape
{
	my ($job, $page, $n, $at) = @_;
	$page =~ s/([\d.]+)\*/$1 * $n/ge;
	$node->safe_psql('postgres', "SELECT tsdb.push_text(\$p\$$page\$p\$, '{\"job\": \"$job\", \"instance\": \"h:1\"}', to_timestamp($at))");
	return;
}
for my $n (0 .. 20)
{
	my $at = $now - 15 * (20 - $n);
	scrape('node', $host, $n, $at);
	scrape($_, $services{$_}, $n, $at) for keys %services;
	scrape('scraped', "scrape_duration_seconds 0.01\nscrape_samples_scraped 100\n", $n, $at);
}
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.scrape_targets (job_name, address, labels, status) VALUES ('scraped', 'h:1', '{}', 'PAUSED');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('Up', 'vector(1)', '1 s');
	SELECT tsdb.api_query('up(')});
$gateway->get('/api/v1/query?query=sum(node_load1)') for 1 .. 3;
wait_until('an alert fires', 30, sub { $node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.alert_events WHERE new_state = 'firing'}) > 0 });
# pgtsdb's own page, as it is, some times; what it counts meanwhile is enough to have rates.
for my $n (0 .. 3)
{
	my $page = $gateway->get('/metrics')->{body};
	scrape('pgtsdb', $page, 0, $now - 15 * (3 - $n));
	$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
}

# ---- variables ----

my $grafana = Pgtsdb::Grafana->new(from => $now - 300, to => $now + 60, interval => '15s');

# The values of a variable's query, as the data source finds them.
sub values_of
{
	my ($query, $variables) = @_;
	my $text = $grafana->promql($query, $variables);
	my $path = $text =~ /^label_values\((?:(.*),)?\s*(\w+)\)$/s ? "/api/v1/label/$2/values?" . (defined $1 ? 'match[]=' . Pgtsdb::Gateway::encode($1) : '')
		: $text =~ /^label_names\((.*)\)$/s ? '/api/v1/labels?match[]=' . Pgtsdb::Gateway::encode($1) : die "not known: $text";
	my $answer = $gateway->get("$path&start=@{[$now - 300]}&end=$now");
	is($answer->{status}, 200, $text) or diag($answer->{body});
	return @{ $answer->{json}{data} };
}

# One choice for each variable: `first` names values; else All, or the first value.
sub choose
{
	my ($board, %first) = @_;
	my %chosen;
	for my $variable (grep { $_->{type} eq 'query' } @{ $board->{templating}{list} })
	{
		my @values = values_of($variable->{query}{query}, \%chosen);
		if (my ($pattern) = ($variable->{regex} // '') =~ m{^/(.*)/$})
		{
			@values = map { /$pattern/ ? $1 : () } @values;
		}
		@values = sort @values;
		@values = reverse @values if $variable->{sort} == 2;
		ok(@values > 0, "variable $variable->{name}: @values");
		$chosen{ $variable->{name} } = $first{ $variable->{name} } // ($variable->{includeAll} ? $variable->{allValue} : $values[0]);
	}
	return \%chosen;
}

# ---- queries ----

# What may be empty: there are no such things, or none yet.
my %may_be_empty = map { $_ => 1 } ('Errors by status');

sub ask_prometheus
{
	my ($target, $variables) = @_;
	my $query = $grafana->promql($target->{expr}, $variables);
	my $answer = $target->{instant} ? $gateway->form('/api/v1/query', 'time=' . $now . '&query=' . Pgtsdb::Gateway::encode($query))
		: $gateway->form('/api/v1/query_range', "start=@{[$now - 300]}&end=$now&step=15&query=" . Pgtsdb::Gateway::encode($query));
	is($answer->{status}, 200, $query) or diag($answer->{body});
	return scalar @{ $answer->{json}{data}{result} // [] };
}

$node->safe_psql('postgres', q{
	CREATE ROLE grafana LOGIN;
	INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('grafana', 'default');
	ALTER ROLE grafana SET search_path = public, tsdb;
	ALTER ROLE grafana SET default_transaction_read_only = on});
sub ask_postgres
{
	my ($target) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', undef, connstr => $node->connstr('postgres') . ' user=grafana',
		extra_params => [ '-c', $grafana->sql($target->{rawSql}) ]);
	is($err, '', $target->{rawSql} =~ s/\s+/ /gr);
	return scalar split /\n/, $out;
}

sub run
{
	my ($file, %first) = @_;
	my $variables = choose($boards{$file}, %first);
	for my $panel (grep { $_->{type} ne 'row' } panels($boards{$file}))
	{
		for my $target (@{ $panel->{targets} })
		{
			my $n = kind($target->{datasource}) eq 'postgres' ? ask_postgres($target) : ask_prometheus($target, $variables);
			ok($n > 0 || $may_be_empty{ $panel->{title} }, "$file, $panel->{title}: $n");
		}
	}
	for my $annotation (grep { kind($_->{datasource}) eq 'prometheus' } @{ $boards{$file}{annotations}{list} })
	{
		ask_prometheus($annotation->{target}, $variables);
	}
	return;
}
run('hosts.json');
run('services.json', job => [$_]) for sort keys %services;
# The gateway's own metrics have that shape too.
run('services.json', job => ['pgtsdb']);
run('pgtsdb.json');

# ---- provisioning ----

my $sources = slurp_file("$home/provisioning/datasources/pgtsdb.yaml");
my %types = map { ($_->{query} => 1) } grep { $_->{type} eq 'datasource' } map { @{ $_->{templating}{list} } } values %boards;
like($sources, qr/^ *type: $_$/m, "a data source for $_") for sort keys %types;
like(slurp_file("$home/provisioning/dashboards/pgtsdb.yaml"), qr{^ *path: /var/lib/grafana/dashboards$}m, 'where the dashboards are');

$node->stop;
done_testing();
