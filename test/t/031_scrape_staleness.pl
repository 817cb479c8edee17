# Series that end: missing in the next body, with a failed scrape, with their target; and what outlives the worker.
use strict;
use warnings;
use Test::More;

use Pgtsdb::Http;
use Pgtsdb::Node;

my $text = 'text/plain; version=0.0.4';
my $node = pgtsdb_node('stale', workers => 1, settings => "pgtsdb.scrape_interval = '1s'\n");
my $http = Pgtsdb::Http->new;
my $address = $http->address;

# The value now, or 'none'; within the lookback only a stale marker makes a series go.
sub now_is
{
	my ($query) = @_;
	my $value = $node->safe_psql('postgres', "SELECT value FROM tsdb.promql(\$q\$$query\$q\$)");
	return $value eq '' ? 'none' : $value;
}

sub becomes
{
	my ($query, $expected, $what) = @_;
	return wait_until($what, 20, sub { now_is($query) eq $expected });
}

# ---- a series leaves the body, and comes back ----

$http->answer('/metrics', type => $text, status => 200, body => "stays 1\nleaves 2\nold 3 1500000000000\n");
$node->safe_psql('postgres', q{INSERT INTO tsdb.tenant_budgets (max_sample_age) VALUES ('0')});
$node->safe_psql('postgres', "INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('a', '$address')");
becomes('leaves', 2, 'a series is there');
is($node->safe_psql('postgres', q{SELECT value FROM tsdb.promql('old', to_timestamp(1500000000))}), 3,
	'one with a timestamp of its own is stored there');
$http->answer('/metrics', type => $text, status => 200, body => "stays 1\n");
becomes('leaves', 'none', 'it is gone with the body that lacks it');
is(now_is('stays'), 1, 'the other stays');
is($node->safe_psql('postgres', q{SELECT value FROM tsdb.promql('old', to_timestamp(1500000060))}), 3,
	'a series with timestamps of its own gets no marker');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.promql('count_over_time(old[20y])')
	WHERE value > 1}), 0, 'neither now');
$node->safe_psql('postgres', q{DELETE FROM tsdb.tenant_budgets});
$http->answer('/metrics', type => $text, status => 200, body => "stays 1\nleaves 4\nolder 3 1500000000000\n");
becomes('leaves', 4, 'and comes back');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series WHERE labels::jsonb ->> '__name__' = 'older'}), 0,
	'by default a sample that is older than an hour is not stored');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'leaves'}), 1, 'as the same series');

# ---- a failed scrape ends all ----

$http->answer('/metrics', type => $text, status => 503);
becomes('up{job="a"}', 0, 'a scrape fails');
is(now_is('stays'), 'none', 'its series are gone');
$http->answer('/metrics', type => $text, status => 200, body => "stays 1\nleaves 4\n");
becomes('stays', 1, 'and come back');
is(now_is('up{job="a"}'), 1, 'with up');

# ---- labels of the target change ----

$node->safe_psql('postgres', q{UPDATE tsdb.scrape_targets SET labels = '{"env": "b"}'});
becomes('stays{env="b"}', 1, 'new labels');
becomes('stays{env=""}', 'none', 'the series without them end');

# ---- the target goes to another tenant, and back ----

$node->safe_psql('postgres', q{SELECT tsdb.create_tenant('other'); UPDATE tsdb.scrape_targets SET tenant_id = 'other'});
wait_until('the other tenant has its series', 20, sub {
	$node->safe_psql('postgres', q{SET pgtsdb.tenant = 'other'; SELECT value FROM tsdb.promql('stays')}) eq '1';
});
$node->safe_psql('postgres', q{UPDATE tsdb.scrape_targets SET tenant_id = 'default'});
my $moved = @{ $http->requests('/metrics') };
wait_until('it is scraped for the first one again', 20, sub { @{ $http->requests('/metrics') } > $moved + 1 });
is($node->safe_psql('postgres', "SELECT errors FROM tsdb.worker_status WHERE worker = 'scraper'"), 0,
	'no unit of the scraper has failed');

# ---- the worker is killed: nothing ends, and scraping goes on ----

