# pg_dump | pg_restore --exit-on-error into an empty database brings back everything: series, head, chunks and their
# partitions, targets, receivers, rules and the state of alerts.  The restored database goes on where the other was.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);

my $epoch = 1_700_000_000;
my $node = pgtsdb_node('dump', workers => 1);

sub write_samples
{
	my ($database, $from, @names) = @_;
	my @series = map {
		{
			labels => { __name__ => $_, job => 'dump', note => "quoted \"\\\n\x{20ac}" },
			samples => [ map { [ ($from + $_ * 60) * 1000, $_ / 3 ] } 0 .. 99 ]
		}
	} @names;
	return $node->safe_psql($database, remote_write_sql(@series));
}

# In two retention classes, and two days apart, so that there are several partitions of chunks; then rows that stay in head.
$node->safe_psql('postgres', q{INSERT INTO tsdb.retention_policies (selector, retention) VALUES ('dumped_b', '1000 years'), (NULL, NULL)});
write_samples('postgres', $epoch, 'dumped_a', 'dumped_b');
write_samples('postgres', $epoch + 200_000, 'dumped_a', 'dumped_c');
$node->safe_psql('postgres', 'CALL tsdb.compact()');
write_samples('postgres', $epoch + 400_000, 'dumped_a', 'dumped_d');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks'), '>', 0, 'there are chunks');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), '>', 0, 'there are head rows');

$node->safe_psql('postgres', q{
	SELECT tsdb.create_tenant('other', 'a second tenant');
	INSERT INTO tsdb.scrape_targets (job_name, address, status) VALUES ('dump', '127.0.0.1:9', 'PAUSED');
	INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('nobody', 'http://127.0.0.1:9/');
	INSERT INTO tsdb.routes (receiver_name) VALUES ('nobody');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, for_duration, evaluation_interval)
	VALUES ('Pending', 'vector(1)', '1 day', '1 second'), ('Firing', 'vector(2)', '0', '1 second')});
$node->poll_query_until('postgres',
	q{SELECT array_agg(current_state ORDER BY current_state) = '{firing,pending}' FROM tsdb.alert_evaluation_states})
	or BAIL_OUT('the ruler evaluates nothing');

# From here on nothing changes by itself.
$node->adjust_conf('postgresql.conf', 'pgtsdb.databases', "''");
$node->restart;

# Every table that is dumped, with all its rows; the default tenant is made by CREATE EXTENSION, not by the dump.
sub all_tables
{
	my ($database) = @_;
	my @tables = split /\n/, $node->safe_psql($database, q{
		SELECT c::regclass FROM pg_extension, unnest(extconfig) c JOIN pg_class ON oid = c AND relkind = 'r'
		 WHERE extname = 'pgtsdb' ORDER BY 1});
	my %rows = map {
		my $where = /^tsdb\.tenant(s|_parts)$/ ? "WHERE tenant_id <> 'default'" : '';
		$_ => $node->safe_psql($database, "SELECT t FROM $_ t $where ORDER BY t::text")
	} @tables;
	return { %rows, %{ dump_of_storage($node, $database) } };
}

my $partitions = q{SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), c.reloptions
	FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'tsdb.chunks'::regclass ORDER BY 1};
my $indexes = q{SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
	FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'tsdb'::regnamespace ORDER BY 1};
my $query = "SELECT tsdb.api_query_range('rate(dumped_a[10m])', to_timestamp($epoch), to_timestamp($epoch + 410000), '5 min')";

my $folder = PostgreSQL::Test::Utils::tempdir();
for my $format ('custom', 'plain')
{
	my $database = "restored_$format";
	my $file = "$folder/dump.$format";
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, '-d', $node->connstr('postgres') ], "$format: pg_dump");
	if ($format eq 'custom')
	{
		$node->command_ok(
			[ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $node->connstr($database), $file ],
			'pg_restore --exit-on-error --single-transaction');
	}
	else
	{
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $file ],
			'psql with ON_ERROR_STOP');
	}

	my ($expected, $got) = map { all_tables($_) } 'postgres', $database;
	is($got->{$_}, $expected->{$_}, "$format: $_") for sort keys %$expected;
	is($node->safe_psql($database, $partitions), $node->safe_psql('postgres', $partitions), "$format: partitions");
	is($node->safe_psql($database, $indexes), $node->safe_psql('postgres', $indexes), "$format: indexes");
	is($node->safe_psql($database, $query), $node->safe_psql('postgres', $query), "$format: the same answers");

	# known series are known, new ones get numbers that nobody has
	write_samples($database, $epoch + 500_000, 'dumped_a', "new_$format");
	is($node->safe_psql($database, 'SELECT count(*) - count(DISTINCT labels) FROM tsdb.series'), 0, "$format: goes on");
	$node->safe_psql($database, 'CALL tsdb.compact()');
	is($node->safe_psql($database, q{INSERT INTO tsdb.retention_policies (selector) VALUES ('dumped_c') RETURNING class}), 3,
		"$format: a class that nobody had");
	like($node->safe_psql($database, "SELECT tsdb.api_query('count_over_time(dumped_a[1w])', to_timestamp($epoch + 590000))"),
		qr/"400"/, "$format: and compacts");
}

done_testing();
