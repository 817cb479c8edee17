# A rule that is given to another tenant takes its statistics along: who may read only the old one sees them no more.
use strict;
use warnings;
use Test::More;

use Pgtsdb::Node;

my $node = pgtsdb_node('rules', workers => 1);

$node->safe_psql('postgres', q{
	SELECT tsdb.create_tenant('other');
	CREATE ROLE reader;
	INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('reader', 'default');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('Always', 'vector(1)', '200 ms')});

sub seen_by_reader
{
	return $node->safe_psql('postgres', 'SET ROLE reader; SELECT count(*) FROM tsdb.rule_statistics()');
}

wait_until('a reader of the tenant sees how its rule fares', 30, sub { seen_by_reader() == 1 });
$node->safe_psql('postgres', "UPDATE tsdb.alert_rules SET tenant_id = 'other'");
wait_until('and not that of another one', 10, sub { seen_by_reader() == 0 });
is($node->safe_psql('postgres', 'SELECT health, evaluations > 1 FROM tsdb.rule_status'), 'ok|t', 'it goes on');

done_testing();
