# docs/reference.md says what the catalog says: settings, functions, types, tables and views with their comments.
# With PGTSDB_WRITE_REFERENCE naming a file, what it should be is written there (`make docs`).
use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $docs = "$FindBin::RealBin/../../docs";
my $node = pgtsdb_node('reference');
my ($rc, $out, $err) = $node->psql('postgres', undef, extra_params => [ '-f', "$docs/reference.sql" ], on_error_stop => 1);
is($err, '', 'the catalog can be read');
$out =~ s/\s*\z/\n/;

if ($ENV{PGTSDB_WRITE_REFERENCE})
{
	open(my $file, '>', $ENV{PGTSDB_WRITE_REFERENCE}) or die;
	print $file $out;
	close $file;
}
is($out, slurp_file("$docs/reference.md"), 'docs/reference.md is current; `make docs` makes it so') unless $ENV{PGTSDB_WRITE_REFERENCE};

my $undescribed = $node->safe_psql('postgres', q{
	SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	 WHERE c.relnamespace = 'tsdb'::regnamespace AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL});
is($undescribed, '', 'every table and view has a comment');

done_testing();
