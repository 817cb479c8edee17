# Whatever a client sends, it gets the right status and the others are served: bodies too long, wrong, or cut off, what is no
# HTTP at all, and clients that send or read slowly or not at all.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::Gateway;
use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_v2_body snappy_literal);

my $node = pgtsdb_node('gateway');
Pgtsdb::Gateway::make_roles($node);
my $gateway = Pgtsdb::Gateway->start($node, '--max-body=100k', '--max-form=50k', '--max-header=16k', '--request-timeout=2s',
	'--idle-timeout=3s', '--query-timeout=5s', '--read-connections=2', '--read-queue=2', '--max-memory=10M');

sub error
{
	my ($what, $answer, $status, $type, $text) = @_;
	is($answer->{status}, $status, $what) or diag($answer->{body});
	is_deeply([ @{ $answer->{json} // {} }{qw(status errorType)} ], [ 'error', $type ], "$what: JSON") or diag($answer->{body});
	like($answer->{json}{error} // '', $text, "$what: text") if defined $text;
	return;
}

# ---- paths, methods, parameters ----

error('unknown path', $gateway->get('/api/v1/nothing'), 404, 'not_found', qr/page not found/);
error('half a path', $gateway->get('/api/v1/label//values'), 404, 'not_found');
error('a name that is no text', $gateway->get('/api/v1/label/%ff/values'), 404, 'not_found');
error('wrong method', $gateway->request('DELETE', '/api/v1/query'), 405, 'bad_data');
error('GET of a POST', $gateway->get('/api/v1/admin/tsdb/delete_series?match[]=a'), 405, 'bad_data');
is($gateway->get('/api/v1/write')->{status}, 405, 'GET of a write');
error('no query', $gateway->get('/api/v1/query'), 400, 'bad_data', qr/invalid parameter "query"/);
error('a query that does not parse', $gateway->get('/api/v1/query?query=sum('), 400, 'bad_data', qr/parse error/);
error('a query of wrong types', $gateway->get('/api/v1/query?query=rate(a)'), 400, 'bad_data');
error('a time that is none', $gateway->get('/api/v1/query?query=1&time=x'), 400, 'bad_data',
	qr/invalid parameter "time": invalid time value for 'time': cannot parse "x" to a valid timestamp/);
error('no start', $gateway->get('/api/v1/query_range?query=1&end=1&step=1'), 400, 'bad_data',
	qr/invalid parameter "start": cannot parse "" to a valid timestamp/);
error('end before start', $gateway->get('/api/v1/query_range?query=1&start=2&end=1&step=1'), 400, 'bad_data', qr/end timestamp/);
error('no step', $gateway->get('/api/v1/query_range?query=1&start=1&end=2'), 400, 'bad_data', qr/invalid parameter "step"/);
error('a step of nothing', $gateway->get('/api/v1/query_range?query=1&start=1&end=2&step=0'), 400, 'bad_data',
	qr/zero or negative query resolution step widths/);
error('too many points', $gateway->get('/api/v1/query_range?query=1&start=0&end=11001&step=1'), 400, 'bad_data', qr/11,000 points/);
error('a limit that is none', $gateway->get('/api/v1/labels?limit=x'), 400, 'bad_data', qr/strconv\.Atoi: parsing "x"/);
error('a negative limit', $gateway->get('/api/v1/query?query=1&limit=-1'), 400, 'bad_data', qr/limit must be non-negative/);
error('a timeout that is none', $gateway->get('/api/v1/query?query=1&timeout=x'), 400, 'bad_data', qr/invalid parameter "timeout"/);
error('a lookback that is none', $gateway->get('/api/v1/query?query=1&lookback_delta=x'), 400, 'bad_data', qr/lookback delta/);
error('series of everything', $gateway->get('/api/v1/series'), 400, 'bad_data', qr/no match\[\] parameter provided/);
error('an empty selector', $gateway->get('/api/v1/series?match[]=%7B%7D'), 400, 'bad_data', qr/match\[\]/);
error('invalid UTF-8', $gateway->get('/api/v1/query?query=%ff'), 400, 'bad_data');
error('a zero byte', $gateway->get('/api/v1/query?query=1%00'), 400, 'bad_data');
error('a broken escape', $gateway->get('/api/v1/query?query=%1'), 400, 'bad_data');
error('thousands of parameters', $gateway->form('/api/v1/series', join('&', map { "match[]=a$_" } 1 .. 3000)), 400, 'bad_data',
	qr/too many parameters/);
is($gateway->get('/api/v1/query?query=1&time=99999999999999999999')->{status}, 200, 'a time far away');
is($gateway->get('/api/v1/labels?start=-1e300&end=1e300')->{status}, 200, 'all times');
is($gateway->get('/api/v1/query?query=1&' . ('x' x 20000))->{status}, 414, 'a line that is too long');

# ---- bodies ----

my @good = ({ labels => { __name__ => 'good' }, samples => [ [ 1_700_000_000_000, 1 ] ] });
error('a form that is too long', $gateway->form('/api/v1/query', 'query=' . '1' x 60000), 413, 'bad_data');
is($gateway->post('/api/v1/write', 'x' x 200_000, %Pgtsdb::Gateway::WRITE)->{status}, 413, 'a write that is too long');
is($gateway->post('/api/v1/write', 'nonsense', %Pgtsdb::Gateway::WRITE)->{status}, 400, 'a write that is nonsense');
is($gateway->post('/api/v1/write', '', %Pgtsdb::Gateway::WRITE)->{status}, 400, 'an empty write');
is($gateway->post('/api/v1/write', snappy_literal("\x0a\xff\xff\x01"), %Pgtsdb::Gateway::WRITE)->{status}, 400, 'half a message');
is($gateway->write(\@good, 'Content-Type' => 'application/json')->{status}, 415, 'another type');
is($gateway->write(\@good, 'Content-Type' => 'application/x-protobuf;proto=io.prometheus.write.v3.Request')->{status}, 415, 'version 3');
is($gateway->write(\@good, 'Content-Type' => 'application/x-protobuf;proto=prometheus.WriteRequest')->{status}, 204, 'version 1 by name');
is($gateway->write(\@good, 'Content-Encoding' => 'gzip')->{status}, 415, 'another encoding');
is($gateway->write([ { labels => { job => 'x' }, samples => [ [ 1, 1 ] ] } ])->{status}, 400, 'a series without a name');
my $partial = $gateway->write([ { labels => { __name__ => 'good' }, samples => [ [ 1_700_000_000_000, 2 ] ] },
	{ labels => { __name__ => 'better' }, samples => [ [ 1_700_000_000_000, 3 ] ] } ]);
is($partial->{status}, 400, 'another value for the same time');
like($partial->{body}, qr/1 samples stored, 1 samples or series not stored.*another value at the same time: 1/s, 'is told');
is($gateway->get('/api/v1/query?query=better&time=1700000000')->{json}{data}{result}[0]{value}[1], '3', 'and the rest is stored');
my $v2 = $gateway->post('/api/v1/write', remote_write_v2_body(
		{ labels => { __name__ => 'second' }, samples => [ [ 1_700_000_000_000, 4 ] ] },
		{ references => [ 1, 2, 3 ], samples => [ [ 1_700_000_000_000, 5 ] ] },
		{ references => [ 1, 99 ], samples => [ [ 1_700_000_000_000, 6 ] ] }), %Pgtsdb::Gateway::WRITE_V2);
is($v2->{status}, 400, 'version 2 with bad references');
is($v2->{headers}{'x-prometheus-remote-write-samples-written'}, 1, 'tells what is stored');
like($v2->{body}, qr/odd number of label references/, 'and what is not');
is($gateway->get('/api/v1/query?query=second&time=1700000000')->{json}{data}{result}[0]{value}[1], '4', 'which is there');
$v2 = $gateway->post('/api/v1/write', 'nonsense', %Pgtsdb::Gateway::WRITE_V2);
is_deeply([ $v2->{status}, $v2->{headers}{'x-prometheus-remote-write-samples-written'} ], [ 400, 0 ], 'nonsense of version 2');
my $future = $gateway->write([ { labels => { __name__ => 'f' }, samples => [ [ (time() + 3600) * 1000, 1 ] ] } ]);
is($future->{status}, 400, 'a sample an hour ahead');
like($future->{body}, qr/too far in the future/, 'is told');
my $late = sub {
	my ($seconds) = @_;
	return $gateway->write([ { labels => { __name__ => 'late' }, samples => [ [ (time() - $seconds) * 1000, 1 ] ] } ]);
};
is($late->(7200)->{status}, 204, 'a sample two hours late, without a limit');
$node->safe_psql('postgres', 'DELETE FROM tsdb.tenant_budgets');
is($late->(3000)->{status}, 204, 'fifty minutes late, by default');
is($late->(7200)->{status}, 400, 'and two hours');
like($late->(7200)->{body}, qr/too old: 1/, 'is told');
$node->safe_psql('postgres', q{INSERT INTO tsdb.tenant_budgets (max_sample_age) VALUES ('10 minutes')});
is($late->(3600)->{status}, 400, 'an hour late, when ten minutes are the limit');
is($node->safe_psql('postgres', q{SELECT tsdb.push_text('late 1', '{}', now() - interval '1 year')}), 1, 'SQL stores any');
$node->safe_psql('postgres', q{UPDATE tsdb.tenant_budgets SET max_sample_age = '0'});
error('a form that is no gzip', $gateway->form('/api/v1/query', 'query=1', 'Content-Encoding' => 'gzip'), 400, 'bad_data');
error('a form in brotli', $gateway->form('/api/v1/query', 'query=1', 'Content-Encoding' => 'br'), 415, 'bad_data');
use IO::Compress::Gzip qw(gzip);
my ($zeros, $bomb) = ('query=' . '0' x 10_000_000);
gzip(\$zeros => \$bomb);
error('a gzip bomb', $gateway->form('/api/v1/query', $bomb, 'Content-Encoding' => 'gzip'), 413, 'bad_data');

# ---- limits of the database ----

$node->safe_psql('postgres', q{
	SELECT tsdb.push(jsonb_build_object('samples', jsonb_agg(jsonb_build_object(
		'metric', 'many', 'labels', jsonb_build_object('i', i::text), 'timestampMs', 1700000000000, 'value', i))))
	  FROM generate_series(1, 3000) i});
my $slow = '/api/v1/query_range?query=' . Pgtsdb::Gateway::encode(join ' + ', ('sum(many * on(i) many)') x 3) .
	'&start=1700000000&end=1700000300&step=0.03';
my $begun = time();
error('a query that takes too long', $gateway->get("$slow&timeout=50ms"), 503, 'timeout', qr/query timed out in expression evaluation/);
cmp_ok(time() - $begun, '<', 3, 'ends in time');
error('too many samples', do {
		$node->safe_psql('postgres', "ALTER ROLE pgtsdb_gateway SET pgtsdb.query_max_samples = 10");
		my $other = Pgtsdb::Gateway->start($node);
		my $answer = $other->get('/api/v1/query?query=many&time=1700000000');
		$other->stop;
		$node->safe_psql('postgres', "ALTER ROLE pgtsdb_gateway RESET ALL");
		$answer; }, 422, 'execution');

# Two connections, two places in the queue: the others hear at once that they shall come again.
my @waiting = map { my $socket = $gateway->connect; $socket->syswrite("GET $slow HTTP/1.1\r\nHost: x\r\n\r\n"); $socket } 1 .. 12;
my @answers = map { Pgtsdb::Gateway::answer($_) } @waiting;
my @refused = grep { $_->{status} == 503 && ($_->{headers}{'retry-after'} // '') eq '1' } @answers;
cmp_ok(scalar @refused, '>=', 8, 'a full queue answers 503 with Retry-After') or diag(join ' ', map { $_->{status} } @answers);
is($gateway->get('/api/v1/query?query=1')->{status}, 200, 'and is served again');

# Who hangs up has his query cancelled.
my $socket = $gateway->connect;
$socket->syswrite("GET $slow HTTP/1.1\r\nHost: x\r\n\r\n");
wait_until('a query runs', 10, sub { running() > 0 });
close $socket;
wait_until('and ends when its client has gone', 3, sub { running() == 0 });
sub running
{
	return $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgtsdb_gateway' AND state = 'active'});
}

# ---- slow and silent clients ----

my $usual = median(map { timed() } 1 .. 20);
my @stalled = map {
	my $socket = $gateway->connect;
	$socket->syswrite($_ % 3 == 0 ? "GET /api/v1/qu" : $_ % 3 == 1 ? "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"
		: "POST /api/v1/query HTTP/1.1\r\nHost: x\r\n");
	$socket } 1 .. 50;
my @idle = map { $gateway->connect } 1 .. 400;
is(scalar(grep { defined } @idle), 400, '450 connections');
my $meanwhile = median(map { timed() } 1 .. 20);
cmp_ok($meanwhile, '<', 2 * $usual + 0.02, 'the others are served as usual');
my $deadline = time() + 8;
my $drip = $gateway->connect;
my $cut = 0;
$SIG{PIPE} = 'IGNORE';
$drip->syswrite("POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
while (!$cut && time() < $deadline)
{
	usleep(100_000);
	$cut = !defined $drip->syswrite('x');
}
ok($cut, 'a client that sends a byte now and then is cut off');
is(scalar(grep { my $n = $_->sysread(my $byte, 1); defined $n && $n == 0 } @stalled), 50, 'as those that send no more');
wait_until('no connection is left', 10, sub { $gateway->get('/metrics')->{body} =~ /^pgtsdb_gateway_http_connections (\d+)$/m && $1 <= 1 });

sub timed
{
	my $begun = time();
	$gateway->get('/api/v1/query?query=good&time=1700000000')->{status} == 200 or die;
	return time() - $begun;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[@sorted / 2];
}

# ---- what is no HTTP ----

srand(5);
for my $garbage ("\0" x 100, "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00", "POST /api/v1/write HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
	"GET / HTTP/1.1\r\nA" . ('b' x 20000) . "\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	map { join '', map { chr int rand 256 } 1 .. 200 } 1 .. 20)
{
	my $socket = $gateway->connect;
	$socket->syswrite($garbage);
	shutdown($socket, 1);
	Pgtsdb::Gateway::answer($socket);
}
is($gateway->get('/api/v1/query?query=1')->{status}, 200, 'garbage disturbs nobody');

# Several requests on one connection.
$socket = $gateway->connect;
is(Pgtsdb::Gateway::ask($socket, 'GET', "/api/v1/query?query=$_")->{json}{data}{result}[1], $_, "request $_ of a connection") for 1 .. 3;
is(Pgtsdb::Gateway::ask($socket, 'GET', '/nothing')->{status}, 404, 'an error');
is(Pgtsdb::Gateway::ask($socket, 'GET', '/api/v1/query?query=5')->{json}{data}{result}[1], 5, 'does not end it');

is($gateway->stop, 0, 'it stops when told');
$node->stop;
done_testing();
