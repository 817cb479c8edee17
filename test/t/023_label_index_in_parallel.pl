# A label index finds what a sequential scan finds, with the same snapshot, while rows come, change and go in parallel and
# VACUUM runs; after a crash in the middle of that; and on a standby that replays it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Pgtsdb::Node;

my $seconds = $ENV{PGTSDB_INDEX_SECONDS} // 10;
my $node = pgtsdb_node('primary', allows_streaming => 1, settings => <<'END');
autovacuum_naptime = 1s
max_wal_senders = 3
synchronous_commit = off
END

$node->safe_psql('postgres', <<'END');
CREATE TABLE found (id int, part int4, labels tsdb.labels);
CREATE INDEX found_labels ON found USING label_index (part, labels);
CREATE UNLOGGED TABLE found_unlogged (id int, labels tsdb.labels);
CREATE INDEX found_unlogged_labels ON found_unlogged USING label_index (labels);
CREATE FUNCTION some_labels(n int) RETURNS tsdb.labels LANGUAGE sql AS $$
    SELECT tsdb.labels(jsonb_build_object('__name__', 'metric_' || n % 23, 'instance', 'host-' || n % 101, 'n', n::text)
           || CASE n % 50 WHEN 0 THEN jsonb_build_object('long', repeat('x', n % 3000)) WHEN 1 THEN '{"only": "some"}' ELSE '{}' END) $$;
CREATE FUNCTION count_of(part int4, selector tsdb.selector) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM found f WHERE f.part = count_of.part AND labels OPERATOR(tsdb.@@) selector $$;
-- raises when an index scan and a sequential scan differ
CREATE PROCEDURE compare(rounds int) LANGUAGE plpgsql AS $$
DECLARE
    selectors text[] := ARRAY['metric_3', '{instance="host-7"}', '{instance=~"host-1.*",__name__!="metric_1"}', '{only=""}', '{only!=""}',
                              '{long=~"x+",n!~".*00"}', '{n=~"1.*7"}', '{__name__=~"metric_(1|2|3)",instance!~"host-[0-9]"}', '{long=""}', '{n="77"}'];
    by_scan bigint;
    by_index bigint;
    query text;
BEGIN
    FOR i IN 1 .. rounds LOOP
        query := format('SELECT coalesce(sum(hashint8(id)), 0) + count(*) FROM found WHERE part = %s AND labels OPERATOR(tsdb.@@) %L',
                        1 + i % 2, selectors[1 + i % 10]);
        SET LOCAL enable_bitmapscan = on;
        SET LOCAL enable_seqscan = off;
        EXECUTE query INTO by_index;
        SET LOCAL enable_bitmapscan = off;
        SET LOCAL enable_seqscan = on;
        EXECUTE query INTO by_scan;
        IF by_scan <> by_index THEN
            RAISE EXCEPTION '%: % by index, % by scan', query, by_index, by_scan;
        END IF;
    END LOOP;
END $$;
END

my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('base');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

my $folder = PostgreSQL::Test::Utils::tempdir();
my %script = (
	insert => <<'END',
\set from random(1, 1000000)
INSERT INTO found SELECT n, 1 + n % 2, some_labels(n) FROM generate_series(:from, :from + 40) n;
INSERT INTO found_unlogged SELECT n, some_labels(n) FROM generate_series(:from, :from + 4) n;
END
	undo => <<'END',
\set from random(1, 1000000)
BEGIN;
INSERT INTO found SELECT n, 1 + n % 2, some_labels(n) FROM generate_series(:from, :from + 30) n;
ROLLBACK;
END
	change => <<'END',
\set residue random(0, 400)
DELETE FROM found WHERE id % 401 = :residue;
UPDATE found SET labels = some_labels(id + 1) WHERE id % 397 = :residue;
UPDATE found SET id = id + 401 WHERE id % 389 = :residue;
END
	vacuum => "VACUUM found;\n",
	compare => <<'END');
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL compare(10);
COMMIT;
SELECT tsdb.label_index_check('found_labels');
END

sub start_load
{
	my ($clients, $time) = @_;
	my @scripts = map {
		append_to_file("$folder/$_.sql", $script{$_}) unless -e "$folder/$_.sql";
		my $weight = { insert => 12, undo => 2, change => 6, vacuum => 1, compare => 3 }->{$_};
		"--file=$folder/$_.sql\@$weight"
	} sort keys %script;
	my $output = '';
	my $run = IPC::Run::start([ 'pgbench', '--no-vacuum', "--client=$clients", "--jobs=2", "--time=$time", '--max-tries=100', @scripts,
			$node->connstr('postgres') ], '<', \undef, '>', \$output, '2>', \$output);
	return ($run, \$output);
}

