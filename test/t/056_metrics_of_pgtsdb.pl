# What the server tells of itself: counted when a transaction commits, each tenant its own, in a text that Prometheus reads, and
# whatever the database does.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use Test::More;

use Pgtsdb::Gateway;
use Pgtsdb::Node;

my $node = pgtsdb_node('metrics', workers => 0, settings => "max_prepared_transactions = 2\n");
Pgtsdb::Gateway::make_roles($node);

# The samples of a page; dies of a line that is none, of a family without HELP and TYPE, or one that comes in two pieces.
sub samples
{
	my ($page) = @_;
	my (%samples, %type, %help, $family);
	for (split /\n/, $page)
	{
		if (/^# HELP (\S+) \S/) { die "again: $_" if $help{$1}++; $family = $1; next; }
		if (/^# TYPE (\S+) (counter|gauge|histogram)$/) { die "TYPE without HELP: $_" unless $1 eq $family; $type{$1} = $2; next; }
		next if /^# no metrics/;
		my ($name, $labels, $value) = /^([a-z_]+)(\{[^{}]+\})? (\S+)$/ or die "no sample: $_";
		my $base = $type{$family} eq 'histogram' ? $name =~ s/_(?:bucket|sum|count)$//r : $name;
		die "not of family $family: $_" unless $base eq $family;
		die "a counter ends in _total: $_" if $type{$family} eq 'counter' xor $name =~ /_total$/;
		die "twice: $_" if exists $samples{ $name . ($labels // '') };
		$samples{ $name . ($labels // '') } = $value;
	}
	return \%samples;
}

sub metrics { my ($tenant) = @_; return samples($node->safe_psql('postgres', "SET pgtsdb.tenant = '" . ($tenant // 'default') . "'; SELECT tsdb.api_metrics()")) }
# Of the tenant, without prefix and its label; what is zero is left out.
sub counters
{
	my ($metrics, $tenant) = @_;
	my %counters;
	for (keys %$metrics)
	{
		my ($name, $labels) = /^pgtsdb_(\w+)\{tenant="default",?(.*)\}$/ or next;
		$counters{"$name$labels"} = $metrics->{$_} if $metrics->{$_} > 0;
	}
	return \%counters;
}

# ---- ingest ----

is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.tenant_counters() WHERE value > 0'), 0, 'nothing has happened');
my $push = q{tsdb.push_text(%s, '{"job": "m"}', now() - interval '%s')};
my $some = sprintf $push, q{E'a 1\nb 2\n'}, '1 s';
$node->safe_psql('postgres', "BEGIN; SELECT $some; ROLLBACK");
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.tenant_counters() WHERE value > 0'), 0, 'what is rolled back has not happened');
$node->safe_psql('postgres', "BEGIN; SELECT $some; SAVEPOINT s; SELECT " . sprintf($push, q{'c 1'}, '2 s') . '; ROLLBACK TO s; SELECT ' .
	  sprintf($push, q{'d 1'}, '2 s') . '; SAVEPOINT t; SELECT ' . sprintf($push, q{'e 1'}, '2 s') . '; RELEASE t; COMMIT');
my $n = counters(metrics());
is_deeply([ @$n{qw(ingested_samples_total writes_total created_series_total)} ], [ 4, 3, 4 ], 'nor what a savepoint takes back');
is($n->{head_inserted_rows_total}, $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 'rows of head');
is($n->{late_samples_total}, undef, 'none is late');
$node->safe_psql('postgres', "BEGIN; SELECT " . sprintf($push, q{'p 1'}, '1 s') . "; PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'");
is(counters(metrics())->{ingested_samples_total}, 5, 'a prepared one');

$node->safe_psql('postgres', q{
	BEGIN; SELECT tsdb.push_text(E'a 5\n', at => now() - interval '1 s'), tsdb.push_text(E'a 5\n', at => now() - interval '1 s'); COMMIT;
	BEGIN; SELECT tsdb.push_text(E'a 5\n', at => now() - interval '2 s'), tsdb.push_text(E'a 6\n', at => now() - interval '2 s'); COMMIT;
	SELECT tsdb.push_text(E'a 7\n', at => now() - interval '3 days');
	SELECT tsdb.push_text(E'1a 1\na b 1\n');
	SET pgtsdb.ingest_max_age = '1h'; SET pgtsdb.ingest_max_ahead = '1min';
	SELECT tsdb.push_text('a 8', at => now() - interval '2 hours');
	SELECT tsdb.push_text('a 9', at => now() + interval '2 hours')});
my $more = counters(metrics());
ok($more->{ingest_wal_bytes_total} > 0, 'WAL');
is($more->{duplicate_samples_total}, 1, 'duplicates');
is($more->{late_samples_total}, 1, 'late samples');
is($more->{'rejected_samples_totalreason="' . $_->[0] . '"'}, $_->[1], "rejected: $_->[0]")
	for [ conflict => 1 ], [ invalid => 2 ], [ too_old => 1 ], [ too_new => 1 ];

# ---- compaction ----

my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head');
$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
my $metrics = metrics();
$n = counters($metrics);
is($n->{compacted_head_rows_total}, $rows, 'rows of head are compacted');
is($n->{written_chunk_rows_total}, $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks'), 'and chunks written');
ok($n->{compacted_samples_total} >= 8 && $n->{written_chunk_bytes_total} > 0, 'with samples and bytes');
ok(!$n->{head_groups} && !exists $metrics->{'pgtsdb_head_oldest_timestamp_seconds{tenant="default"}'}, 'head is empty');
is($metrics->{pgtsdb_chunk_partitions}, $node->safe_psql('postgres', q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'tsdb.chunks'::regclass}), 'partitions');
is($metrics->{'pgtsdb_table_size_bytes{table="head"}'}, $node->safe_psql('postgres', q{SELECT pg_total_relation_size('tsdb.head')}), 'size of head');

# ---- queries ----

$node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.promql('a', now(), now() + interval '1 min', '15 s'); SELECT tsdb.api_query('b')});
$node->psql('postgres', q{SELECT tsdb.promql('a(')});
$node->safe_psql('postgres', q{SELECT tsdb.api_query('sum(a) by')});
$n = counters(metrics());
is_deeply([ @$n{qw(queries_total failed_queries_total query_duration_seconds_count)}, $n->{'query_duration_seconds_bucketle="+Inf"'} ], [ 4, 2, 2, 2 ],
	'queries, and those that failed');
ok($n->{query_samples_total} >= 2 && $n->{query_duration_seconds_sum} > 0, 'what they read and took');

# ---- whose they are ----

$node->safe_psql('postgres', q{
	CREATE ROLE stranger LOGIN; CREATE ROLE reader LOGIN;
	SELECT tsdb.create_tenant(E'q"\\\n');
	INSERT INTO tsdb.tenant_members VALUES ('reader', E'q"\\\n')});
my $other = samples($node->safe_psql('postgres', q{SET ROLE reader; SELECT set_config('pgtsdb.tenant', E'q"\\\n', false) \g /dev/null
SELECT tsdb.api_metrics()}));
is($other->{'pgtsdb_ingested_samples_total{tenant="q\"\\\\n"}'}, 0, 'a tenant has its own, and its name is quoted');
is(scalar(grep { /tenant="default"/ } keys %$other), 0, 'and no other');
like(($node->psql('postgres', 'SET ROLE stranger; SELECT tsdb.api_metrics()', on_error_stop => 0))[2], qr/may not read/, 'who is no member has none');

# ---- over HTTP ----

my $gateway = Pgtsdb::Gateway->start($node);
sub page { my $answer = $gateway->get('/metrics', @_); is($answer->{status}, 200, 'metrics over HTTP'); return ($answer->{body}, samples($answer->{body})) }
my ($text, $page) = page();
is($page->{pgtsdb_gateway_database_up}, 1, 'the database is up');
is($page->{pgtsdb_gateway_database_metrics}, 1, 'and tells');
ok($page->{'pgtsdb_ingested_samples_total{tenant="default"}'} > 0, 'its metrics');
ok(exists $page->{'pgtsdb_gateway_pool_served_total{pool="read"}'} && $page->{process_start_time_seconds} > 1e9, 'behind those of the gateway');
($text, $page) = page('X-Scope-OrgID' => 'nobody');
is_deeply([ @$page{qw(pgtsdb_gateway_database_up pgtsdb_gateway_database_metrics)} ], [ 1, 0 ], 'of a tenant that is none, those of the gateway only');
like($text, qr/^# no metrics of the database: .*nobody/m, 'with the reason');
$node->stop;
($text, $page) = page();
is($page->{pgtsdb_gateway_database_up}, 0, 'the database is down');
like($text, qr/^# no metrics of the database: \S/m, 'with the reason');
ok($page->{'pgtsdb_gateway_http_requests_total{handler="/metrics",code="200"}'} >= 2, 'and the gateway tells of itself');
$node->start;
wait_until('the database is up again', 30, sub { (samples($gateway->get('/metrics')->{body}))->{pgtsdb_gateway_database_up} == 1 });
$gateway->stop;

SKIP:
{
	skip 'promtool is not installed', 1 unless grep { -x "$_/promtool" } split /:/, $ENV{PATH};
	my $file = PostgreSQL::Test::Utils::tempdir() . '/metrics';
	PostgreSQL::Test::Utils::append_to_file($file, $text);
	is(system("promtool check metrics < $file"), 0, 'promtool finds nothing');
}

$node->stop;
done_testing();
