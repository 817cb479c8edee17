-- reference.sql: writes docs/reference.md out of the catalog of a database that has the extension, so that settings,
-- functions and tables are described in one place: guc.c and pgtsdb.sql.  `make docs` runs it; the test
-- reference_is_current compares.
\pset format unaligned
\pset tuples_only on

\qecho '# Reference'
\qecho
\qecho 'Made by `make docs` from the comments in the catalog; edit those, in `src/pg/guc.c` and `sql/pgtsdb.sql`.'

-- ---- settings ----

\qecho
\qecho '## Settings'
\qecho
\qecho '| setting | default | range | changed | |'
\qecho '|---|---|---|---|---|'
SELECT format('| `%s` | %s | %s | %s | %s |', name,
              CASE WHEN coalesce(boot_val, '') = '' THEN 'empty' ELSE '`' || boot_val || coalesce(' ' || unit, '') || '`' END,
              CASE WHEN vartype IN ('integer', 'real') THEN min_val || ' to ' || max_val
                   WHEN vartype = 'enum' THEN array_to_string(enumvals, ', ') ELSE vartype END,
              CASE context WHEN 'postmaster' THEN 'at start' WHEN 'sighup' THEN 'by reload' WHEN 'superuser' THEN 'by superusers'
                           WHEN 'user' THEN 'by anybody' ELSE context END,
              rtrim(concat_ws(' ', short_desc, extra_desc)))
  FROM pg_settings WHERE name LIKE 'pgtsdb.%' ORDER BY name COLLATE "C";

-- ---- functions ----

\qecho
\qecho '## Functions and procedures'
\qecho
\qecho 'Those that write are revoked from PUBLIC: grant them to the roles of your senders.'
\qecho
SELECT format('- `tsdb.%s(%s)`%s%s%s', p.proname, pg_get_function_arguments(p.oid),
              CASE WHEN p.prokind = 'p' THEN '' ELSE ' → `' || pg_get_function_result(p.oid) || '`' END,
              coalesce(': ' || obj_description(p.oid, 'pg_proc'), ''),
              CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN '' ELSE ' *(revoked from PUBLIC)*' END)
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pgtsdb'
 WHERE p.prorettype <> 'trigger'::regtype
   -- input, output and support functions belong to their types, operators and functions
   AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
   AND NOT EXISTS (SELECT FROM pg_operator o WHERE p.oid IN (o.oprcode, o.oprrest, o.oprjoin))
   AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid)
   AND NOT EXISTS (SELECT FROM pg_proc s WHERE s.prosupport = p.oid)
   AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
   AND NOT EXISTS (SELECT FROM pg_am m WHERE m.amhandler = p.oid)
   AND NOT EXISTS (SELECT FROM pg_aggregate a WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn))
 ORDER BY p.proname COLLATE "C", pg_get_function_arguments(p.oid) COLLATE "C";

-- ---- types and operators ----

\qecho
\qecho '## Types and operators'
\qecho
SELECT format('- type `tsdb.%s`%s', t.typname, coalesce(': ' || obj_description(t.oid, 'pg_type'), ''))
  FROM pg_type t WHERE t.typnamespace = 'tsdb'::regnamespace AND t.typtype = 'b' AND t.typelem = 0
 ORDER BY t.typname COLLATE "C";
SELECT format('- `%s %s %s`%s', o.oprleft::regtype, o.oprname, o.oprright::regtype, coalesce(': ' || obj_description(o.oid, 'pg_operator'), ''))
  FROM pg_operator o WHERE o.oprnamespace = 'tsdb'::regnamespace
 ORDER BY o.oprname COLLATE "C", o.oprleft::regtype::text COLLATE "C";
SELECT format('- access method `%s`%s', m.amname, coalesce(': ' || obj_description(m.oid, 'pg_am'), ''))
  FROM pg_am m WHERE m.amhandler::oid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'tsdb'::regnamespace)
 ORDER BY m.amname COLLATE "C";

-- ---- tables and views ----

\qecho
\qecho '## Tables and views'
SELECT format(E'\n### %s `tsdb.%s`\n\n%s\n\n| column | type | default | |\n|---|---|---|---|\n%s',
              CASE c.relkind WHEN 'v' THEN 'View' ELSE 'Table' END, c.relname,
              coalesce(upper(left(obj_description(c.oid, 'pg_class'), 1)) || substr(obj_description(c.oid, 'pg_class'), 2) || '.', ''),
              (SELECT string_agg(format('| `%s` | %s%s | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                        CASE WHEN a.attnotnull THEN ', not null' ELSE '' END,
                                        coalesce('`' || replace(pg_get_expr(x.adbin, x.adrelid), '|', '\|') || '`', ''),
                                        coalesce(col_description(c.oid, a.attnum), '')), E'\n' ORDER BY a.attnum)
                 FROM pg_attribute a LEFT JOIN pg_attrdef x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
 WHERE c.relnamespace = 'tsdb'::regnamespace AND c.relkind IN ('r', 'p', 'v')
 ORDER BY c.relkind, c.relname COLLATE "C";
