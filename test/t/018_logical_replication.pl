# A second pgtsdb follows the first by logical replication: catalogue, head and chunks, through compaction, late samples and
# deletion. The subscriber has leaves of its own, and needs no compactor.  A third one gets the rows that are inserted into head and
# compacts them itself, at times of its own.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $publisher = pgtsdb_node('publisher', allows_streaming => 'logical', settings => "pgtsdb.compaction_delay = 0\n");
my $subscriber = pgtsdb_node('subscriber');
my $third = pgtsdb_node('third');
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
	my ($name, $node) = @_;
	my $all = q{SELECT count(*), sum(value), min(ts), max(ts) FROM tsdb.samples('{__name__!=""}', '-infinity', 'infinity')};
	my $query = q{SELECT string_agg(labels::text || ts || value, ',' ORDER BY labels::text, ts)
	                FROM tsdb.promql('sum by (n) (rate(lr_total[5m]))', '2026-01-01 00:00:00Z', '2026-01-01 04:00:00Z', '5 min')};
	$node //= $subscriber;
	$publisher->wait_for_catchup($_) for $node == $third ? qw(lr_catalogue lr_head) : 'lr';
	is($node->safe_psql('postgres', $_), $publisher->safe_psql('postgres', $_), $name) for $all, $query;
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

# Deletions are statements of each: what is replicated is the catalogue, and what comes into head.
$publisher->safe_psql('postgres', q{SELECT tsdb.delete_series('{__name__=~"lr_.*"}')});
$third->safe_psql('postgres', 'SELECT tsdb.create_storage(); DELETE FROM tsdb.parts');
$publisher->safe_psql('postgres', q{
	CREATE PUBLICATION lr_catalogue FOR TABLE tsdb.parts, tsdb.series_groups, tsdb.series, tsdb.metric_definitions;
	CREATE PUBLICATION lr_head FOR TABLE tsdb.head WITH (publish = 'insert')});
$third->safe_psql('postgres', "CREATE SUBSCRIPTION $_ CONNECTION '$connection' PUBLICATION $_") for 'lr_catalogue', 'lr_head';
$third->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	or die 'the first copy does not end';

push_samples(401, 500);
same_answers('own compactor: head', $third);
$publisher->safe_psql('postgres', 'CALL tsdb.compact()');
same_answers('own compactor: what the first one compacts stays in head', $third);
cmp_ok($third->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), '>=', 100, 'until it compacts itself');
push_samples(501, 600);
$publisher->wait_for_catchup('lr_head');
$third->safe_psql('postgres', 'CALL tsdb.compact()');
is($third->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'and then nothing is left there');
same_answers('own compactor: chunks on the one, head on the other', $third);
$publisher->safe_psql('postgres', q{SELECT tsdb.push_text(E'lr_total{n="1"} 7\nlr_new 1\n', '{"job":"lr","instance":"a"}',
	'2026-01-01 02:20:07Z')});
same_answers('own compactor: late samples and new series', $third);
$_->safe_psql('postgres', 'CALL tsdb.compact()') for $publisher, $third;
same_answers('own compactor: both have compacted', $third);

$third->safe_psql('postgres', "DROP SUBSCRIPTION $_") for 'lr_catalogue', 'lr_head';
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION lr');
done_testing();
