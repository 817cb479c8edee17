# Credentials become roles of the database, which decides: who may read and write which tenant, by basic authorization, by
# token, and without either.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Gateway;
use Pgtsdb::Node;

my $node = pgtsdb_node('gateway', settings => "listen_addresses = '127.0.0.1'\npassword_encryption = 'scram-sha-256'\n");
Pgtsdb::Gateway::make_roles($node);
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN PASSWORD 'wonder:land';
	CREATE ROLE bob LOGIN PASSWORD 'builder';
	CREATE ROLE trusted LOGIN;
	CREATE ROLE robot;
	CREATE ROLE stranger;
	GRANT robot TO pgtsdb_gateway;
	SELECT tsdb.create_tenant('a');
	SELECT tsdb.create_tenant('b');
	ALTER ROLE alice SET pgtsdb.tenant = 'a';
	ALTER ROLE robot SET pgtsdb.tenant = 'b';
	INSERT INTO tsdb.tenant_budgets (tenant_id, max_sample_age) SELECT tenant_id, '0' FROM tsdb.tenants ON CONFLICT DO NOTHING;
	GRANT EXECUTE ON FUNCTION tsdb.remote_write(bytea) TO alice, bob, robot;
	INSERT INTO tsdb.tenant_members VALUES ('alice', 'a', true), ('bob', 'b', true), ('bob', 'a', false), ('robot', 'b', true)});
my $host = '127.0.0.1/32';
my $hba = $node->data_dir . '/pg_hba.conf';
my $rest = slurp_file($hba);
unlink $hba;
append_to_file($hba, "host all alice,bob $host scram-sha-256\nhost all pgtsdb_gateway,trusted $host trust\nlocal all all trust\n");
$node->restart;

my $tokens = PostgreSQL::Test::Utils::tempdir() . '/tokens';
append_to_file($tokens, "# role:token\nrobot:0123456789abcdef\nstranger:fedcba9876543210\n");
my $dsn = 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres user=pgtsdb_gateway';
my $gateway = Pgtsdb::Gateway->start($node, '--read-dsn' => $dsn, '--role-for-anonymous' => '', '--tokens-file' => $tokens,
	'--read-connections=2', '--write-connections=2');

my %alice = Pgtsdb::Gateway::basic('alice', 'wonder:land');
my %bob = Pgtsdb::Gateway::basic('bob', 'builder');
my %robot = (Authorization => 'Bearer 0123456789abcdef');
my %a = ('X-Scope-OrgID' => 'a');
my %b = ('X-Tenant-ID' => 'b');

sub series_of
{
	my ($value) = @_;
	return [ { labels => { __name__ => 'm' }, samples => [ [ 1_700_000_000_000, $value ] ] } ];
}

sub value
{
	my (%headers) = @_;
	my $answer = $gateway->get('/api/v1/query?query=m&time=1700000000', %headers);
	return $answer->{status} == 200 ? $answer->{json}{data}{result}[0]{value}[1] // 'none' : $answer->{status};
}

# ---- who is nobody ----

my $answer = $gateway->get('/api/v1/query?query=1');
is($answer->{status}, 401, 'no credentials');
like($answer->{headers}{'www-authenticate'}, qr/^Basic /, 'are asked for');
is($gateway->write(series_of(1))->{status}, 401, 'for writes too');
is($gateway->get($_)->{status}, 200, "$_ is open") for '/-/healthy', '/-/ready', '/metrics', '/api/v1/status/buildinfo';
is($gateway->get('/api/v1/status/flags')->{status}, 401, 'the options are not');
is(value(Pgtsdb::Gateway::basic(@$_)), 401, 'basic ' . Pgtsdb::Gateway::encode("$_->[0] $_->[1]"))
	for [ 'alice', 'wrong' ], [ 'alice', '' ], [ 'nobody', 'x' ], [ '', '' ], [ "al\0ice", 'x' ];
is(value(Pgtsdb::Gateway::basic('trusted', 'anything')), 401, 'a role that the database asks for no password');
is(value(Pgtsdb::Gateway::basic('pgtsdb_gateway', 'anything')), 401, 'the gateway itself');
is(value(Authorization => $_), 401, $_) for 'Bearer', 'Bearer x', 'Bearer 0123456789abcdef0', 'Digest x', 'Basic ~~', 'Basic ' . 'A' x 5000;
is(value(Authorization => 'Bearer fedcba9876543210'), 403, 'a token of a role that the gateway may not be');

# ---- who is somebody ----

is($gateway->write(series_of(1), %alice)->{status}, 204, 'alice writes to the tenant of her role');
is($gateway->write(series_of(2), %bob, %b)->{status}, 204, 'bob to the one he names');
is(value(%alice), 1, 'alice reads hers');
is(value(%alice, %a), 1, 'and by name');
is(value(%alice, %b), 403, 'not another');
is($gateway->write(series_of(9), %alice, %b)->{status}, 403, 'and does not write there');
is(value(%bob, %b), 2, 'bob reads his');
is(value(%bob, %a), 1, 'and the other one, as he may');
is($gateway->write(series_of(9), %bob, %a)->{status}, 403, 'but he does not write there');
is(value(%bob), 403, 'the default tenant is not his');
is(value(%bob, 'X-Scope-OrgID' => 'c'), 403, 'nor one that does not exist');
is(value(%bob, 'X-Scope-OrgID' => "\xff"), 400, 'nor one that is no text');
is(value(%robot), 2, 'a token reads the tenant of its role');
is(value(%robot, %a), 403, 'and no other');
is($gateway->write(series_of(2), %robot)->{status}, 204, 'and writes');
is($gateway->post('/api/v1/admin/tsdb/delete_series?match[]=m', '', %alice)->{status}, 403, 'deletion is for who may');
is($gateway->get('/api/v1/series?match[]=m', %alice, %b)->{status}, 403, 'series are those of the tenant');

# One after the other on few connections: each finds its own.
my @wrong;
for my $i (1 .. 60)
{
	my ($who, $expected) = @{ ([ { %alice }, 1 ], [ { %bob, %b }, 2 ], [ { %robot }, 2 ], [ { %alice, %b }, 403 ], [ { %bob, %a }, 1 ])[ int rand 5 ] };
	push @wrong, $i if value(%$who) ne $expected;
}
is_deeply(\@wrong, [], 'no request acts for the one before it');

# ---- rights that go ----

$node->safe_psql('postgres', "DELETE FROM tsdb.tenant_members WHERE role_name = 'robot'");
is(value(%robot), 403, 'a right that was taken away is gone at once');
is($gateway->stop, 0, 'it stops');

$gateway = Pgtsdb::Gateway->start($node, '--read-dsn' => $dsn, '--role-for-anonymous' => 'robot');
is(value(), 403, 'who says nothing has the rights of the role for that');
$node->safe_psql('postgres', "INSERT INTO tsdb.tenant_members VALUES ('robot', 'b', false)");
is(value(), 2, 'which may read');
is($gateway->write(series_of(2))->{status}, 403, 'and not write');
is(value(%alice), 1, 'who says more has his own');
unlike(slurp_file($gateway->{log}), qr/wonder|builder|0123456789abcdef/, 'no secret is in the log');
$gateway->stop;

$node->stop;
done_testing();
