# Remote read streams Prometheus's chunks to who likes them: all samples, bit for bit, series in the order of their labels; and a
# client that does not take the stream, or a server that breaks it off, harms nobody else.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(label_bytes remote_read_body remote_read_frames remote_read_results value_bytes);

my $node = pgtsdb_node('streams');
Pgtsdb::Gateway::make_roles($node);
my $gateway = Pgtsdb::Gateway->start($node, '--read-connections=1');
my %read = ('Content-Encoding' => 'snappy', 'Content-Type' => 'application/x-protobuf', 'X-Prometheus-Remote-Read-Version' => '0.1.0');
sub ask_for { my ($queries, @types) = @_; return $gateway->post('/api/v1/read', remote_read_body($queries, @types), %read) }

my $t = 1_700_000_000_000;
my @series = map { my $n = $_; {
	labels => { __name__ => 's', i => "x$n" },
	samples => [ map { [ $t + $_ * 15000 + ($n == 2 ? $_ * $_ % 14000 : 0), $n == 0 ? $_ * 10 : $n == 1 ? sin $_ : 5 ] } 0 .. 300 ] } } 2, 0, 1;
push @series, { labels => { __name__ => 'odd' }, samples => [ [ $t, 0 ], [ $t + 1, -1e300 ], [ $t + 2, 'stale' ], [ $t + 86_400_000, 1 ] ] };
is($gateway->write(\@series)->{status}, 204, 'written');
my %labels = map { ($_->{labels}{i} // 'odd') => label_bytes($_->{labels}) } @series;
my %samples = map { (label_bytes($_->{labels}) => [ map { [ $_->[0], value_bytes($_->[1]) ] } @{ $_->{samples} } ]) } @series;
my @all = ($t, $t + 86_400_000, [ 2, '__name__', 's|odd' ]);

my $answer;
for my $where ('head', 'chunks')
{
	$answer = ask_for([ [ @all ] ], 1, 0);
	is_deeply([ $answer->{status}, @{ $answer->{headers} }{qw(content-type content-encoding)} ],
		[ 200, 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse', undef ], "from $where: streamed");
	ok($answer->{whole}, 'to its end');
	my @frames = remote_read_frames($answer->{raw});
	is_deeply([ map { $_->{labels} } @frames ], [ @labels{qw(odd x0 x1 x2)} ], 'series in the order of their labels');
	is_deeply([ map { scalar @$_ } @{ $frames[1]{chunks} } ], [ 120, 120, 61 ], 'chunks of 120 samples');
	is_deeply({ map { ($_->{labels} => [ map { @$_ } @{ $_->{chunks} } ]) } @frames }, \%samples, 'all samples, bit for bit');
	$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
}

my $part = [ $t + 15000, $t + 30000, [ 0, '__name__', 's' ], [ 0, 'i', 'x0' ] ];
$answer = ask_for([ $part, [ 1, 2, [ 0, '__name__', 's' ] ], [ 2, 1, [ 0, '__name__', 's' ] ], $part ], 1);
my @frames = remote_read_frames($answer->{raw});
is_deeply([ map { $_->{query} } @frames ], [ 0, 3 ], 'queries by their number');
is_deeply($frames[0]{chunks}, [ [ [ $t + 15000, value_bytes(10) ], [ $t + 30000, value_bytes(20) ] ] ], 'within their range');
$answer = ask_for([ [ 1, 2, [ 0, '__name__', 'nothing' ] ] ], 1);
is_deeply([ @$answer{qw(status body)} ], [ 200, '' ], 'nothing is an answer');
is($answer->{headers}{'content-type'}, 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse', 'of the same type');
is(ask_for([ $part ], 0, 1)->{headers}{'content-encoding'}, 'snappy', 'samples to who likes these better');
is(ask_for([ $part ], 7, 1)->{headers}{'content-encoding'}, undef, 'chunks to who likes best what there is not');
is(ask_for([ $part ])->{headers}{'content-encoding'}, 'snappy', 'samples to who does not say');
$answer = ask_for([ $part ], 7);
is($answer->{status}, 400, 'neither');
like($answer->{body}, qr/SAMPLES, STREAMED_XOR_CHUNKS/, 'says what there is');
is(ask_for([ [ 1, 2, [ 2, 'a', '(' ] ] ], 1)->{status}, 400, 'a pattern that is none');
$node->safe_psql('postgres', 'ALTER ROLE pgtsdb_gateway SET pgtsdb.query_max_series = 2');
$gateway->stop;
$gateway->start_again;
$answer = ask_for([ [ @all ] ], 1);
is($answer->{status}, 422, 'too many series') or diag($answer->{body});
$node->safe_psql('postgres', 'ALTER ROLE pgtsdb_gateway RESET ALL');
$gateway->stop;
$gateway->start_again;

# ---- a stream that is longer than all buffers ----

$node->safe_psql('postgres', q{
	SELECT setseed(0.5);
	SELECT count(tsdb.push_text((SELECT string_agg(format('r{i="%s"} %s', i, random() + j), E'\n') FROM generate_series(1, 3000) i),
	                            at => timestamptz '2026-01-01 00:00:00Z' + j * interval '15 s'))
	  FROM generate_series(1, 500) j});
my $start = 1767225600_000;
my $much = [ [ $start, $start + 86_400_000, [ 0, '__name__', 'r' ] ] ];
$answer = ask_for($much, 1);
ok($answer->{whole}, 'a long stream is whole');
ok(length $answer->{raw} > 10_000_000, 'and long');
my ($sums, $n, $stream) = (0, 0, \$answer->{raw});
for (my $at = 0; $at < length $$stream; $n++)
{
	my ($len, $shift) = (0, 0);
	while (1) { my $byte = ord substr($$stream, $at++, 1); $len |= ($byte & 0x7f) << $shift; last if $byte < 0x80; $shift += 7 }
	$at += 4 + $len;
	$sums++ if $at <= length $$stream;
}
is("$sums of $n", '3000 of 3000', 'a frame for each series');

sub busy { return $gateway->get('/metrics')->{body} =~ /^pgtsdb_gateway_pool_busy_workers\{pool="read"\} (\d+)$/m ? $1 : undef }
sub stall
{
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$gateway->{port}", Proto => 'tcp') or die;
	my $body = remote_read_body($much, 1);
	$socket->syswrite("POST /api/v1/read HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
	$socket->sysread(my $some, 1000);
	like($some, qr{^HTTP/1.1 200}, 'a stream begins');
	wait_until('the worker waits for the client', 30, sub { busy() == 1 && $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgtsdb_gateway' AND state = 'active' AND wait_event = 'ClientWrite'}) == 1 });
	return $socket;
}
my $socket = stall();
close $socket;
wait_until('which goes away', 30, sub { busy() == 0 });
is($gateway->get('/api/v1/query?query=1')->{status}, 200, 'and others are served');

$socket = stall();
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pgtsdb_gateway' AND state = 'active'});
my ($rest, $last) = ('', '');
$last = substr($last . $rest, -20) while $socket->sysread($rest, 65536);
unlike($last, qr/\r\n0\r\n\r\n\z/, 'what the server breaks off has no end');
wait_until('the worker is free', 30, sub { busy() == 0 });
is($gateway->get('/api/v1/query?query=1')->{status}, 200, 'and serves others');

$socket = stall();
is($gateway->stop, 0, 'a gateway that is told to stop stops');

$node->stop;
done_testing();
