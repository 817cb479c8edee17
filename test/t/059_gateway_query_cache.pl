# Answers to range queries are kept by the gateway, and never differ from those without: whatever is stored late, removed, prepared or
# committed slowly in between; on a standby too; for the role that asks and no other; in bounded memory.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Node;

my $node = pgtsdb_node('primary', workers => 1, allows_streaming => 1, settings => <<'END');
max_prepared_transactions = 2
pgtsdb.late_write_age = 1s
pgtsdb.compaction_interval = 500ms
END
Pgtsdb::Gateway::make_roles($node);
$node->safe_psql('postgres', q{
	CREATE ROLE reader;
	GRANT reader TO pgtsdb_gateway;
	INSERT INTO tsdb.tenant_members VALUES ('reader', 'default', false)});
my $tokens = PostgreSQL::Test::Utils::tempdir() . '/tokens';
append_to_file($tokens, "reader:0123456789abcdef\n");
my $gateway = Pgtsdb::Gateway->start($node, '--query-cache-size=1M', '--tokens-file' => $tokens);
my $step = 5;
my $begin = int(time / 60) * 60 - 1800;

my @queries = (
	'sum by (n) (rate(c_total[2m]))', 'c_total', 'rate(g[1m])', 'topk(1, g)', 'max_over_time(sum(g)[3m:30s])', 'c_total offset 5m',
	'count_values("v", g) or sum(c_total)', 'sort(g)', 'g @ end()', 'label_replace(g, "m", "$1", "n", "(.)")');

