# Gateway.pm: pgtsdb-gateway for the TAP tests, and a client that says exactly what the test wants.
#
#	my $gateway = Pgtsdb::Gateway->start($node, '--query-timeout=1s');	# or ->at($port) for one that runs already
#	my $answer = $gateway->get('/api/v1/query?query=1', 'Accept-Encoding' => 'gzip');
#	$answer->{status}; $answer->{headers}{'content-type'}; $answer->{body}; $answer->{json};
#	my $answer = $gateway->post('/api/v1/write', $body, 'Content-Type' => '...');
#	my $socket = $gateway->connect;		# for half a request
#
# status 0: no answer came.
package Pgtsdb::Gateway;

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Uncompress::Gunzip qw(gunzip);
use JSON::PP ();
use MIME::Base64 ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Pgtsdb::RemoteWrite qw(remote_write_body);

my @gateways;

# What a remote writer sends.
our %WRITE = (
	'Content-Type' => 'application/x-protobuf',
	'Content-Encoding' => 'snappy',
	'X-Prometheus-Remote-Write-Version' => '0.1.0');
our %WRITE_V2 = (
	'Content-Type' => 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
	'Content-Encoding' => 'snappy',
	'X-Prometheus-Remote-Write-Version' => '2.0.0');

sub at
{
	my ($class, $port) = @_;
	return bless { port => $port }, $class;
}

# A role for the gateway to connect as, and a role "agent" with all rights on tenant default; samples may be as old as they are in tests.
sub make_roles
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE ROLE pgtsdb_gateway LOGIN;
		CREATE ROLE agent;
		GRANT agent TO pgtsdb_gateway;
		GRANT EXECUTE ON FUNCTION tsdb.remote_write(bytea), tsdb.remote_write_v2(bytea), tsdb.push(jsonb), tsdb.delete_series TO agent;
		INSERT INTO tsdb.tenant_members VALUES ('agent', 'default', true, true);
		INSERT INTO tsdb.tenant_budgets (max_sample_age) VALUES ('0')});
	return;
}

sub start
{
	my ($class, $node, @options) = @_;
	my $self = $class->at(PostgreSQL::Test::Cluster::get_free_port());
	$self->{options} = [
		'--listen' => "127.0.0.1:$self->{port}", '--read-dsn' => $node->connstr('postgres') . ' user=pgtsdb_gateway',
		'--role-for-anonymous' => 'agent', @options ];
	$self->{log} = PostgreSQL::Test::Utils::tempdir() . '/gateway.log';
	push @gateways, $self;
	return $self->start_again;
}

sub start_again
{
	my ($self) = @_;
	$self->{pid} = fork() // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open(STDERR, '>>', $self->{log}) or die;
		open(STDOUT, '>&', \*STDERR) or die;
		exec('pgtsdb-gateway', @{ $self->{options} });
		POSIX::_exit(127);
	}
	$self->wait_until_healthy or BAIL_OUT('the gateway does not start: ' . slurp_file($self->{log}));
	return $self;
}

sub wait_until_healthy
{
	my ($self) = @_;
	for (1 .. 200)
	{
		return 1 if $self->get('/-/healthy')->{status} == 200;
		usleep(50_000);
	}
	return 0;
}

# Answers the exit status.
sub stop
{
	my ($self, $signal) = @_;
	return unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = undef;
	return $?;
}

END
{
	my $status = $?;
	$_->stop for @gateways;
	$? = $status;
}

# ---- requests ----

sub connect
{
	my ($self) = @_;
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Proto => 'tcp', Timeout => 10);
}

sub get { my ($self, $path, %headers) = @_; return $self->request('GET', $path, undef, %headers); }
sub post { my ($self, $path, $body, %headers) = @_; return $self->request('POST', $path, $body, %headers); }

sub form
{
	my ($self, $path, $body, %headers) = @_;
	return $self->post($path, $body, 'Content-Type' => 'application/x-www-form-urlencoded', %headers);
}

sub write
{
	my ($self, $series, %headers) = @_;
	return $self->post('/api/v1/write', remote_write_body(@$series), %WRITE, %headers);
}

sub request
{
	my ($self, $method, $path, $body, %headers) = @_;
	my $socket = $self->connect or return { status => 0 };
	return ask($socket, $method, $path, $body, Connection => 'close', %headers);
}

# On a connection that is open already.
sub ask
{
	my ($socket, $method, $path, $body, %headers) = @_;
	my $request = "$method $path HTTP/1.1\r\nHost: test\r\n";
	$request .= "$_: $headers{$_}\r\n" for sort keys %headers;
	$request .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
	local $SIG{PIPE} = 'IGNORE';
	$socket->syswrite($request . "\r\n" . ($body // ''));
	return answer($socket, $method);
}

# Reads one answer, for at most 60 s.
sub answer
{
	my ($socket, $method) = @_;
	my ($buffer, $deadline) = ('', time() + 60);
	my $more = sub {
		my $select = IO::Select->new($socket);
		return 0 unless $select->can_read($deadline - time());
		return $socket->sysread($buffer, 65536, length $buffer);
	};
	until ($buffer =~ /\r\n\r\n/)
	{
		return { status => 0 } unless $more->();
	}
	my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
	my ($line, @lines) = split /\r\n/, $head;
	my %answer = (headers => { map { /^([^:]+):\s*(.*)$/ ? (lc $1 => $2) : () } @lines });
	($answer{status}) = $line =~ m{^HTTP/1\.1 (\d+)} or return { status => 0 };
	my $length = ($method // '') eq 'HEAD' ? 0 : $answer{headers}{'content-length'} // 0;
	$buffer = $body;
	if (($answer{headers}{'transfer-encoding'} // '') eq 'chunked')
	{
		$answer{whole} = 1;
		until ($buffer =~ /(?:^|\r\n)0\r\n\r\n\z/) { $more->() or $answer{whole} = 0, last }
		$buffer = unchunk($buffer);
		$length = length $buffer;
	}
	while (length $buffer < $length)
	{
		return { status => 0 } unless $more->();
	}
	$answer{raw} = $answer{body} = substr($buffer, 0, $length);
	if (($answer{headers}{'content-encoding'} // '') eq 'gzip')
	{
		my $plain;
		gunzip(\$answer{raw} => \$plain) or return { status => 0 };
		$answer{body} = $plain;
	}
	$answer{json} = eval { JSON::PP->new->utf8->decode($answer{body}) }
		if ($answer{headers}{'content-type'} // '') =~ m{^application/json};
	return \%answer;
}

# Of an answer that comes in chunks; one that breaks off ({whole} is 0 then) as far as it came.
sub unchunk
{
	my ($buffer) = @_;
	my ($out, $at) = ('', 0);
	while (substr($buffer, $at, 20) =~ /^([0-9a-fA-F]+)\r\n/)
	{
		$out .= substr($buffer, $at + length($1) + 2, hex $1);
		$at += length($1) + 4 + hex $1;
		last if $at > length $buffer;
	}
	return $out;
}

sub basic
{
	my ($user, $password) = @_;
	return (Authorization => 'Basic ' . MIME::Base64::encode("$user:$password", ''));
}

sub encode
{
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
	return $text;
}

1;
