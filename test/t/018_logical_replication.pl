# A second pgtsdb follows the first by logical replication: catalogue, head and chunks, through compaction, late samples and
# deletion. The subscriber has leaves of its own, and needs no compactor.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $publisher = pgtsdb_node('publisher', allows_streaming => 'logical', settings => "pgtsdb.compaction_delay = 0\n");
my $subscriber = pgtsdb_node('subscriber');
my $tables = join ', ', map { "tsdb.$_" } qw(parts series_groups series head chunks metric_definitions);

sub push_samples
{
	my ($from, $to) = @_;
	$publisher->safe_psql('postgres', qq{
		SELECT sum(tsdb.push_text((SELECT string_agg(format('lr_total{n="%s"} %s', n, t * n), E'\\n') FROM generate_series(1, 20) n) || E'\\n',
		                          '{"job":"lr","instance":"a"}', timestamptz '2026-01-01 00:00:00Z' + t * interval '15 s'))
		  FROM generate_series($from, $to) t});
}

sub same_answers
{
	my ($name) = @_;
	my $all = q{SELECT count(*), sum(value), min(ts), max(ts) FROM tsdb.samples('{__name__!=""}', '-infinity', 'infinity')};
	my $query = q{SELECT string_agg(labels::text || ts || value, ',' ORDER BY labels::text, ts)
	                FROM tsdb.promql('sum by (n) (rate(lr_total[5m]))', '2026-01-01 00:00:00Z', '2026-01-01 04:00:00Z', '5 min')};
	$publisher->wait_for_catchup('lr');
	is($subscriber->safe_psql('postgres', $_), $publisher->safe_psql('postgres', $_), $name) for $all, $query;
}

push_samples(1, 100);
# The first copy brings the rows of parts, so the one that creation makes has to go.
$subscriber->safe_psql('postgres', 'SELECT tsdb.create_storage(); DELETE FROM tsdb.parts');
$publisher->safe_psql('postgres', "CREATE PUBLICATION lr FOR TABLE $tables WITH (publish_via_partition_root)");
# Rows of chunks need a leaf there: what the compactor makes ahead here, the subscriber has to make as well.
$subscriber->safe_psql('postgres', q{SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-01-01 00:00:00Z')});
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION lr CONNECTION '$connection' PUBLICATION lr");
$subscriber->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	or die 'the first copy does not end';

same_answers('the first copy');
push_samples(101, 400);
same_answers('head follows');
$publisher->safe_psql('postgres', 'CALL tsdb.compact()');
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'all is compacted');
same_answers('chunks follow');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'and head is empty there, too');
$publisher->safe_psql('postgres', q{SELECT tsdb.push_text(E'lr_total{n="1"} 7\nlr_new 1\n', '{"job":"lr","instance":"a"}', '2026-01-01 00:20:07Z')});
$publisher->safe_psql('postgres', 'CALL tsdb.compact()');
same_answers('late samples and new series follow');
$publisher->safe_psql('postgres', q{SELECT tsdb.delete_series('lr_total{n="2"}'), tsdb.delete_series('lr_total{n="3"}', '2026-01-01 00:30:00Z', '2026-01-01 00:40:00Z')});
same_answers('deletion follows');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series}), $publisher->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series}), 'the same catalogue');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION lr');
done_testing();