sub ask
{
	my ($at, $query, $start, $end, $more, %headers) = @_;
	my $escaped = $query =~ s/([^A-Za-z0-9_])/sprintf '%%%02x', ord $1/egr;
	return $at->get("/api/v1/query_range?query=$escaped&start=$start&end=$end&step=$step" . ($more // ''), %headers);
}

# The last whole step.
sub now_step { return int(time / $step) * $step }

my $differences = 0;

sub compare
{
	my ($at, $query, $start, $end) = @_;
	my $kept = ask($at, $query, $start, $end);
	my $whole = ask($at, $query, $start, $end, '&nocache=1');
	return 1 if $kept->{status} == 200 && $kept->{body} eq $whole->{body};
	diag("$query from $start to $end:\n$kept->{body}\n$whole->{body}") if $differences++ < 3;
	return 0;
}

sub counters
{
	my ($at) = @_;
	my %counters = $at->get('/metrics')->{body} =~ /^pgtsdb_gateway_query_cache_(\w+) (\d+)$/mg;
	return \%counters;
}

sub push_at
{
	my ($t, $text) = @_;
	$node->safe_psql('postgres', sprintf q{SELECT tsdb.push_text(E'%s', '{}', to_timestamp(%.3f))}, $text, $t);
	return;
}

# ---- the same queries over and over, while samples come and go ----

$node->safe_psql('postgres', qq{
	SELECT count(tsdb.push_text(format(E'c_total{n="1"} %s\\nc_total{n="2"} %s\\ng{n="1"} %s\\n', i, i * 3 % 100, i % 7), '{}',
		to_timestamp($begin + i * 15))) FROM generate_series(0, (extract(epoch FROM now()) - $begin)::int / 15) i});
srand(42);
my @actions = (
	sub { push_at(time, sprintf('c_total{n="1"} %d\ng{n="1"} %d\n', rand 100, rand 10)) },
	sub { push_at(time, sprintf('g{n="%d"} %d\n', rand 4, rand 10)) },
	sub { push_at($begin + rand 1700, sprintf('g{n="%d"} %d\n', rand 4, rand 10)) },
	sub { push_at(time - rand 30, sprintf('c_total{n="%d"} %d\n', rand 4, rand 10)) },
	sub { my $t = $begin + rand 1500; $node->safe_psql('postgres', "SELECT tsdb.delete_series('g', to_timestamp($t), to_timestamp($t + 60))") },
	sub { $node->safe_psql('postgres', 'CALL tsdb.compact(true)') },
	sub { $node->safe_psql('postgres', q{SELECT tsdb.delete_series('g{n="2"}')}) },
	sub { my $t = time - rand 600; $node->safe_psql('postgres', qq{BEGIN; SAVEPOINT a;
		SELECT tsdb.push_text(E'g{n="1"} 1\\n', '{}', to_timestamp($t)); ROLLBACK TO a;
		SELECT tsdb.push_text(E'g{n="1"} 2\\n', '{}', to_timestamp($t + 20)); COMMIT}) },
	sub { },
);
for my $round (1 .. 60)
{
	$actions[rand @actions]->();
	my $end = now_step();
	my $start = $end - $step * (1 + int rand 300);
	for my $query (@queries[map { int rand @queries } 1 .. 3])
	{
		compare($gateway, $query, $end - 1500, $end);
		compare($gateway, $query, $start, $end - $step * int rand 10) if rand() < 0.5;
	}
	usleep(100_000);
}
is($differences, 0, 'no answer differs from that without the cache');
my $seen = counters($gateway);
cmp_ok($seen->{$_}, '>', 0, $_) for qw(hits_total partial_hits_total misses_total invalidations_total entries bytes);

# ---- what is the past already, and what is not ----

compare($gateway, 'c_total', $begin, $begin + 600);
my $before = counters($gateway)->{hits_total};
compare($gateway, 'c_total', $begin, $begin + 600);
compare($gateway, 'c_total', $begin + 300, $begin + 600);
is(counters($gateway)->{hits_total}, $before + 2, 'the past is answered from the cache, whole or in part');
push_at($begin + 400, 'c_total{n="9"} 1\n');
$before = counters($gateway);
compare($gateway, 'c_total', $begin, $begin + 600);
is(counters($gateway)->{invalidations_total}, $before->{invalidations_total} + 1, 'a late sample invalidates');
is(counters($gateway)->{partial_hits_total}, $before->{partial_hits_total} + 1, 'what comes after it');

# Parameters that change the form of an answer.
$before = counters($gateway);
is(scalar @{ ask($gateway, 'c_total', $begin, $begin + 600, '&limit=1')->{json}{data}{result} }, 1, 'a limit');
ok(ask($gateway, 'c_total', $begin, $begin + 600, '&stats=all')->{json}{data}{stats}, 'statistics');
compare($gateway, 'c_total', $begin, $begin);
is(ask($gateway, 'c_total', $begin + 600, $begin)->{status}, 400, 'times in the wrong order');
is(ask($gateway, 'c_total[', $begin, $begin + 600)->{status}, 400, 'an error');
is(ask($gateway, 'c_total[5m]', $begin, $begin + 600)->{status}, 400, 'another');
is_deeply(counters($gateway), $before, 'are not looked for in the cache');

# A query that begins to fail fails, and works again afterwards.
my $join = 'x * on () group_left () y';
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('{__name__=~"x|y"}')});
push_at($begin, 'x{n="1"} 1\ny{n="1"} 1\n');
compare($gateway, $join, $begin, $begin + 300);
push_at($begin + 200, 'x{n="2"} 1\n');
is(ask($gateway, $join, $begin, $begin + 300)->{status}, 200, 'one side is not unique');
push_at($begin + 201, 'y{n="2"} 1\n');
is(ask($gateway, $join, $begin, $begin + 300)->{status}, 422, 'nor the other');
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('{__name__=~"x|y",n="2"}')});
compare($gateway, $join, $begin, $begin + 300);

# ---- prepared transactions ----

my $old = $begin + 900;
$node->safe_psql('postgres', qq{BEGIN; SELECT tsdb.push_text(E'c_total{n="p"} 1\\n', '{}', to_timestamp($old));
	SELECT tsdb.push_text(E'c_total{n="1"} 1\\n', '{}', now()); PREPARE TRANSACTION 'late'});
compare($gateway, 'c_total', $begin, now_step());
sleep 2;
compare($gateway, 'c_total', $begin, now_step());
$node->safe_psql('postgres', q{COMMIT PREPARED 'late'});
compare($gateway, 'c_total', $begin, now_step());
like(ask($gateway, 'c_total', $begin, now_step())->{body}, qr/"n":"p"/, 'a prepared transaction shows when it is committed');

# ---- a commit that waits for a standby that is not there: young when it was looked at, seen much later ----

