#!/usr/bin/perl
# pg_exporter.pl PORT PSQL CONNINFO: what PostgreSQL knows about itself, in the Prometheus text format at /metrics.
#
# Each request runs one query whose rows are the lines of the answer; a database that does not answer is a 503, which the
# scraper records as up = 0.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $psql, $conninfo) = @ARGV;
my $query = <<'END';
WITH databases AS (SELECT * FROM pg_stat_database WHERE datname IS NOT NULL),
lines(metric, type, line) AS (
	SELECT 'pg_stat_database_xact_commit', 'counter', format('{datname="%s"} %s', datname, xact_commit) FROM databases
	UNION ALL SELECT 'pg_stat_database_tup_inserted', 'counter', format('{datname="%s"} %s', datname, tup_inserted) FROM databases
	UNION ALL SELECT 'pg_stat_database_blks_hit', 'counter', format('{datname="%s"} %s', datname, blks_hit) FROM databases
	UNION ALL SELECT 'pg_stat_database_blks_read', 'counter', format('{datname="%s"} %s', datname, blks_read) FROM databases
	UNION ALL SELECT 'pg_database_size_bytes', 'gauge', format('{datname="%s"} %s', datname, pg_database_size(datname)) FROM databases
	UNION ALL SELECT 'pg_backends', 'gauge', format('{type="%s"} %s', backend_type, count(*)) FROM pg_stat_activity GROUP BY backend_type
	UNION ALL SELECT 'pg_wal_bytes_total', 'counter', ' ' || (pg_current_wal_lsn() - '0/0')
	UNION ALL SELECT 'pg_postmaster_start_time_seconds', 'gauge', ' ' || extract(epoch FROM pg_postmaster_start_time())
)
SELECT CASE WHEN row_number() OVER (PARTITION BY metric ORDER BY line) = 1
			THEN format(E'# TYPE %s %s\n', metric, type) ELSE '' END || metric || line
  FROM lines ORDER BY metric, line
END

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1)
	or die "port $port: $!\n";
$SIG{PIPE} = 'IGNORE';
while (my $client = $server->accept)
{
	local $SIG{ALRM} = sub { close $client };
	alarm 5;
	while (my $line = <$client>) { last if $line =~ /^\r?\n$/; }
	alarm 0;
	open(my $rows, '-|', $psql, '-XAtq', '-d', $conninfo, '-c', $query) or next;
	my $body = do { local $/; <$rows> } // '';
	my $status = close $rows ? '200 OK' : '503 Service Unavailable';
	printf $client "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		$status, length $body, $body;
	close $client;
}
