# Http.pm: an HTTP server on a loopback port for tests of the workers that go out to the network.
#
#	my $http = Pgtsdb::Http->new;
#	$http->answer('/metrics', status => 200, type => 'text/plain', body => "up 1\n");
#	$http->address;						# 127.0.0.1:port
#	$http->requests('/metrics');		# [ { head => ..., body => ... }, ... ] so far
#
# Answers may be changed at any time.  status 'hang' takes the request and says nothing; gzip => 1 compresses the body;
# headers => "Retry-After: 2" adds lines.  Each connection has a process of its own and ends after one answer.
package Pgtsdb::Http;

use strict;
use warnings;
use IO::Compress::Gzip qw(gzip $GzipError);
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Storable qw(nstore retrieve);

my @servers;

sub new
{
	my ($class) = @_;
	my $self = bless { folder => PostgreSQL::Test::Utils::tempdir() }, $class;
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "no port: $!";

	$self->{port} = $socket->sockport;
	$self->{pid} = fork();
	die "fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		# a group of its own, to end with all connections; nothing of the test may be cleaned up here
		setpgrp(0, 0);
		$SIG{TERM} = $SIG{INT} = 'DEFAULT';
		$SIG{CHLD} = 'IGNORE';
		$self->_serve($socket);
		POSIX::_exit(0);
	}
	close $socket;
	push @servers, $self;
	return $self;
}

sub address { return "127.0.0.1:$_[0]->{port}"; }

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill '-TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = undef;
	return;
}

END
{
	my $status = $?;
	$_->stop for @servers;
	$? = $status;
}

sub _file
{
	my ($self, $kind, $path) = @_;
	$path =~ s/[^A-Za-z0-9]/_/g;
	return "$self->{folder}/$kind$path";
}

sub answer
{
	my ($self, $path, %answer) = @_;
	my $file = $self->_file('answer', $path);

	nstore(\%answer, "$file.new");
	rename("$file.new", $file) or die "rename: $!";
	return;
}

sub requests
{
	my ($self, $path) = @_;
	my @requests;
	my $file = $self->_file('log', $path);

	return [] unless -e $file;
	open(my $log, '<:raw', $file) or die "$file: $!";
	while (read($log, my $sizes, 8) == 8)
	{
		my ($head, $body) = unpack('NN', $sizes);
		read($log, my $text, $head + $body);
		last if length($text) < $head + $body;
		push @requests, { head => substr($text, 0, $head), body => substr($text, $head) };
	}
	close $log;
	return \@requests;
}

sub _serve
{
	my ($self, $socket) = @_;
	require POSIX;
	while (1)
	{
		my $client = $socket->accept or next;
		my $pid = fork();
		if (defined $pid && $pid == 0)
		{
			close $socket;
			alarm 60;
			eval { $self->_talk($client) };
			POSIX::_exit(0);
		}
		close $client;
	}
}

sub _talk
{
	my ($self, $client) = @_;
	my ($head, $body) = ('', '');

	while (my $line = <$client>)
	{
		$head .= $line;
		last if $line =~ /^\r?\n$/;
	}
	read($client, $body, $1) if $head =~ /^content-length:\s*(\d+)/im;
	my ($path) = $head =~ m{^\S+ ([^ ?]+)} or return;

	# one write, so that requests of several connections do not mix
	open(my $log, '>>:raw', $self->_file('log', $path)) or return;
	syswrite($log, pack('NN', length $head, length $body) . $head . $body);
	close $log;

	my $file = $self->_file('answer', $path);
	my %answer = -e $file ? %{ retrieve($file) } : (status => 404);
	sleep 60 if $answer{status} eq 'hang';

	my $content = $answer{body} // '';
	my $lines = join '', map { "$_\r\n" } grep { defined } (
		defined $answer{type} ? "Content-Type: $answer{type}" : undef,
		$answer{gzip} ? 'Content-Encoding: gzip' : undef,
		$answer{headers});
	if ($answer{gzip})
	{
		my $plain = $content;
		gzip(\$plain => \$content) or die $GzipError;
	}
	my $length = length $content;
	syswrite($client, "HTTP/1.1 $answer{status} x\r\n${lines}Content-Length: $length\r\nConnection: close\r\n\r\n$content");
	close $client;
	return;
}

1;