sub check_node
{
	my ($checked, $name) = @_;
	my $rows = $checked->safe_psql('postgres', 'SELECT count(*) FROM found');
	is($checked->safe_psql('postgres', q{SELECT tsdb.label_index_check('found_labels')}), $rows, "$name: the index is whole, with all $rows rows");
	my ($rc, $out, $err) = $checked->psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; CALL compare(20); COMMIT');
	is($err, '', "$name: it finds what a scan finds");
	return;
}

# everything at once
my ($run, $output) = start_load(6, $seconds);
my $standby_errors = '';
for my $round (1 .. 3)
{
	usleep(1_000_000 * $seconds / 5);
	my ($rc, $out, $err) = $standby->psql('postgres', q{BEGIN ISOLATION LEVEL REPEATABLE READ; CALL compare(10); COMMIT; SELECT tsdb.label_index_check('found_labels')});
	$standby_errors .= $err unless $err =~ /conflict with recovery/;
}
$run->finish;
is($?, 0, 'in parallel: no scan differed, no check failed') or diag($$output);
unlike($$output, qr/ERROR|aborted/, 'in parallel: nor did anything else');
is($standby_errors, '', 'the standby was right all the while');
check_node($node, 'after the load');
$node->wait_for_catchup($standby);
check_node($standby, 'the standby');
is($standby->safe_psql('postgres', q{SELECT array_agg(v) FROM tsdb.label_index_values('found_labels', 'instance', 1) v}),
	$node->safe_psql('postgres', q{SELECT array_agg(v) FROM tsdb.label_index_values('found_labels', 'instance', 1) v}),
	'the standby: same values, in as many rows');

# ended in the middle
for my $round (1 .. 3)
{
	($run, $output) = start_load(6, 60);
	usleep(1_500_000 + rand(1_000_000));
	$node->kill9;
	eval { $run->finish };
	start_again($node);
	check_node($node, "after crash $round");
	is($node->safe_psql('postgres', q{SELECT tsdb.label_index_check('found_unlogged_labels')}), 0, "after crash $round: unlogged is empty");
	$node->safe_psql('postgres', 'INSERT INTO found_unlogged SELECT n, some_labels(n) FROM generate_series(1, 100) n; VACUUM found');
	is($node->safe_psql('postgres', q{SELECT tsdb.label_index_check('found_unlogged_labels')}), 100, "after crash $round: and is filled again");
	check_node($node, "after crash $round and VACUUM");
}
$node->wait_for_catchup($standby);
check_node($standby, 'the standby, after the crashes');
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', 'DELETE FROM found WHERE id % 3 = 0; VACUUM found; INSERT INTO found SELECT n, 1, some_labels(n) FROM generate_series(1, 5000) n');
check_node($standby, 'the promoted standby');

# damage is found, and told from a bug
my $file = $standby->data_dir . '/' . $standby->safe_psql('postgres', q{SELECT pg_relation_filepath('found_labels')});
my $block = $standby->safe_psql('postgres', q{SELECT pg_relation_size('found_labels') / 8192 - 1});
$standby->safe_psql('postgres', 'VACUUM found; CHECKPOINT');
$standby->stop;
open(my $handle, '+<:raw', $file) or die "$file: $!";
for my $damaged (1 .. $block)
{
	seek($handle, $damaged * 8192 + 7000, 0);
	print $handle "\xff" x 40;
}
close $handle;
# checksums, where the server has them, would hide the damage from the index
$standby->append_conf('postgresql.conf', 'ignore_checksum_failure = on');
$standby->start;
my ($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT tsdb.label_index_check('found_labels')");
like($err, qr/XX002: label index "found_labels" is corrupted in block/, 'damaged pages are reported as such');
for my $selector ('metric_3', '{n=~"1.*"}', '{only=""}')
{
	($rc, $out, $err) = $standby->psql('postgres', "SET enable_seqscan = off; SET client_min_messages = error; SELECT count_of(1, '$selector')");
	like($err, qr/^$|corrupted in block/, "damaged pages do no harm to a scan for $selector");
}
$standby->safe_psql('postgres', 'REINDEX INDEX found_labels');
check_node($standby, 'after REINDEX');

done_testing();
