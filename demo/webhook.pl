#!/usr/bin/perl
# webhook.pl PORT FILE: a webhook receiver that appends each body it is sent to FILE, one per line.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $path) = @ARGV;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1)
	or die "port $port: $!\n";
open(my $file, '>>', $path) or die "$path: $!\n";
$file->autoflush(1);

while (my $client = $server->accept)
{
	my $length = 0;
	local $SIG{ALRM} = sub { die "slow\n" };
	eval {
		alarm 5;
		while (my $line = <$client>)
		{
			$length = $1 if $line =~ /^content-length:\s*(\d+)/i;
			print $client "HTTP/1.1 100 Continue\r\n\r\n" if $line =~ /^expect:\s*100-continue/i;
			last if $line =~ /^\r?\n$/;
		}
		my $body = '';
		read($client, $body, $length) if $length;
		$body =~ s/\s*\n\s*/ /g;
		print $file "$body\n";
		print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
		alarm 0;
	};
	alarm 0;
	close $client;
}