push_at(time, 'slow 1\n');
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\n");
$node->reload;
usleep(500_000);
my $t = time;
my $pid = fork() // die;
if ($pid == 0)
{
	exec('psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "SELECT tsdb.push_text(E'slow 2\\n', '{}', to_timestamp($t))");
}
wait_until('the commit waits', 30,
	sub { $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%slow 2%'}) > 0 });
sleep 8;
my ($from, $to) = (int($t / $step) * $step - 60, now_step());
compare($gateway, 'last_over_time(slow[1m])', $from, $to);
unlike(ask($gateway, 'last_over_time(slow[1m])', $from, $to)->{body}, qr/"2"/, 'nobody sees it');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$node->reload;
waitpid $pid, 0;
compare($gateway, 'last_over_time(slow[1m])', $from, $to);
like(ask($gateway, 'last_over_time(slow[1m])', $from, $to)->{body}, qr/"2"/, 'it is seen, and the steps since then were not kept');

# ---- a clock that is set back: what was promised once stays promised ----

# The same as another age: 50 seconds ago is young then, but steps up to a second ago have been kept.
compare($gateway, 'c_total', $begin, now_step());
$node->append_conf('postgresql.conf', "pgtsdb.late_write_age = 100s\n");
$node->reload;
wait_until('the age is another', 30, sub { $node->safe_psql('postgres', 'SHOW pgtsdb.late_write_age') eq '100s' });
push_at(time - 50, 'c_total{n="back"} 1\n');
compare($gateway, 'c_total', $begin, now_step());
like(ask($gateway, 'c_total', $begin, now_step())->{body}, qr/"n":"back"/, 'a sample that is young now changes steps that were kept');
$node->append_conf('postgresql.conf', "pgtsdb.late_write_age = 1s\n");
$node->reload;

# ---- roles ----

my %reader = (Authorization => 'Bearer 0123456789abcdef');
compare($gateway, 'c_total', $begin, $begin + 600);
$before = counters($gateway);
is(ask($gateway, 'c_total', $begin, $begin + 600, '', %reader)->{status}, 200, 'another role');
is(counters($gateway)->{misses_total}, $before->{misses_total} + 1, 'has entries of its own');
is(ask($gateway, 'c_total', $begin, $begin + 600, '', %reader)->{status}, 200, 'which it finds');
is(counters($gateway)->{hits_total}, $before->{hits_total} + 1, 'again');
$node->safe_psql('postgres', q{DELETE FROM tsdb.tenant_members WHERE role_name = 'reader'});
is(ask($gateway, 'c_total', $begin, $begin + 600, '', %reader)->{status}, 403, 'as long as it may read');

# ---- the server starts again ----

$before = counters($gateway)->{misses_total};
$node->restart;
wait_until('the gateway has its connections back', 30, sub { ask($gateway, 'vector(1)', $begin, $begin + 600)->{status} == 200 });
compare($gateway, 'c_total', $begin, $begin + 600);
cmp_ok(counters($gateway)->{misses_total}, '>', $before, 'after a restart nothing holds');

# ---- a standby ----

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
my $reader = Pgtsdb::Gateway->start($standby);
for my $round (1 .. 12)
{
	push_at($begin + rand 1700, sprintf('g{n="%d"} %d\n', rand 4, rand 10)) if $round % 3 == 0;
	push_at(time, sprintf('c_total{n="1"} %d\n', rand 100));
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	compare($reader, $_, $begin, now_step()) for @queries[0 .. 3];
	usleep(500_000);
}
$seen = counters($reader);
cmp_ok($seen->{$_}, '>', 0, "standby: $_") for qw(partial_hits_total invalidations_total);
is($differences, 0, 'still no answer differs');

# ---- memory ----

$node->safe_psql('postgres', qq{SELECT count(tsdb.push_text((SELECT string_agg(format(E'wide{n="%s"} %s\\n', n, n), '') FROM generate_series(1, 50) n),
	'{}', to_timestamp($begin + i * 60))) FROM generate_series(0, 20) i});
ask($gateway, "wide + $_", $begin, $begin + 600) for 1 .. 40;
$seen = counters($gateway);
cmp_ok($seen->{bytes}, '<=', 1024 * 1024, 'the cache takes no more than it may');
cmp_ok($seen->{bytes}, '>', 512 * 1024, 'and not much less');
cmp_ok($seen->{evictions_total}, '>', 0, 'answers make room for others');
is(ask($gateway, 'wide', $begin, $begin + 20000)->{status}, 200, 'what is too large is answered all the same');
is($gateway->get('/-/healthy')->{status}, 200, 'healthy');

my $off = Pgtsdb::Gateway->start($node, '--query-cache-size=0');
compare($off, 'c_total', $begin, $begin + 600) for 1 .. 2;
is(counters($off)->{misses_total} + counters($off)->{entries}, 0, 'without a cache nothing is kept');
is($differences, 0, 'and to the end no answer differed');

$_->stop for $gateway, $reader, $off;
done_testing();
