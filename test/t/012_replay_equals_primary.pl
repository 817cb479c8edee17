# A physical standby has the same storage tables and gives the same answers as its primary, and so does the primary
# itself after a restart; the standby can take over.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);

my $epoch = 1_700_000_000;
my $primary = pgtsdb_node('primary', allows_streaming => 1);

sub write_hour
{
	my ($from) = @_;
	for my $target (1 .. 5)
	{
		my @series = map {
			my $n = $_;
			{
				labels => { __name__ => 'replayed_total', job => 'replay', instance => "target-$target", n => $n },
				samples => [ map { [ ($from + $_ * 15) * 1000, $_ % 17 == 0 ? 'stale' : $_ * $n / 4 ] } 0 .. 239 ]
			}
		} 1 .. 30;
		$primary->safe_psql('postgres', remote_write_sql(@series));
	}
	return;
}

my @queries = map { "SELECT tsdb.api_query_range(\$\$$_\$\$, to_timestamp($epoch), to_timestamp($epoch + 7200), '1 minute')" }
	'replayed_total', 'sum by (instance) (rate(replayed_total[5m]))', 'max_over_time(replayed_total{n=~"1.*"}[10m])';
push @queries, "SELECT tsdb.api_series('{replayed_total}', to_timestamp($epoch), to_timestamp($epoch + 60))",
	q{SELECT tsdb.api_label_values('instance')}, 'SELECT tsdb.api_metadata()', 'SELECT tsdb.api_status_tsdb()';

sub same_everywhere
{
	my ($name, $expected_node, $got_node) = @_;
	is($got_node->safe_psql('postgres', $_), $expected_node->safe_psql('postgres', $_), "$name: $_") for @queries;
	my ($expected, $got) = map { dump_of_storage($_) } $expected_node, $got_node;
	is($got->{$_}, $expected->{$_}, "$name: table $_") for sort keys %$expected;
	return;
}

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

is($standby->safe_psql('postgres', q{SELECT count(*) FROM tsdb.promql('up')}), 0, 'a standby answers before the first write');
is($standby->safe_psql('postgres', q{SELECT tsdb.api_labels()}), '{"status":"success","data":[]}', 'and names no labels');

write_hour($epoch);
$primary->wait_for_catchup($standby);
same_everywhere('in head', $primary, $standby);

$primary->safe_psql('postgres', 'CALL tsdb.compact()');
write_hour($epoch + 3600);
$primary->safe_psql('postgres',
	qq{SELECT tsdb.delete_series('{n="7"}', to_timestamp($epoch), to_timestamp($epoch + 600))});
$primary->wait_for_catchup($standby);
same_everywhere('in head and chunks, with a deletion', $primary, $standby);
cmp_ok($standby->safe_psql('postgres', q{SELECT json_array_length(tsdb.api_query('replayed_total', to_timestamp(1700003000)) #> '{data,result}')}),
	'>', 0, 'the answers are not empty');

my ($rc, $out, $err) = $standby->psql('postgres', remote_write_sql({ labels => { __name__ => 'x' }, samples => [ [ 1, 1 ] ] }));
isnt($rc, 0, 'a standby takes no samples');
like($err, qr/read-only/, 'and says why');

my $before = dump_of_storage($primary);
$primary->restart;
is_deeply(dump_of_storage($primary), $before, 'a restart changes nothing');
write_hour($epoch + 7200);
is($primary->safe_psql('postgres', 'SELECT count(*) FROM tsdb.series'), 150, 'nor does it make known series anew');

$primary->wait_for_catchup($standby);
$before = dump_of_storage($primary);
$primary->stop('immediate');
$standby->promote;
is_deeply(dump_of_storage($standby), $before, 'the promoted standby has everything');
is($standby->safe_psql('postgres',
		remote_write_sql({ labels => { __name__ => 'after_failover' }, samples => [ [ $epoch * 1000, 1 ] ] })),
	1, 'and takes samples');

done_testing();