my $worker = q{SELECT pid FROM tsdb.worker_status WHERE worker = 'scraper'};
my $pid = $node->safe_psql('postgres', $worker);
kill 'TERM', $pid;
wait_until('the scraper is started again', 30, sub {
	my $new = $node->safe_psql('postgres', $worker);
	return $new ne '' && $new ne $pid;
});
is(now_is('stays{env="b"}'), 1, 'its series have not ended');
my $seen = @{ $http->requests('/metrics') };
wait_until('it scrapes', 20, sub { @{ $http->requests('/metrics') } > $seen });

# ---- the target is paused, and taken away ----

$node->safe_psql('postgres', q{UPDATE tsdb.scrape_targets SET status = 'PAUSED'});
becomes('stays', 'none', 'a paused target ends its series');
is(now_is('up{job="a"}'), 'none', 'up among them');
is($node->safe_psql('postgres', 'SELECT health FROM tsdb.targets'), 'paused', 'it is shown as paused');
$node->safe_psql('postgres', q{UPDATE tsdb.scrape_targets SET status = 'ACTIVE'});
becomes('stays', 1, 'it goes on');
my $id = $node->safe_psql('postgres', 'DELETE FROM tsdb.scrape_targets RETURNING target_id');
becomes('stays', 'none', 'a target that is deleted ends its series');
is(now_is('up'), 'none', 'up among them');
is($node->safe_psql('postgres', "SELECT health FROM tsdb.target_status('$id')"), '', 'and is forgotten');

# ---- series that were deleted get no marker: nobody could read it ----

$http->answer('/deleted', type => $text, status => 200, body => "deleted 1\n");
$node->safe_psql('postgres', "INSERT INTO tsdb.scrape_targets (job_name, address, metrics_path, scrape_interval, scrape_timeout)
	VALUES ('deleted', '$address', '/deleted', '4s', '4s')");
becomes('deleted', 1, 'another target');
$http->answer('/deleted', status => 'hang');
my $asked = @{ $http->requests('/deleted') };
wait_until('a scrape of it is on its way', 20, sub { @{ $http->requests('/deleted') } > $asked });
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('{job="deleted"}')});
becomes('up{job="deleted"}', 0, 'the scrape fails');
$node->safe_psql('postgres', q{DELETE FROM tsdb.scrape_targets});
becomes('up{job="deleted"}', 'none', 'the target is gone');
$node->safe_psql('postgres', q{SELECT tsdb.delete_series('{job="deleted"}')});
is($node->safe_psql('postgres', q{SELECT count(*)
	FROM (SELECT part, group_id FROM tsdb.head UNION ALL SELECT part, group_id FROM tsdb.chunks) kept
	WHERE NOT EXISTS (SELECT FROM tsdb.series s WHERE (s.part, s.group_id) = (kept.part, kept.group_id))}), 0,
	'and left no sample of series that were not there');

# ---- several scrapers share the targets ----

$node->append_conf('postgresql.conf', "pgtsdb.scrapers = 3\n");
$node->reload;
$http->answer("/metrics/$_", type => $text, status => 200, body => "shared $_\n") for 1 .. 20;
$node->safe_psql('postgres', "INSERT INTO tsdb.scrape_targets (job_name, address, metrics_path, labels)
	SELECT 'shared', '$address', '/metrics/' || i, jsonb_build_object('instance', i) FROM generate_series(1, 20) i");
becomes('count(shared)', 20, 'three scrapers scrape all targets');
my @pids = split /\n/, $node->safe_psql('postgres', $worker);
is(@pids, 3, 'there are three');
$node->append_conf('postgresql.conf', "pgtsdb.scrapers = 1\n");
$node->reload;
wait_until('one is left', 30, sub { $node->safe_psql('postgres', "SELECT count(pid) FROM tsdb.worker_status WHERE worker = 'scraper'") == 1 });
my %before = map { $_ => scalar @{ $http->requests("/metrics/$_") } } 1 .. 20;
wait_until('it scrapes all', 20, sub { !grep { @{ $http->requests("/metrics/$_") } <= $before{$_} + 1 } 1 .. 20 });
is(now_is('count(shared)'), 20, 'and no series ended on the way');
is(now_is('count(up{job="shared"} == 1)'), 20, 'up all the time');

done_testing();
