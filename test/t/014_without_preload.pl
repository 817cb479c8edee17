# A plain session, in a server that does not preload the library, writes, compacts, deletes and answers PromQL all the same:
# shared memory only makes things faster.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $node = pgtsdb_node('plain', settings => "shared_preload_libraries = ''\n");

is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.promql('up')}), 0, 'an answer before the first write');
$node->safe_psql('postgres', q{
	SELECT tsdb.push_text(format(E'plain_total{n="1"} %s\nplain_total{n="2"} %s\n', i, i * 2),
	                      at => timestamptz '2026-01-01 00:00:00Z' + i * interval '15 s')
	  FROM generate_series(0, 400) i});

my $query = q{
	SELECT string_agg(labels::text || ' ' || value, '; ' ORDER BY labels::text)
	  FROM tsdb.promql('rate(plain_total[5m])', '2026-01-01 01:00:00Z')};
my $expected = '{"n": "1"} 0.06666666666666667; {"n": "2"} 0.13333333333333333';
is($node->safe_psql('postgres', $query), $expected, 'PromQL over head');

$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'nothing stays in head');
is($node->safe_psql('postgres', $query), $expected, 'PromQL over chunks');

is($node->safe_psql('postgres', q{SELECT tsdb.delete_series('plain_total{n="2"}')}), 1, 'one series deleted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.samples('plain_total', '-infinity', 'infinity')}), 401, 'its neighbour stays');

# A session that has not loaded the library does not know its settings either.
is($node->safe_psql('postgres', 'SELECT tsdb.api_alerts()'), '{"status" : "success", "data" : {"alerts" : []}}', 'an answer before anything else');

is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.tenant_counters()}), 0, 'nothing is counted');
like($node->safe_psql('postgres', q{SELECT tsdb.api_metrics()}), qr/^pgtsdb_head_groups\{tenant="default"\} 0$/m, 'but there are metrics');

done_testing();
