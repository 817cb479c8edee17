# A query over a million samples that meets statement_timeout or a limit ends with that error, soon, and leaves no memory behind.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $node = pgtsdb_node('stopped');

# 500 series of 2,100 samples, the last 100 of each in head.
sub push_steps
{
	my ($from, $to) = @_;
	$node->safe_psql('postgres', qq{
		SELECT sum(tsdb.push_text((SELECT string_agg(format('many_total{n="%s",m="%s"} %s', n, n % 10, t * n), E'\\n')
		                             FROM generate_series(1, 500) n) || E'\\n',
		                          '{"job":"many"}', timestamptz '2026-01-01 00:00:00Z' + t * interval '15 s'))
		  FROM generate_series($from, $to) t});
}
push_steps(1, 2000);
$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
push_steps(2001, 2100);
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.samples('many_total', '-infinity', 'infinity')}), 1050000, 'over a million samples');

my $range = q{'2026-01-01 00:00:00Z', '2026-01-01 08:45:00Z'};
my @heavy = (
	"tsdb.promql('quantile_over_time(0.5, many_total[2h])', $range, '15 s')",
	"tsdb.promql('max_over_time(sum by (m) (rate(many_total[5m]))[1h:1s])', $range, '5 s')",
	"tsdb.promql('sort_desc(many_total) + on (n) many_total * on (n) many_total', $range, '2 s')",
	"tsdb.promql('count_values(\"v\", many_total % 100)', $range, '1 s')",
	"tsdb.promql('topk(5, mad_over_time(many_total[1h]))', $range, '15 s')",
	"tsdb.samples('many_total', '-infinity', 'infinity') a, tsdb.samples('many_total', '-infinity', 'infinity') b",
	"tsdb.api_query_range('stddev_over_time(many_total[4h])', $range, '15 s')");

# One session, so that memory that stays adds up: two rounds of the statements, each with what it ended with and how far
# beyond its time limit of 200 ms that was.  The first round fills the caches of the server, the second must leave nothing.
my $memory = "SELECT sum(total_bytes) AS bytes FROM pg_backend_memory_contexts";
my $script = qq{
	SET pgtsdb.query_max_points = 0;
	SELECT count(*) FROM tsdb.promql('sum(many_total)', $range, '1 min') \\g /dev/null
	\\echo limit
	SET pgtsdb.query_memory_limit = '64MB';
	SELECT count(*) FROM tsdb.promql('many_total', $range, '1 s');
	\\echo :SQLSTATE :LAST_ERROR_MESSAGE
	SET pgtsdb.query_memory_limit = '16MB';
	SELECT count(*) FROM tsdb.promql('many_total[9h]', '2026-01-01 09:00:00Z');
	\\echo :SQLSTATE
	SET pgtsdb.query_memory_limit = '2GB';
	SET pgtsdb.query_max_samples = 1000000;
	SELECT count(*) FROM tsdb.promql('many_total[9h]', '2026-01-01 09:00:00Z');
	\\echo :SQLSTATE :LAST_ERROR_MESSAGE
	RESET pgtsdb.query_max_samples;
	SET pgtsdb.query_max_series = 499;
	SELECT count(*) FROM tsdb.promql('count(many_total)', '2026-01-01 01:00:00Z');
	\\echo :SQLSTATE :LAST_ERROR_MESSAGE
	RESET pgtsdb.query_max_series;
	\\echo timeout
};
my $round = '';
for my $query (@heavy)
{
	$round .= qq{
		SELECT clock_timestamp() AS start \\gset
		SET statement_timeout = 200;
		SELECT count(*) FROM $query;
		SET statement_timeout = 0;
		\\echo :SQLSTATE
		SELECT extract(epoch FROM clock_timestamp() - :'start') \\g (format=unaligned tuples_only=on)
	};
}
# psql knows the SQLSTATE of the last statement only, and SET is one: so it is kept before.
$round =~ s/SET statement_timeout = 0;\s+\\echo :SQLSTATE/\\echo :SQLSTATE\n\t\tSET statement_timeout = 0;/g;
$script .= qq{
	$round
	$memory \\gset before_
	$round
	\\echo memory
	$memory \\gset after_
	SELECT :after_bytes - :before_bytes \\g (format=unaligned tuples_only=on)
};
my ($rc, $stdout, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);
my ($limits, $timeouts, $left) = $stdout =~ /limit\n(.*)timeout\n(.*)memory\n(.*)/s;

is($limits, "54000 memory limit of 64 MB exceeded\n54000\n"
	. "54000 query processing would load too many samples into memory in query execution\n"
	. "54000 selector matches more than 499 series\n", 'limits end a query with their error');
like($stderr, qr/HINT:  .*"pgtsdb\.query_memory_limit"/, 'which names the setting');
my @lines = split /\n/, $timeouts;
is(scalar @lines, 4 * @heavy, 'every statement has ended');
for my $query (@heavy, @heavy)
{
	my ($state, $seconds) = splice @lines, 0, 2;
	is($state, '57014', "canceled: $query");
	# generous, for machines that do something else: a loop that cannot be interrupted takes minutes here
	cmp_ok($seconds, '<', 10, "soon");
}
cmp_ok($left, '<', 64 * 1024, 'no memory stays behind');

done_testing();
