-- pgtsdb: the whole SQL face.  Order: types, operators, configuration tables, storage, write functions,
-- query functions, workers and rules, notifications, views, grants.
\echo Use "CREATE EXTENSION pgtsdb" to load this file. \quit

-- ==== types ==========================================================================================

CREATE TYPE tsdb.labels;
CREATE FUNCTION tsdb.labels_in(cstring) RETURNS tsdb.labels
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_in(cstring) IS 'I/O';
CREATE FUNCTION tsdb.labels_out(tsdb.labels) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_out(tsdb.labels) IS 'I/O';
CREATE FUNCTION tsdb.labels_recv(internal) RETURNS tsdb.labels
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_recv(internal) IS 'I/O';
CREATE FUNCTION tsdb.labels_send(tsdb.labels) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_send(tsdb.labels) IS 'I/O';
CREATE TYPE tsdb.labels (
    INPUT = tsdb.labels_in, OUTPUT = tsdb.labels_out, RECEIVE = tsdb.labels_recv, SEND = tsdb.labels_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE tsdb.labels IS 'label set of a series, the metric name as __name__ included: up{job="node"}';

CREATE FUNCTION tsdb.labels(jsonb) RETURNS tsdb.labels
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels(jsonb) IS 'label set from a JSON object of strings; the metric name is the key __name__';
CREATE FUNCTION tsdb.labels_to_jsonb(tsdb.labels) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_to_jsonb(tsdb.labels) IS 'label set as a JSON object of strings';
CREATE CAST (jsonb AS tsdb.labels) WITH FUNCTION tsdb.labels(jsonb) AS ASSIGNMENT;
CREATE CAST (tsdb.labels AS jsonb) WITH FUNCTION tsdb.labels_to_jsonb(tsdb.labels) AS ASSIGNMENT;

CREATE FUNCTION tsdb.labels_value(tsdb.labels, text) RETURNS text
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_value(tsdb.labels, text) IS 'implementation of operator ->>';
CREATE OPERATOR tsdb.->> (LEFTARG = tsdb.labels, RIGHTARG = text, FUNCTION = tsdb.labels_value);
COMMENT ON OPERATOR tsdb.->> (tsdb.labels, text) IS 'value of a label, null when it is not set';
CREATE FUNCTION tsdb.series_name(labels jsonb) RETURNS text
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_series_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.series_name(jsonb) IS 'labels as Prometheus prints a series: up{job="node"}';
CREATE FUNCTION tsdb.label_names(tsdb.labels) RETURNS text[]
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_names' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.label_names(tsdb.labels) IS 'names of the labels of a set, in order';

CREATE FUNCTION tsdb.labels_eq(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_eq(tsdb.labels, tsdb.labels) IS 'implementation of operator =';
CREATE FUNCTION tsdb.labels_ne(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_ne(tsdb.labels, tsdb.labels) IS 'implementation of operator <>';
CREATE FUNCTION tsdb.labels_lt(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_lt(tsdb.labels, tsdb.labels) IS 'implementation of operator <';
CREATE FUNCTION tsdb.labels_le(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_le(tsdb.labels, tsdb.labels) IS 'implementation of operator <=';
CREATE FUNCTION tsdb.labels_gt(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_gt(tsdb.labels, tsdb.labels) IS 'implementation of operator >';
CREATE FUNCTION tsdb.labels_ge(tsdb.labels, tsdb.labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_ge(tsdb.labels, tsdb.labels) IS 'implementation of operator >=';
CREATE FUNCTION tsdb.labels_cmp(tsdb.labels, tsdb.labels) RETURNS int4
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_cmp(tsdb.labels, tsdb.labels) IS 'less-equal-greater in the order of Prometheus';
CREATE FUNCTION tsdb.labels_hash(tsdb.labels) RETURNS int4
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_hash(tsdb.labels) IS 'hash';
CREATE FUNCTION tsdb.labels_hash_extended(tsdb.labels, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_hash_extended(tsdb.labels, bigint) IS 'hash with a seed';

CREATE OPERATOR tsdb.= (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_eq,
    COMMUTATOR = OPERATOR(tsdb.=), NEGATOR = OPERATOR(tsdb.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR tsdb.= (tsdb.labels, tsdb.labels) IS 'same labels';
CREATE OPERATOR tsdb.<> (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_ne,
    COMMUTATOR = OPERATOR(tsdb.<>), NEGATOR = OPERATOR(tsdb.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR tsdb.<> (tsdb.labels, tsdb.labels) IS 'other labels';
CREATE OPERATOR tsdb.< (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_lt,
    COMMUTATOR = OPERATOR(tsdb.>), NEGATOR = OPERATOR(tsdb.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR tsdb.< (tsdb.labels, tsdb.labels) IS 'before, in the order of Prometheus';
CREATE OPERATOR tsdb.<= (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_le,
    COMMUTATOR = OPERATOR(tsdb.>=), NEGATOR = OPERATOR(tsdb.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR tsdb.<= (tsdb.labels, tsdb.labels) IS 'before or the same';
CREATE OPERATOR tsdb.> (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_gt,
    COMMUTATOR = OPERATOR(tsdb.<), NEGATOR = OPERATOR(tsdb.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR tsdb.> (tsdb.labels, tsdb.labels) IS 'behind, in the order of Prometheus';
CREATE OPERATOR tsdb.>= (LEFTARG = tsdb.labels, RIGHTARG = tsdb.labels, FUNCTION = tsdb.labels_ge,
    COMMUTATOR = OPERATOR(tsdb.<=), NEGATOR = OPERATOR(tsdb.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR tsdb.>= (tsdb.labels, tsdb.labels) IS 'behind or the same';

CREATE OPERATOR CLASS tsdb.labels_ops DEFAULT FOR TYPE tsdb.labels USING btree AS
    OPERATOR 1 tsdb.<, OPERATOR 2 tsdb.<=, OPERATOR 3 tsdb.=, OPERATOR 4 tsdb.>=, OPERATOR 5 tsdb.>,
    FUNCTION 1 tsdb.labels_cmp(tsdb.labels, tsdb.labels);
COMMENT ON OPERATOR CLASS tsdb.labels_ops USING btree IS 'order of label sets as in Prometheus';
CREATE OPERATOR CLASS tsdb.labels_hash_ops DEFAULT FOR TYPE tsdb.labels USING hash AS
    OPERATOR 1 tsdb.=,
    FUNCTION 1 tsdb.labels_hash(tsdb.labels), FUNCTION 2 tsdb.labels_hash_extended(tsdb.labels, bigint);
COMMENT ON OPERATOR CLASS tsdb.labels_hash_ops USING hash IS 'equality of label sets';

CREATE TYPE tsdb.selector;
CREATE FUNCTION tsdb.selector_in(cstring) RETURNS tsdb.selector
    AS 'MODULE_PATHNAME', 'pgtsdb_selector_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.selector_in(cstring) IS 'I/O';
CREATE FUNCTION tsdb.selector_out(tsdb.selector) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgtsdb_selector_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.selector_out(tsdb.selector) IS 'I/O';
CREATE FUNCTION tsdb.selector_recv(internal) RETURNS tsdb.selector
    AS 'MODULE_PATHNAME', 'pgtsdb_selector_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.selector_recv(internal) IS 'I/O';
CREATE FUNCTION tsdb.selector_send(tsdb.selector) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgtsdb_selector_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.selector_send(tsdb.selector) IS 'I/O';
CREATE TYPE tsdb.selector (
    INPUT = tsdb.selector_in, OUTPUT = tsdb.selector_out, RECEIVE = tsdb.selector_recv, SEND = tsdb.selector_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE tsdb.selector IS 'PromQL selector: up{job="node", instance=~"web-.+"}';

CREATE FUNCTION tsdb.labels_match(tsdb.labels, tsdb.selector) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_match' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_match(tsdb.labels, tsdb.selector) IS 'implementation of operator @@';
CREATE FUNCTION tsdb.labels_match_sel(internal, oid, internal, int4) RETURNS float8
    AS 'MODULE_PATHNAME', 'pgtsdb_labels_match_sel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.labels_match_sel(internal, oid, internal, int4) IS 'restriction selectivity of operator @@';
CREATE OPERATOR tsdb.@@ (LEFTARG = tsdb.labels, RIGHTARG = tsdb.selector, FUNCTION = tsdb.labels_match,
    RESTRICT = tsdb.labels_match_sel, JOIN = contjoinsel);
COMMENT ON OPERATOR tsdb.@@ (tsdb.labels, tsdb.selector) IS 'labels match all matchers of the selector';

CREATE TYPE tsdb.chunk;
CREATE FUNCTION tsdb.chunk_in(cstring) RETURNS tsdb.chunk
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_in(cstring) IS 'I/O';
CREATE FUNCTION tsdb.chunk_out(tsdb.chunk) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_out(tsdb.chunk) IS 'I/O';
CREATE FUNCTION tsdb.chunk_recv(internal) RETURNS tsdb.chunk
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_recv(internal) IS 'I/O';
CREATE FUNCTION tsdb.chunk_send(tsdb.chunk) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_send(tsdb.chunk) IS 'I/O';
CREATE TYPE tsdb.chunk (
    INPUT = tsdb.chunk_in, OUTPUT = tsdb.chunk_out, RECEIVE = tsdb.chunk_recv, SEND = tsdb.chunk_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = plain
);
COMMENT ON TYPE tsdb.chunk IS 'compressed samples of neighbouring series over one window';

CREATE FUNCTION tsdb.chunk_agg_step(internal, timestamptz, float8) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_agg_step' LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_agg_step(internal, timestamptz, float8) IS 'transition function of chunk_agg';
CREATE FUNCTION tsdb.chunk_agg_step(internal, timestamptz, float8, text) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_agg_step' LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_agg_step(internal, timestamptz, float8, text) IS 'transition function of chunk_agg';
CREATE FUNCTION tsdb.chunk_agg_final(internal) RETURNS tsdb.chunk
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_agg_final' LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.chunk_agg_final(internal) IS 'final function of chunk_agg';
CREATE AGGREGATE tsdb.chunk_agg(ts timestamptz, value float8) (
    SFUNC = tsdb.chunk_agg_step, STYPE = internal, FINALFUNC = tsdb.chunk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE tsdb.chunk_agg(timestamptz, float8) IS
    'chunk of up to 8191 samples, in order of time; times are kept in milliseconds, and of samples with the same time the first stays';
CREATE AGGREGATE tsdb.chunk_agg(ts timestamptz, value float8, codec text) (
    SFUNC = tsdb.chunk_agg_step, STYPE = internal, FINALFUNC = tsdb.chunk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE tsdb.chunk_agg(timestamptz, float8, text) IS 'same with a codec: auto, gorilla or bits';

CREATE FUNCTION tsdb.chunk_samples(chunk tsdb.chunk) RETURNS TABLE (ts timestamptz, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_samples' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 480;
COMMENT ON FUNCTION tsdb.chunk_samples(tsdb.chunk) IS 'samples of a chunk made by chunk_agg()';
CREATE FUNCTION tsdb.chunk_samples(chunk tsdb.chunk, t_min bigint) RETURNS TABLE (col int4, ts timestamptz, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_samples_of_columns' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10000;
COMMENT ON FUNCTION tsdb.chunk_samples(tsdb.chunk, bigint) IS
    'samples of all columns of a chunk, counted from 0, with the time of its first sample in milliseconds since 1970, as in tsdb.chunks';
CREATE FUNCTION tsdb.chunk_info(chunk tsdb.chunk)
    RETURNS TABLE (col int4, bytes int4, samples int4, model text, exponent int4, predictor int4, coder text, reference int4)
    AS 'MODULE_PATHNAME', 'pgtsdb_chunk_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION tsdb.chunk_info(tsdb.chunk) IS
    'sizes and codecs of the columns of a chunk; the row without col is its header with timestamps and directory';


-- ==== label index ====================================================================================

CREATE FUNCTION tsdb.label_index_handler(internal) RETURNS index_am_handler
    AS 'MODULE_PATHNAME', 'pgtsdb_label_index_handler' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.label_index_handler(internal) IS 'handler of access method label_index';
CREATE ACCESS METHOD label_index TYPE INDEX HANDLER tsdb.label_index_handler;
COMMENT ON ACCESS METHOD label_index IS 'rows by their labels: answers labels @@ selector';

CREATE OPERATOR CLASS tsdb.label_index_labels_ops DEFAULT FOR TYPE tsdb.labels USING label_index AS
    OPERATOR 1 tsdb.@@ (tsdb.labels, tsdb.selector);
COMMENT ON OPERATOR CLASS tsdb.label_index_labels_ops USING label_index IS 'the labels of a row';
CREATE OPERATOR CLASS tsdb.label_index_part_ops DEFAULT FOR TYPE int4 USING label_index AS
    OPERATOR 1 =;
COMMENT ON OPERATOR CLASS tsdb.label_index_part_ops USING label_index IS 'the part, in front of the labels: those of different parts are kept apart';

CREATE FUNCTION tsdb.label_index_check(index regclass) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_label_index_check' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.label_index_check(regclass) IS
    'verifies a label index and that each visible row is found under its labels; answers how many there are';
CREATE FUNCTION tsdb.label_index_names(index regclass, part int4 DEFAULT 0)
    RETURNS TABLE (name text, "values" bigint, "rows" bigint)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_label_index_names' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION tsdb.label_index_names(regclass, int4) IS
    'label names in a label index, how many values each has and in how many rows; without a column for the part it is 0; dead rows count until they are vacuumed';
CREATE FUNCTION tsdb.label_index_values(index regclass, name text, part int4 DEFAULT 0)
    RETURNS TABLE (value text, "rows" bigint)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_label_index_values' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION tsdb.label_index_values(regclass, text, int4) IS
    'values of a label in a label index, and in how many rows each; one longer than 512 bytes is cut';

-- ==== configuration: tenants =========================================================================

-- The administrator role belongs to the whole cluster, so another database may have made it.
DO $$
BEGIN
    CREATE ROLE pgtsdb_admin NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

CREATE TABLE tsdb.tenants (
    tenant_id   text        NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
    note        text,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tsdb.tenants IS 'who owns series, rules and targets; ''default'' exists from the start';

CREATE TABLE tsdb.tenant_parts (
    tenant_id   text        NOT NULL REFERENCES tsdb.tenants ON DELETE RESTRICT,
    part        int4        NOT NULL UNIQUE CHECK (part > 0),
    since       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, part)
);
COMMENT ON TABLE tsdb.tenant_parts IS 'which parts of the storage tables a tenant owns: one on a single machine';

CREATE TABLE tsdb.tenant_members (
    role_name       name    NOT NULL,
    tenant_id       text    NOT NULL REFERENCES tsdb.tenants ON DELETE CASCADE,
    may_write       boolean NOT NULL DEFAULT false,
    may_administer  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (role_name, tenant_id)
);
COMMENT ON TABLE tsdb.tenant_members IS 'roles that may read a tenant''s series, and what else they may do; membership is inherited like any role';

CREATE TABLE tsdb.tenant_budgets (
    tenant_id       text        NOT NULL PRIMARY KEY DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE CASCADE,
    max_sample_age  interval    NOT NULL DEFAULT '1 hour' CHECK (max_sample_age >= '0' AND max_sample_age <= '1000 years')
);
COMMENT ON TABLE tsdb.tenant_budgets IS 'what senders of a tenant may send; a tenant without a row has the defaults';
COMMENT ON COLUMN tsdb.tenant_budgets.max_sample_age IS 'how late samples may come over HTTP or out of a scrape, 0: without limit; functions called in SQL may store older ones';
ALTER TABLE tsdb.tenant_budgets ENABLE ROW LEVEL SECURITY;

INSERT INTO tsdb.tenants (tenant_id, note) VALUES ('default', 'made by CREATE EXTENSION');
INSERT INTO tsdb.tenant_parts (tenant_id, part) VALUES ('default', 1);

SELECT pg_catalog.pg_extension_config_dump('tsdb.tenants', $$WHERE tenant_id <> 'default'$$);
SELECT pg_catalog.pg_extension_config_dump('tsdb.tenant_parts', $$WHERE part <> 1$$);
SELECT pg_catalog.pg_extension_config_dump('tsdb.tenant_members', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.tenant_budgets', '');

CREATE FUNCTION tsdb.create_tenant(tenant_id text, note text DEFAULT NULL) RETURNS int4
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_create_tenant' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.create_tenant(text, text) IS 'makes a tenant with a part of its own, whose number it answers';
REVOKE ALL ON FUNCTION tsdb.create_tenant(text, text) FROM PUBLIC;

-- current_setting() does not know the settings of a library that the session has not loaded yet.
CREATE FUNCTION tsdb.setting(name text) RETURNS text
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_setting' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.setting(text) IS 'the value of a setting, as current_setting() shows it, also in a session that has used nothing of pgtsdb before';

CREATE FUNCTION tsdb.has_access(tenant_id text, access text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_has_access' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION tsdb.has_access(text, text) IS 'whether the current user may read, write or administer the tenant; what row policies ask';

CREATE POLICY readers ON tsdb.tenant_budgets FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.tenant_budgets TO pgtsdb_admin USING (true);

-- ==== storage ========================================================================================
-- Not members of the extension: made by the first write, or by hand, so that a dump brings them back with
-- all data, partitions can be dropped, and a distributed engine can own their placement.

CREATE FUNCTION tsdb.create_storage() RETURNS void
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_create_storage' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.create_storage() IS 'makes the storage tables that are missing and verifies those that are there; the first write does the same';
REVOKE ALL ON FUNCTION tsdb.create_storage() FROM PUBLIC;

CREATE FUNCTION tsdb.drop_storage() RETURNS void
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_drop_storage' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.drop_storage() IS 'drops the storage tables with all series and samples, as DROP EXTENSION needs it first';
REVOKE ALL ON FUNCTION tsdb.drop_storage() FROM PUBLIC;

CREATE FUNCTION tsdb.ensure_chunk_partition(tier int2, class int2, t timestamptz) RETURNS regclass
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_ensure_chunk_partition' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.ensure_chunk_partition(int2, int2, timestamptz) IS 'the partition of tsdb.chunks for this time, made when it is missing';
REVOKE ALL ON FUNCTION tsdb.ensure_chunk_partition(int2, int2, timestamptz) FROM PUBLIC;

CREATE PROCEDURE tsdb.compact(force boolean DEFAULT false)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_compact' LANGUAGE C;
COMMENT ON PROCEDURE tsdb.compact(boolean) IS 'turns the head rows of closed windows into chunks, of open ones too if forced; commits behind every few groups';
REVOKE ALL ON PROCEDURE tsdb.compact(boolean) FROM PUBLIC;

-- ==== retention ======================================================================================

CREATE TABLE tsdb.retention_policies (
    class       int2            NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position    int4            NOT NULL DEFAULT 0,
    tenant_id   text            NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE CASCADE,
    selector    tsdb.selector,
    retention   interval        CHECK (retention > '0 seconds' AND retention <= '1000 years'),
    created_at  timestamptz     NOT NULL DEFAULT pg_catalog.now()
);
CREATE UNIQUE INDEX retention_policies_tenant_id_key ON tsdb.retention_policies (tenant_id) WHERE selector IS NULL;
COMMENT ON TABLE tsdb.retention_policies IS 'how long samples are kept: those of a series by the first policy of its tenant that matches; without one for ever';
COMMENT ON COLUMN tsdb.retention_policies.class IS 'given out by the system: the class of the chunks of these series, which have partitions of their own';
COMMENT ON COLUMN tsdb.retention_policies.position IS 'policies are tried from the lowest position on; within one, those with a selector first, then the older ones';
COMMENT ON COLUMN tsdb.retention_policies.selector IS 'which series; null: all of the tenant';
COMMENT ON COLUMN tsdb.retention_policies.retention IS 'how long their samples are kept; null: for ever';

ALTER TABLE tsdb.retention_policies ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.retention_policies FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.retention_policies USING (tsdb.has_access(tenant_id, 'administer'));

SELECT pg_catalog.pg_extension_config_dump('tsdb.retention_policies', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.retention_policies_class_seq', '');

CREATE PROCEDURE tsdb.apply_retention()
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_apply_retention' LANGUAGE C;
COMMENT ON PROCEDURE tsdb.apply_retention() IS 'drops the partitions of tsdb.chunks that are expired and removes series without samples, as the compactor does; waits for nobody longer than a tenth of a second, and commits behind every step';
REVOKE ALL ON PROCEDURE tsdb.apply_retention() FROM PUBLIC;

CREATE FUNCTION tsdb.retention_statistics(OUT class int2, OUT cutoff timestamptz, OUT partitions int4, OUT oldest timestamptz, OUT bytes bigint)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_retention_statistics' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION tsdb.retention_statistics() IS 'what each retention class holds, for tsdb.retention';

CREATE VIEW tsdb.retention WITH (security_invoker = true) AS
SELECT s.class, p.position, p.tenant_id, p.selector, p.retention, s.cutoff, s.oldest, s.partitions, s.bytes
  FROM tsdb.retention_statistics() s
  LEFT JOIN tsdb.retention_policies p ON p.class OPERATOR(pg_catalog.=) s.class
 WHERE s.class OPERATOR(pg_catalog.=) 0 OR p.class IS NOT NULL;
COMMENT ON VIEW tsdb.retention IS 'retention policies, and what is stored in tsdb.chunks by them; class 0 is what no policy keeps, of all tenants';
COMMENT ON COLUMN tsdb.retention.cutoff IS 'what is older is expired; null: nothing is';
COMMENT ON COLUMN tsdb.retention.oldest IS 'where the oldest partition that holds anything begins: no chunk is older';
COMMENT ON COLUMN tsdb.retention.bytes IS 'on disk, with indexes';

-- ==== write functions ================================================================================
-- Nobody may write by default: GRANT EXECUTE to the roles that do, and add them to tsdb.tenant_members.

CREATE FUNCTION tsdb.remote_write(body bytea) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_remote_write' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.remote_write(bytea) IS 'stores a Prometheus remote-write 1.0 request (protobuf, snappy); answers the number of samples stored';
REVOKE ALL ON FUNCTION tsdb.remote_write(bytea) FROM PUBLIC;

CREATE FUNCTION tsdb.remote_write_v2(body bytea, OUT samples bigint, OUT histograms bigint, OUT exemplars bigint)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_remote_write_v2' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.remote_write_v2(bytea) IS 'stores a Prometheus remote-write 2.0 request (protobuf, snappy); answers how much was stored';
REVOKE ALL ON FUNCTION tsdb.remote_write_v2(bytea) FROM PUBLIC;

CREATE FUNCTION tsdb.push(body jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_push' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.push(jsonb) IS 'stores {"samples": [{"metric", "labels", "timestampMs", "value"}]}; answers {"ingestedCount", "droppedCount"}';
REVOKE ALL ON FUNCTION tsdb.push(jsonb) FROM PUBLIC;

CREATE FUNCTION tsdb.push_text(body text, labels jsonb DEFAULT '{}', at timestamptz DEFAULT now()) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_push_text' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.push_text(text, jsonb, timestamptz) IS 'stores a page in Prometheus text format, with these labels added to each series; answers the number of samples stored';
REVOKE ALL ON FUNCTION tsdb.push_text(text, jsonb, timestamptz) FROM PUBLIC;

CREATE FUNCTION tsdb.delete_series(selector text, "start" timestamptz DEFAULT NULL, "end" timestamptz DEFAULT NULL,
                                   dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_delete_series' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.delete_series(text, timestamptz, timestamptz, boolean) IS 'deletes the samples of the series that match, from start to end; without either, the series too; answers how many series it touched';
REVOKE ALL ON FUNCTION tsdb.delete_series(text, timestamptz, timestamptz, boolean) FROM PUBLIC;

-- ==== replicas =======================================================================================
-- Two Prometheus servers that write the same series: one of them is stored, and the other's requests are held for
-- the moment in which the first one fails.

CREATE TABLE tsdb.replica_pairs (
    tenant_id           text        NOT NULL PRIMARY KEY DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE CASCADE,
    cluster_label       text        NOT NULL DEFAULT 'cluster' CHECK (cluster_label <> ''),
    replica_label       text        NOT NULL DEFAULT '__replica__' CHECK (replica_label NOT IN ('', '__name__', cluster_label)),
    failover_timeout    interval    NOT NULL DEFAULT '30 seconds'
                                    CHECK (failover_timeout BETWEEN '1 second' AND '1 day' AND extract(month FROM failover_timeout) = 0),
    overlap             interval    NOT NULL DEFAULT '1 minute'
                                    CHECK (overlap BETWEEN '0' AND '1 day' AND extract(month FROM overlap) = 0),
    max_clusters        int4        NOT NULL DEFAULT 100 CHECK (max_clusters > 0),
    max_held_bytes      bigint      NOT NULL DEFAULT 1073741824 CHECK (max_held_bytes >= 0)
);
COMMENT ON TABLE tsdb.replica_pairs IS 'tenants to whom replicas write: remote-write requests whose first series has both labels are stored of one replica of each cluster, without the label of the replica; a tenant without a row gets all series as they come. Delete its rows of tsdb.held_writes together with this one';
COMMENT ON COLUMN tsdb.replica_pairs.cluster_label IS 'the label that replicas have in common; a request without it is stored as it comes';
COMMENT ON COLUMN tsdb.replica_pairs.replica_label IS 'the label that tells replicas apart, and is not stored; a request without it is stored as it comes';
COMMENT ON COLUMN tsdb.replica_pairs.failover_timeout IS 'how long the elected replica may be silent before another one is elected';
COMMENT ON COLUMN tsdb.replica_pairs.overlap IS 'requests of the others are held until the elected replica is so much later than they: at least the longest scrape interval, so that no series has a gap';
COMMENT ON COLUMN tsdb.replica_pairs.max_clusters IS 'clusters heard of within a day; requests of further ones are refused (SQLSTATE 53400, HTTP 429)';
COMMENT ON COLUMN tsdb.replica_pairs.max_held_bytes IS 'of requests that are held, compressed as they came; further ones are refused (SQLSTATE 53000, HTTP 503), and their senders repeat them';

CREATE TABLE tsdb.replica_elections (
    tenant_id           text        NOT NULL REFERENCES tsdb.replica_pairs ON DELETE CASCADE,
    cluster             text        NOT NULL,
    replica             text        NOT NULL,
    elected_at          timestamptz NOT NULL,
    received_at         timestamptz NOT NULL,
    newest              timestamptz NOT NULL,
    handover_from       timestamptz,
    handover_to         timestamptz,
    elections           bigint      NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, cluster)
) WITH (fillfactor = 50);
COMMENT ON TABLE tsdb.replica_elections IS 'which replica of each cluster is stored; a row that is deleted is made anew by the next request';
COMMENT ON COLUMN tsdb.replica_elections.received_at IS 'when it was last heard of, kept within five seconds or a quarter of the failover_timeout';
COMMENT ON COLUMN tsdb.replica_elections.newest IS 'time of its last sample, as exact';
COMMENT ON COLUMN tsdb.replica_elections.handover_from IS 'up to here the former replica has sent its samples, and none of the elected one are stored; null: there was none';
COMMENT ON COLUMN tsdb.replica_elections.handover_to IS 'up to here the former replica may have sent samples: series by series only later ones are stored';
COMMENT ON COLUMN tsdb.replica_elections.elections IS 'how often a replica of this cluster was elected';

CREATE TABLE tsdb.held_writes (
    held_id             bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    received_at         timestamptz NOT NULL,
    newest              timestamptz NOT NULL,
    tenant_id           text        NOT NULL,
    cluster             text        NOT NULL,
    replica             text        NOT NULL,
    samples             int4        NOT NULL,
    bytes               int4        NOT NULL,
    version             int2        NOT NULL CHECK (version IN (1, 2)),
    body                bytea       NOT NULL,
    PRIMARY KEY (tenant_id, cluster, replica, held_id)
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_threshold = 500, vacuum_truncate = off,
        toast.autovacuum_vacuum_scale_factor = 0.2, toast.autovacuum_vacuum_threshold = 5000, toast.vacuum_truncate = off);
ALTER TABLE tsdb.held_writes ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE tsdb.held_writes IS 'requests that were accepted from a replica that is not elected: dropped when the elected one has come past them, stored when this one is elected';
COMMENT ON COLUMN tsdb.held_writes.newest IS 'time of the last sample';
COMMENT ON COLUMN tsdb.held_writes.version IS 'of remote write';
COMMENT ON COLUMN tsdb.held_writes.body IS 'as it came: protobuf, snappy';

ALTER TABLE tsdb.replica_pairs ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.replica_pairs FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.replica_pairs USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.replica_elections ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.replica_elections FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.replica_elections USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.held_writes ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.held_writes FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.held_writes FOR DELETE USING (tsdb.has_access(tenant_id, 'administer'));

SELECT pg_catalog.pg_extension_config_dump('tsdb.replica_pairs', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.replica_elections', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.held_writes', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.held_writes_held_id_seq', '');

CREATE FUNCTION tsdb.replica_counts(tenant_id text, cluster text, replica text,
        OUT accepted bigint, OUT held bigint, OUT taken bigint, OUT dropped bigint, OUT refused bigint)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_replica_counts' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.replica_counts(text, text, text) IS 'samples of a replica since the server started, as tsdb.replicas shows them; nulls when it has not sent any';

CREATE VIEW tsdb.replicas WITH (security_invoker = true) AS
SELECT r.tenant_id, r.cluster, r.replica, r.elected, r.elected_at, r.last_seen, r.newest, r.waiting, r.waiting_bytes,
       c.accepted, c.held, c.taken, c.dropped, c.refused
  FROM (SELECT e.tenant_id, e.cluster, e.replica, true AS elected, e.elected_at, e.received_at AS last_seen, e.newest,
               0::pg_catalog.int8 AS waiting, 0::pg_catalog.int8 AS waiting_bytes
          FROM tsdb.replica_elections e
         UNION ALL
        SELECT h.tenant_id, h.cluster, h.replica, false, NULL, pg_catalog.max(h.received_at), pg_catalog.max(h.newest),
               pg_catalog.sum(h.samples)::pg_catalog.int8, pg_catalog.sum(h.bytes)::pg_catalog.int8
          FROM tsdb.held_writes h GROUP BY h.tenant_id, h.cluster, h.replica) r
  LEFT JOIN LATERAL tsdb.replica_counts(r.tenant_id, r.cluster, r.replica) c ON true;
COMMENT ON VIEW tsdb.replicas IS 'replicas that are elected, and others of which something is held; counts are of samples, since the server started';
COMMENT ON COLUMN tsdb.replicas.last_seen IS 'of the elected one kept within five seconds';
COMMENT ON COLUMN tsdb.replicas.newest IS 'time of its last sample';
COMMENT ON COLUMN tsdb.replicas.waiting IS 'samples that are held';
COMMENT ON COLUMN tsdb.replicas.accepted IS 'stored as they came';
COMMENT ON COLUMN tsdb.replicas.held IS 'accepted while another one was elected';
COMMENT ON COLUMN tsdb.replicas.taken IS 'of those held, stored when it was elected';
COMMENT ON COLUMN tsdb.replicas.dropped IS 'of those held, dropped because the elected one had sent its own';
COMMENT ON COLUMN tsdb.replicas.refused IS 'not held, because max_held_bytes were';

-- ==== query functions ================================================================================

CREATE FUNCTION tsdb.promql_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgtsdb_promql_support' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.promql_support(internal) IS 'planner support of promql() and samples()';

CREATE FUNCTION tsdb.promql(query text, at timestamptz DEFAULT pg_catalog.now())
    RETURNS TABLE (labels jsonb, ts timestamptz, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_promql_instant' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100 SUPPORT tsdb.promql_support;
COMMENT ON FUNCTION tsdb.promql(text, timestamptz) IS 'evaluates a PromQL query at one time';

CREATE FUNCTION tsdb.promql(query text, "start" timestamptz, "end" timestamptz, step interval)
    RETURNS TABLE (labels jsonb, ts timestamptz, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_promql_range' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10000 SUPPORT tsdb.promql_support;
COMMENT ON FUNCTION tsdb.promql(text, timestamptz, timestamptz, interval) IS 'evaluates a PromQL query at every step from start to end';

CREATE FUNCTION tsdb.samples(selector text, "start" timestamptz, "end" timestamptz)
    RETURNS TABLE (labels jsonb, ts timestamptz, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_samples' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10000 SUPPORT tsdb.promql_support;
COMMENT ON FUNCTION tsdb.samples(text, timestamptz, timestamptz) IS 'the stored samples of the series that match, from start to end, both inclusive';

CREATE FUNCTION tsdb.explain(query text, at timestamptz DEFAULT pg_catalog.now(), run boolean DEFAULT false)
    RETURNS TABLE ("QUERY PLAN" text)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_explain_instant' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION tsdb.explain(text, timestamptz, boolean) IS
    'how a PromQL query at one time is evaluated; with run it is, and each node has its series, points and time, each selector what it read';

CREATE FUNCTION tsdb.explain(query text, "start" timestamptz, "end" timestamptz, step interval, run boolean DEFAULT false)
    RETURNS TABLE ("QUERY PLAN" text)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_explain_range' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION tsdb.explain(text, timestamptz, timestamptz, interval, boolean) IS
    'the same for every step from start to end';

CREATE FUNCTION tsdb.cardinality(label text DEFAULT NULL, selector text DEFAULT NULL, since interval DEFAULT '1 hour', "limit" int4 DEFAULT 10)
    RETURNS TABLE (name text, series bigint, "values" bigint, created bigint, retired bigint)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_cardinality' LANGUAGE C STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION tsdb.cardinality(text, text, interval, int4) IS
    'what has the most series: each value of a label (__name__ for metrics), or each label name with the number of its values; created and retired count what came and went since then; limit 0 means all';

CREATE FUNCTION tsdb.metric_sizes("start" timestamptz DEFAULT pg_catalog.now() - interval '1 day', "end" timestamptz DEFAULT pg_catalog.now(),
                                  "limit" int4 DEFAULT 10)
    RETURNS TABLE (metric text, series bigint, samples bigint, bytes bigint, bytes_per_sample float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_metric_sizes' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION tsdb.metric_sizes(timestamptz, timestamptz, int4) IS
    'which metrics take the most space: of the chunks that begin within the range, rows counted and indexes not; limit 0 means all';

CREATE FUNCTION tsdb.tenant_statistics(counts boolean DEFAULT true)
    RETURNS TABLE (tenant_id text, series bigint, head_groups bigint, head_oldest timestamptz, head_newest timestamptz,
                   compaction_lag interval, chunk_rows bigint, chunk_oldest timestamptz)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_statistics' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION tsdb.tenant_statistics(boolean) IS 'the row of tsdb.stats; without counts, what the index of head tells at once: series and chunks are null';

CREATE VIEW tsdb.stats AS SELECT * FROM tsdb.tenant_statistics();
COMMENT ON VIEW tsdb.stats IS 'what the tenant of the session has stored';
COMMENT ON COLUMN tsdb.stats.series IS 'series in the catalogue, retired ones included';
COMMENT ON COLUMN tsdb.stats.head_groups IS 'groups of series that have samples in tsdb.head';
COMMENT ON COLUMN tsdb.stats.head_oldest IS 'time of the oldest sample in tsdb.head; what is older is in chunks';
COMMENT ON COLUMN tsdb.stats.compaction_lag IS 'how long the oldest samples of tsdb.head could have been compacted: at most pgtsdb.compaction_interval when all is well';
COMMENT ON COLUMN tsdb.stats.chunk_rows IS 'rows of compressed samples';

CREATE FUNCTION tsdb.api_query(query text, "time" timestamptz DEFAULT pg_catalog.now(), lookback interval DEFAULT NULL,
                               "limit" int4 DEFAULT 0, stats boolean DEFAULT false) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_query' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_query(text, timestamptz, interval, int4, boolean) IS
    'answer of the Prometheus API to an instant query; lookback is its lookback_delta, limit 0 means all series, stats adds times and samples';

CREATE FUNCTION tsdb.api_query_range(query text, "start" timestamptz, "end" timestamptz, step interval,
                                     lookback interval DEFAULT NULL, "limit" int4 DEFAULT 0,
                                     stats boolean DEFAULT false) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_query_range' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_query_range(text, timestamptz, timestamptz, interval, interval, int4, boolean) IS
    'answer of the Prometheus API to a range query; lookback is its lookback_delta, limit 0 means all series, stats adds times and samples';

CREATE FUNCTION tsdb.api_query_range_since(query text, "start" timestamptz, "end" timestamptz, step interval,
                                           lookback interval DEFAULT NULL, kept bytea DEFAULT NULL,
                                           kept_from timestamptz DEFAULT NULL, kept_to timestamptz DEFAULT NULL,
                                           OUT answer json, OUT answer_from timestamptz, OUT mark bytea,
                                           OUT keep_before timestamptz) RETURNS record
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_query_range_since' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.api_query_range_since(text, timestamptz, timestamptz, interval, interval, bytea, timestamptz, timestamptz) IS
    'tsdb.api_query_range() for clients that keep answers: kept is the mark that came with steps kept_from to kept_to. The answer has the steps from answer_from on, those before it hold; both are null when all hold. Steps before keep_before may be kept with the new mark, none when it is null.';

CREATE FUNCTION tsdb.api_series(matches text[], "start" timestamptz DEFAULT NULL, "end" timestamptz DEFAULT NULL,
                                "limit" int4 DEFAULT 0) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_series' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_series(text[], timestamptz, timestamptz, int4) IS
    'answer of the Prometheus API: the label sets that match one of the selectors and have samples in the range, sorted';

CREATE FUNCTION tsdb.api_labels(matches text[] DEFAULT NULL, "start" timestamptz DEFAULT NULL, "end" timestamptz DEFAULT NULL,
                                "limit" int4 DEFAULT 0) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_labels' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_labels(text[], timestamptz, timestamptz, int4) IS
    'answer of the Prometheus API: the label names of these series, of all when there is no selector';

CREATE FUNCTION tsdb.api_label_values(name text, matches text[] DEFAULT NULL, "start" timestamptz DEFAULT NULL,
                                      "end" timestamptz DEFAULT NULL, "limit" int4 DEFAULT 0) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_label_values' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_label_values(text, text[], timestamptz, timestamptz, int4) IS
    'answer of the Prometheus API: the values of a label of these series, of all when there is no selector; a name may be escaped (U__a_2e_b)';

CREATE FUNCTION tsdb.api_metadata(metric text DEFAULT NULL, "limit" int4 DEFAULT -1, limit_per_metric int4 DEFAULT -1) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_metadata' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_metadata(text, int4, int4) IS
    'answer of the Prometheus API: type, unit and help text of one metric or of all';

CREATE FUNCTION tsdb.api_status_tsdb("limit" int4 DEFAULT 10) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_status_tsdb' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_status_tsdb(int4) IS
    'answer of the Prometheus API: how many series, labels and values there are, and the largest of each; chunkCount, minTime and maxTime are those of the rows of tsdb.head';

CREATE FUNCTION tsdb.api_format_query(query text) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_format_query' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_format_query(text) IS 'answer of the Prometheus API: the query, laid out on as many lines as it takes';

CREATE FUNCTION tsdb.api_parse_query(query text) RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_parse_query' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_parse_query(text) IS 'answer of the Prometheus API: the syntax tree of the query';

CREATE FUNCTION tsdb.api_features() RETURNS json
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_api_features' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.api_features() IS
    'answer of the Prometheus API: what this server can do, PromQL functions and operators included';

-- Grafana Mimir's cardinality API.
CREATE FUNCTION tsdb.api_label_names_cardinality(selector text DEFAULT NULL, "limit" int4 DEFAULT 20) RETURNS json
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH names AS (
        SELECT name, "values", row_number() OVER (ORDER BY "values" DESC, name COLLATE "C") AS n
          FROM tsdb.cardinality(NULL, NULLIF(selector, ''), "limit" => 0) WHERE series > 0
    )
    SELECT json_build_object('label_values_count_total', COALESCE(sum("values"), 0), 'label_names_count', count(*),
               'cardinality', COALESCE(json_agg(json_build_object('label_name', name, 'label_values_count', "values") ORDER BY n)
                                       FILTER (WHERE n <= "limit"), '[]'))
      FROM names
$$;
COMMENT ON FUNCTION tsdb.api_label_names_cardinality(text, int4) IS
    'answer of Mimir''s cardinality/label_names: the label names with the most values, of the series that match';

CREATE FUNCTION tsdb.api_label_values_cardinality(names text[], selector text DEFAULT NULL, "limit" int4 DEFAULT 20) RETURNS json
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH found AS (
        SELECT l.name, l.position, c.name AS value, c.series,
               row_number() OVER (PARTITION BY l.position ORDER BY c.series DESC, c.name COLLATE "C") AS n
          FROM unnest(names) WITH ORDINALITY l (name, position),
               LATERAL tsdb.cardinality(l.name, NULLIF(selector, ''), "limit" => 0) c
         WHERE c.series > 0
    ),
    labels AS (
        SELECT position, json_build_object('label_name', name, 'label_values_count', count(*), 'series_count', sum(series),
                   'cardinality', COALESCE(json_agg(json_build_object('label_value', value, 'series_count', series) ORDER BY n)
                                           FILTER (WHERE n <= "limit"), '[]')) AS label
          FROM found GROUP BY position, name
    )
    SELECT json_build_object(
               'series_count_total', (SELECT COALESCE(sum(series), 0) FROM tsdb.cardinality('__name__', NULLIF(selector, ''), "limit" => 0)),
               'labels', COALESCE(json_agg(label ORDER BY position), '[]'))
      FROM labels
$$;
COMMENT ON FUNCTION tsdb.api_label_values_cardinality(text[], text, int4) IS
    'answer of Mimir''s cardinality/label_values: the values of these labels that have the most series, of the series that match';

-- TimescaleDB's, for Grafana's $__timeGroup and old dashboards.
CREATE FUNCTION tsdb.time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_time_bucket' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.time_bucket(interval, timestamptz) IS 'start of the bucket that ts falls into, as in TimescaleDB: months from 2000-01-01, days and times from Monday 2000-01-03, in UTC';
CREATE FUNCTION tsdb.time_bucket(bucket_width interval, ts timestamptz, origin timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_time_bucket_origin' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.time_bucket(interval, timestamptz, timestamptz) IS 'same with a bucket that starts at origin; of months, in the month of origin';

-- ==== scraping =======================================================================================
-- One row of scrape_targets is enough: what it leaves null comes from the row of its job, when there is one, and
-- else from the settings.  Secrets have a table of their own, so that whoever may see a job need not see them.

CREATE TABLE tsdb.secrets (
    tenant_id   text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    secret_name text        NOT NULL CHECK (secret_name <> ''),
    value       text        NOT NULL,
    PRIMARY KEY (tenant_id, secret_name)
);
COMMENT ON TABLE tsdb.secrets IS 'passwords, tokens and addresses that jobs and receivers refer to by name; readable by administrators only, shown nowhere else';

CREATE FUNCTION tsdb.check_scrape_config() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_check_scrape_config' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.check_scrape_config() IS 'refuses rows of scrape_configs and scrape_targets that could not be scraped';

CREATE FUNCTION tsdb.wake_scraper() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_wake_scraper' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.wake_scraper() IS 'makes the scraper read its targets again after commit';

CREATE TABLE tsdb.scrape_configs (
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    job_name            text        NOT NULL,
    scrape_interval     interval,
    scrape_timeout      interval,
    scheme              text        NOT NULL DEFAULT 'http',
    metrics_path        text        NOT NULL DEFAULT '/metrics',
    params              jsonb       NOT NULL DEFAULT '{}',
    honor_labels        boolean     NOT NULL DEFAULT false,
    honor_timestamps    boolean     NOT NULL DEFAULT true,
    follow_redirects    boolean     NOT NULL DEFAULT true,
    tls_skip_verify     boolean     NOT NULL DEFAULT false,
    sample_limit        int4        NOT NULL DEFAULT 0,
    body_size_limit     int8,
    basic_auth_user     text,
    password_secret     text,
    token_secret        text,
    status              text        NOT NULL DEFAULT 'ACTIVE',
    PRIMARY KEY (tenant_id, job_name),
    FOREIGN KEY (tenant_id, password_secret) REFERENCES tsdb.secrets,
    FOREIGN KEY (tenant_id, token_secret) REFERENCES tsdb.secrets
);
COMMENT ON TABLE tsdb.scrape_configs IS 'how the targets of a job are scraped; a job without a row has all defaults';
COMMENT ON COLUMN tsdb.scrape_configs.job_name IS 'the label job of its series';
COMMENT ON COLUMN tsdb.scrape_configs.scrape_interval IS 'null: the setting pgtsdb.scrape_interval';
COMMENT ON COLUMN tsdb.scrape_configs.scrape_timeout IS 'at most the interval; null: the setting pgtsdb.scrape_timeout';
COMMENT ON COLUMN tsdb.scrape_configs.params IS 'query parameters: {"module": "http_2xx"} or {"match[]": ["a", "b"]}';
COMMENT ON COLUMN tsdb.scrape_configs.honor_labels IS 'a scraped label wins over one of the target; else it is stored as exported_<label>';
COMMENT ON COLUMN tsdb.scrape_configs.honor_timestamps IS 'take the timestamps that the target gives';
COMMENT ON COLUMN tsdb.scrape_configs.sample_limit IS 'a scrape with more samples fails as a whole; 0: no limit';
COMMENT ON COLUMN tsdb.scrape_configs.body_size_limit IS 'bytes after decompression; null: the setting pgtsdb.scrape_body_size_limit, 0: no limit';
COMMENT ON COLUMN tsdb.scrape_configs.password_secret IS 'name of the row of tsdb.secrets with the password of basic_auth_user';
COMMENT ON COLUMN tsdb.scrape_configs.token_secret IS 'name of the row of tsdb.secrets with a bearer token';
COMMENT ON COLUMN tsdb.scrape_configs.status IS 'ACTIVE, or PAUSED: not scraped, and its series end with stale markers';

CREATE TABLE tsdb.scrape_targets (
    target_id           uuid        NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    job_name            text        NOT NULL,
    address             text        NOT NULL,
    labels              jsonb       NOT NULL DEFAULT '{}',
    scrape_interval     interval,
    scrape_timeout      interval,
    scheme              text,
    metrics_path        text,
    params              jsonb,
    honor_labels        boolean,
    honor_timestamps    boolean,
    sample_limit        int4,
    body_size_limit     int8,
    status              text        NOT NULL DEFAULT 'ACTIVE',
    UNIQUE NULLS NOT DISTINCT (tenant_id, job_name, address, scheme, metrics_path, params)
);
COMMENT ON TABLE tsdb.scrape_targets IS 'what is scraped: job_name and address are enough';
COMMENT ON COLUMN tsdb.scrape_targets.job_name IS 'the label job of its series, and the row of scrape_configs that holds for it';
COMMENT ON COLUMN tsdb.scrape_targets.address IS 'host:port, the label instance of its series';
COMMENT ON COLUMN tsdb.scrape_targets.scheme IS 'http or https; postgres, with the address self, is this server itself';
COMMENT ON COLUMN tsdb.scrape_targets.labels IS 'labels added to all its series; job and instance may be set here';
COMMENT ON COLUMN tsdb.scrape_targets.status IS 'ACTIVE, or PAUSED: not scraped, and its series end with stale markers';

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.scrape_configs
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_scrape_config();
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.scrape_targets
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_scrape_config();
CREATE TRIGGER wake_scraper AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.scrape_configs
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_scraper();
CREATE TRIGGER wake_scraper AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.scrape_targets
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_scraper();
CREATE TRIGGER wake_scraper AFTER UPDATE ON tsdb.secrets
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_scraper();

SELECT pg_catalog.pg_extension_config_dump('tsdb.secrets', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.scrape_configs', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.scrape_targets', '');

CREATE FUNCTION tsdb.target_status(target_id uuid, OUT health text, OUT last_scrape timestamptz,
        OUT last_scrape_duration float8, OUT samples int8, OUT series int8, OUT rejected int8, OUT last_error text)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_target_status' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.target_status(uuid) IS 'the last scrape of a target, as tsdb.targets shows it; nulls when the server has not seen one since its start';

ALTER TABLE tsdb.scrape_configs ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.scrape_configs FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.scrape_configs USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.scrape_targets ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.scrape_targets FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.scrape_targets USING (tsdb.has_access(tenant_id, 'administer'));
-- Who administers a tenant may set its secrets and name them, but not read their values.
ALTER TABLE tsdb.secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY administrators ON tsdb.secrets USING (tsdb.has_access(tenant_id, 'administer'));

-- ==== rules and alerts ===============================================================================
-- A rule is checked when it is written; what is kept here can be evaluated.  State changes on transitions only:
-- what every evaluation changes lives in shared memory (tsdb.rule_status).

CREATE TABLE tsdb.alert_rules (
    rule_id             uuid        NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    rule_name           text        NOT NULL CHECK (rule_name <> ''),
    promql_expression   text        NOT NULL,
    evaluation_interval interval    NOT NULL DEFAULT '15 seconds',
    for_duration        interval    NOT NULL DEFAULT '0 seconds',
    keep_firing_for     interval    NOT NULL DEFAULT '0 seconds',
    severity            text,
    labels              jsonb       NOT NULL DEFAULT '{}',
    annotations         jsonb       NOT NULL DEFAULT '{}',
    status              text        NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'PAUSED')),
    created_at          timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE tsdb.alert_rules IS 'alerting rules: one row is all an alert needs';
COMMENT ON COLUMN tsdb.alert_rules.rule_name IS 'the label alertname of its alerts';
COMMENT ON COLUMN tsdb.alert_rules.promql_expression IS 'each series of its result is an alert';
COMMENT ON COLUMN tsdb.alert_rules.evaluation_interval IS 'how often it is evaluated; 15 seconds unless told';
COMMENT ON COLUMN tsdb.alert_rules.for_duration IS 'how long an alert stays pending before it fires';
COMMENT ON COLUMN tsdb.alert_rules.keep_firing_for IS 'how long an alert goes on firing after the expression has stopped to answer it';
COMMENT ON COLUMN tsdb.alert_rules.severity IS 'the label severity of its alerts, unless labels has one';
COMMENT ON COLUMN tsdb.alert_rules.labels IS 'labels added to its alerts; values are templates';
COMMENT ON COLUMN tsdb.alert_rules.annotations IS 'texts for people; values are templates such as {{ $labels.instance }} and {{ $value | humanize }}';
COMMENT ON COLUMN tsdb.alert_rules.status IS 'ACTIVE, or PAUSED: not evaluated, pending alerts are dropped and firing ones resolved';

CREATE TABLE tsdb.alert_evaluation_states (
    rule_id             uuid        NOT NULL,
    alert_id            uuid        NOT NULL,
    tenant_id           text        NOT NULL,
    first_triggered_at  timestamptz NOT NULL,
    starts_at           timestamptz,
    keep_firing_since   timestamptz,
    resolved_at         timestamptz,
    last_evaluated_at   timestamptz NOT NULL,
    last_evaluated_value float8     NOT NULL,
    updated_at          timestamptz NOT NULL,
    current_state       text        NOT NULL CHECK (current_state IN ('inactive', 'pending', 'firing', 'resolved')),
    labels              jsonb       NOT NULL,
    annotations         jsonb       NOT NULL,
    PRIMARY KEY (rule_id, alert_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE tsdb.alert_evaluation_states IS 'the alerts of each rule, one row per label set; written by the ruler when a state changes, never by an evaluation that changes none';
COMMENT ON COLUMN tsdb.alert_evaluation_states.alert_id IS 'hash of the rule and the labels: the same alert has the same id again';
COMMENT ON COLUMN tsdb.alert_evaluation_states.first_triggered_at IS 'when the expression first answered it: pending since';
COMMENT ON COLUMN tsdb.alert_evaluation_states.starts_at IS 'when it began to fire, the last time; null when it never did';
COMMENT ON COLUMN tsdb.alert_evaluation_states.keep_firing_since IS 'since when the expression no longer answers it although it fires (keep_firing_for)';
COMMENT ON COLUMN tsdb.alert_evaluation_states.resolved_at IS 'when it ceased to fire, the last time; null while it fires; the row stays for 15 minutes more';
COMMENT ON COLUMN tsdb.alert_evaluation_states.last_evaluated_at IS 'the evaluation that wrote this row, not the newest one: see tsdb.rule_status';
COMMENT ON COLUMN tsdb.alert_evaluation_states.last_evaluated_value IS 'the value at that evaluation';
COMMENT ON COLUMN tsdb.alert_evaluation_states.current_state IS 'pending, firing or resolved; an inactive alert has no row';

CREATE TABLE tsdb.alert_events (
    event_id            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                  timestamptz NOT NULL,
    rule_id             uuid        NOT NULL,
    alert_id            uuid        NOT NULL,
    value               float8      NOT NULL,
    tenant_id           text        NOT NULL,
    rule_name           text        NOT NULL,
    previous_state      text        NOT NULL CHECK (previous_state IN ('inactive', 'pending', 'firing', 'resolved')),
    new_state           text        NOT NULL CHECK (new_state IN ('inactive', 'pending', 'firing', 'resolved')),
    labels              jsonb       NOT NULL,
    annotations         jsonb       NOT NULL
);
COMMENT ON TABLE tsdb.alert_events IS 'every transition of every alert, one row each, in the transaction that made it; only ever added to';
COMMENT ON COLUMN tsdb.alert_events.at IS 'time of the evaluation that made the transition';

CREATE FUNCTION tsdb.check_alert_rule() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_check_alert_rule' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.check_alert_rule() IS 'refuses rules that could not be evaluated';

CREATE FUNCTION tsdb.wake_ruler() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_wake_ruler' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.wake_ruler() IS 'makes the ruler read its rules again after commit';

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.alert_rules
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_alert_rule();
CREATE TRIGGER wake_ruler AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.alert_rules
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_ruler();

ALTER TABLE tsdb.alert_rules ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.alert_rules FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.alert_rules USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.alert_evaluation_states ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.alert_evaluation_states FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
ALTER TABLE tsdb.alert_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.alert_events FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));

CREATE VIEW tsdb.alerts WITH (security_invoker = true) AS
SELECT s.tenant_id, s.labels OPERATOR(pg_catalog.->>) 'alertname' AS alert_name, s.current_state AS state, s.labels, s.annotations,
       s.last_evaluated_value AS value, s.first_triggered_at AS active_at, s.starts_at, s.resolved_at, s.keep_firing_since,
       s.updated_at, s.rule_id, s.alert_id
  FROM tsdb.alert_evaluation_states s;
COMMENT ON VIEW tsdb.alerts IS 'pending and firing alerts, and those resolved within the last 15 minutes';
COMMENT ON COLUMN tsdb.alerts.value IS 'at the time of the last change of state';

CREATE FUNCTION tsdb.rule_statistics(OUT rule_id uuid, OUT last_evaluation timestamptz, OUT duration float8, OUT evaluations bigint,
    OUT failures bigint, OUT missed bigint, OUT series bigint, OUT last_error text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'pgtsdb_rule_statistics' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION tsdb.rule_statistics() IS 'how the last evaluation of each rule went that the user may read, for tsdb.rule_status';

CREATE VIEW tsdb.rule_status WITH (security_invoker = true) AS
SELECT r.tenant_id, r.rule_id, r.rule_name,
       CASE WHEN s.evaluations IS NULL THEN 'unknown' WHEN s.last_error IS NULL THEN 'ok' ELSE 'err' END AS health,
       s.last_error, s.last_evaluation, s.duration, s.evaluations, s.failures, s.missed, s.series
  FROM tsdb.alert_rules r
  LEFT JOIN tsdb.rule_statistics() s ON s.rule_id OPERATOR(pg_catalog.=) r.rule_id;
COMMENT ON VIEW tsdb.rule_status IS 'how the rules fare since the server started: kept in shared memory, lost at a restart';
COMMENT ON COLUMN tsdb.rule_status.health IS 'ok, err, or unknown before the first evaluation';
COMMENT ON COLUMN tsdb.rule_status.last_error IS 'of the last evaluation, when it failed; the state of its alerts is then unchanged';
COMMENT ON COLUMN tsdb.rule_status.duration IS 'of the last evaluation, in seconds';
COMMENT ON COLUMN tsdb.rule_status.missed IS 'evaluations that were left out because the ruler was late';
COMMENT ON COLUMN tsdb.rule_status.series IS 'that the expression answered the last time';

SELECT pg_catalog.pg_extension_config_dump('tsdb.alert_rules', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.alert_evaluation_states', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.alert_events', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.alert_events_event_id_seq', '');

-- ==== notifications ==================================================================================

CREATE FUNCTION tsdb.check_receiver() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_check_receiver' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.check_receiver() IS 'refuses rows of receivers and routes that could not be used';

CREATE FUNCTION tsdb.wake_notifier() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_wake_notifier' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.wake_notifier() IS 'makes the notifier look again after commit';

CREATE TABLE tsdb.receivers (
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    receiver_name       text        NOT NULL CHECK (receiver_name <> ''),
    webhook_url         text,
    webhook_url_secret  text,
    send_resolved       boolean     NOT NULL DEFAULT true,
    max_alerts          int4        NOT NULL DEFAULT 0 CHECK (max_alerts >= 0),
    timeout             interval    NOT NULL DEFAULT '10 seconds',
    tls_skip_verify     boolean     NOT NULL DEFAULT false,
    basic_auth_user     text,
    password_secret     text,
    token_secret        text,
    PRIMARY KEY (tenant_id, receiver_name),
    FOREIGN KEY (tenant_id, webhook_url_secret) REFERENCES tsdb.secrets,
    FOREIGN KEY (tenant_id, password_secret) REFERENCES tsdb.secrets,
    FOREIGN KEY (tenant_id, token_secret) REFERENCES tsdb.secrets
);
COMMENT ON TABLE tsdb.receivers IS 'who is told of alerts; while a tenant has no route, each of its receivers is told of all its alerts';
COMMENT ON COLUMN tsdb.receivers.webhook_url IS 'where Alertmanager''s webhook message, version 4, is posted';
COMMENT ON COLUMN tsdb.receivers.webhook_url_secret IS 'name of the row of tsdb.secrets with the URL, for one that is secret itself';
COMMENT ON COLUMN tsdb.receivers.send_resolved IS 'also tell when alerts have been resolved';
COMMENT ON COLUMN tsdb.receivers.max_alerts IS 'at most so many alerts in one message, the rest is counted in it; 0: no limit';

CREATE TABLE tsdb.routes (
    route_id            uuid        NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE RESTRICT,
    receiver_name       text        NOT NULL,
    group_by            text[]      NOT NULL DEFAULT '{alertname}',
    group_wait          interval    NOT NULL DEFAULT '30 seconds',
    group_interval      interval    NOT NULL DEFAULT '5 minutes',
    repeat_interval     interval    NOT NULL DEFAULT '4 hours',
    UNIQUE (tenant_id),
    FOREIGN KEY (tenant_id, receiver_name) REFERENCES tsdb.receivers ON DELETE CASCADE
);
COMMENT ON TABLE tsdb.routes IS 'how the alerts of a tenant are grouped and to whom they go: one root route per tenant';
COMMENT ON COLUMN tsdb.routes.group_by IS 'alerts with the same values of these labels share a message; {} puts all into one group, {...} each into its own';
COMMENT ON COLUMN tsdb.routes.group_wait IS 'how long a new group waits for more alerts';
COMMENT ON COLUMN tsdb.routes.group_interval IS 'at least so long between two messages about changes in a group';
COMMENT ON COLUMN tsdb.routes.repeat_interval IS 'how long a message about unchanged alerts holds';

CREATE TABLE tsdb.notification_log (
    tenant_id           text        NOT NULL,
    group_key           text        NOT NULL,
    receiver_name       text        NOT NULL,
    integration         text        NOT NULL,
    notified_at         timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    reason              text        NOT NULL,
    firing              text[]      NOT NULL,
    resolved            text[]      NOT NULL,
    PRIMARY KEY (tenant_id, group_key, receiver_name, integration)
) WITH (fillfactor = 50);
COMMENT ON TABLE tsdb.notification_log IS 'the last message about each group that each receiver has accepted; what a new message is compared with';
COMMENT ON COLUMN tsdb.notification_log.group_key IS 'the route and the group labels, as in the message';
COMMENT ON COLUMN tsdb.notification_log.expires_at IS 'after two repeat intervals the receiver is thought to know nothing';
COMMENT ON COLUMN tsdb.notification_log.reason IS 'why the message was sent: first notification, new alerts added, some alerts resolved, all alerts resolved, repeat interval elapsed';
COMMENT ON COLUMN tsdb.notification_log.firing IS 'fingerprints of the alerts that were firing';
COMMENT ON COLUMN tsdb.notification_log.resolved IS 'fingerprints of the alerts that were resolved';

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.receivers
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_receiver();
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.routes
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_receiver();
CREATE TRIGGER wake_notifier AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.receivers
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_notifier();
CREATE TRIGGER wake_notifier AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.routes
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_notifier();

ALTER TABLE tsdb.receivers ENABLE ROW LEVEL SECURITY;
CREATE POLICY administrators ON tsdb.receivers USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.routes ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.routes FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));
CREATE POLICY administrators ON tsdb.routes USING (tsdb.has_access(tenant_id, 'administer'));
ALTER TABLE tsdb.notification_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.notification_log FOR SELECT USING (tsdb.has_access(tenant_id, 'read'));

SELECT pg_catalog.pg_extension_config_dump('tsdb.receivers', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.routes', '');
SELECT pg_catalog.pg_extension_config_dump('tsdb.notification_log', '');

-- ==== forwarding =====================================================================================
-- What a tenant stores goes on to other servers that take remote write.

CREATE FUNCTION tsdb.check_remote_write_target() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_check_remote_write_target' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.check_remote_write_target() IS 'refuses rows of remote_write_targets that could not be used';

CREATE FUNCTION tsdb.wake_forwarder() RETURNS trigger
    AS 'MODULE_PATHNAME', 'pgtsdb_wake_forwarder' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION tsdb.wake_forwarder() IS 'gives new targets the position that they begin at, and makes the forwarder look again after commit';

CREATE TABLE tsdb.remote_write_targets (
    target_id           uuid        NOT NULL DEFAULT pg_catalog.gen_random_uuid() PRIMARY KEY,
    tenant_id           text        NOT NULL DEFAULT 'default' REFERENCES tsdb.tenants ON DELETE CASCADE,
    name                text        NOT NULL CHECK (name <> ''),
    status              text        NOT NULL DEFAULT 'ACTIVE',
    url                 text,
    url_secret          text,
    headers             jsonb       NOT NULL DEFAULT '{}',
    basic_auth_user     text,
    password_secret     text,
    token_secret        text,
    tls_skip_verify     boolean     NOT NULL DEFAULT false,
    timeout             interval    NOT NULL DEFAULT '30 seconds',
    max_age             interval    NOT NULL DEFAULT '2 hours',
    max_bytes           bigint      NOT NULL DEFAULT 4294967296 CHECK (max_bytes > 0),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, url_secret) REFERENCES tsdb.secrets,
    FOREIGN KEY (tenant_id, password_secret) REFERENCES tsdb.secrets,
    FOREIGN KEY (tenant_id, token_secret) REFERENCES tsdb.secrets
);
COMMENT ON TABLE tsdb.remote_write_targets IS 'servers to which all that the tenant stores is sent on, by remote write 1.0: remote write, pushes, scrapes and the series of alerts';
COMMENT ON COLUMN tsdb.remote_write_targets.status IS 'ACTIVE, or PAUSED: nothing is sent, and what is stored meanwhile is kept for it only while another target of the tenant is active';
COMMENT ON COLUMN tsdb.remote_write_targets.url IS 'where requests are posted: http://host:9090/api/v1/write';
COMMENT ON COLUMN tsdb.remote_write_targets.url_secret IS 'name of the row of tsdb.secrets with the URL, for one that is secret itself';
COMMENT ON COLUMN tsdb.remote_write_targets.headers IS 'further headers: {"X-Scope-OrgID": "team"}';
COMMENT ON COLUMN tsdb.remote_write_targets.timeout IS 'of one request';
COMMENT ON COLUMN tsdb.remote_write_targets.max_age IS 'how long a request is kept for a target that does not take it; then it is given up, and counted as expired';
COMMENT ON COLUMN tsdb.remote_write_targets.max_bytes IS 'how much is kept for it; the oldest is given up, and counted as expired';

CREATE TABLE tsdb.remote_write_positions (
    target_id           uuid        NOT NULL PRIMARY KEY REFERENCES tsdb.remote_write_targets ON DELETE CASCADE,
    xid                 xid8        NOT NULL,
    seq                 bigint      NOT NULL,
    sent_requests       bigint      NOT NULL DEFAULT 0,
    sent_samples        bigint      NOT NULL DEFAULT 0,
    retries             bigint      NOT NULL DEFAULT 0,
    refused_samples     bigint      NOT NULL DEFAULT 0,
    expired_samples     bigint      NOT NULL DEFAULT 0,
    last_sent_at        timestamptz,
    last_error_at       timestamptz,
    last_error          text
) WITH (fillfactor = 50);
COMMENT ON TABLE tsdb.remote_write_positions IS 'how far each target has come in tsdb.remote_write_outbox; saved at most half a second late';

CREATE TABLE tsdb.remote_write_outbox (
    xid                 xid8        NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    seq                 bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    created_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    samples             int4        NOT NULL,
    bytes               int4        NOT NULL,
    tenant_id           text        NOT NULL,
    body                bytea       NOT NULL,
    PRIMARY KEY (tenant_id, xid, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_threshold = 500, vacuum_truncate = off,
        toast.autovacuum_vacuum_scale_factor = 0.2, toast.autovacuum_vacuum_threshold = 5000, toast.vacuum_truncate = off);
ALTER TABLE tsdb.remote_write_outbox ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE tsdb.remote_write_outbox IS 'requests for remote-write targets, from the transactions that stored their samples; deleted when all targets have come past them, and in no dump';
COMMENT ON COLUMN tsdb.remote_write_outbox.xid IS 'they are sent in the order of transactions, once no earlier one is in progress';
COMMENT ON COLUMN tsdb.remote_write_outbox.body IS 'protobuf, snappy';

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON tsdb.remote_write_targets
    FOR EACH ROW EXECUTE FUNCTION tsdb.check_remote_write_target();
CREATE TRIGGER wake_forwarder AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tsdb.remote_write_targets
    FOR EACH STATEMENT EXECUTE FUNCTION tsdb.wake_forwarder();

ALTER TABLE tsdb.remote_write_targets ENABLE ROW LEVEL SECURITY;
CREATE POLICY administrators ON tsdb.remote_write_targets USING (tsdb.has_access(tenant_id, 'administer'));

-- Only the targets: a position counts transactions of this server.
SELECT pg_catalog.pg_extension_config_dump('tsdb.remote_write_targets', '');

CREATE VIEW tsdb.remote_write_status WITH (security_barrier = true) AS
SELECT t.tenant_id, t.name, t.status, p.sent_requests, p.sent_samples, p.retries, p.refused_samples, p.expired_samples,
       o.requests AS waiting_requests, o.samples AS waiting_samples, o.bytes AS waiting_bytes,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) o.oldest AS behind, p.last_sent_at, p.last_error_at, p.last_error
  FROM tsdb.remote_write_targets t
  JOIN tsdb.remote_write_positions p ON p.target_id OPERATOR(pg_catalog.=) t.target_id
 CROSS JOIN LATERAL (
       SELECT pg_catalog.count(*) AS requests, COALESCE(pg_catalog.sum(samples), 0)::pg_catalog.int8 AS samples,
              COALESCE(pg_catalog.sum(bytes), 0)::pg_catalog.int8 AS bytes, pg_catalog.min(created_at) AS oldest
         FROM tsdb.remote_write_outbox b
        WHERE b.tenant_id OPERATOR(pg_catalog.=) t.tenant_id AND (b.xid, b.seq) OPERATOR(pg_catalog.>) (p.xid, p.seq)) o
 WHERE tsdb.has_access(t.tenant_id, 'read');
COMMENT ON VIEW tsdb.remote_write_status IS 'how each remote-write target fares; counts are kept across restarts, at most half a second late';
COMMENT ON COLUMN tsdb.remote_write_status.retries IS 'attempts that failed and were repeated: no answer, 429 and 5xx';
COMMENT ON COLUMN tsdb.remote_write_status.refused_samples IS 'of requests that the target answered with another 4xx, and that are not sent again; it may have stored a part of them';
COMMENT ON COLUMN tsdb.remote_write_status.expired_samples IS 'given up because of max_age or max_bytes';
COMMENT ON COLUMN tsdb.remote_write_status.behind IS 'age of the oldest request that waits; null: none does';
COMMENT ON COLUMN tsdb.remote_write_status.last_error IS 'of the last attempt that failed';

-- ==== views ==========================================================================================

CREATE FUNCTION tsdb.worker_statistics(OUT worker text, OUT database name, OUT slot int4, OUT pid int4, OUT state text,
    OUT started_at timestamptz, OUT last_heartbeat timestamptz, OUT units_done bigint, OUT errors bigint,
    OUT last_error_at timestamptz, OUT last_error text, OUT restart_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'pgtsdb_worker_status' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION tsdb.worker_statistics() IS 'the workers of all databases, as tsdb.worker_status shows them';

CREATE VIEW tsdb.worker_status AS SELECT * FROM tsdb.worker_statistics();
COMMENT ON VIEW tsdb.worker_status IS 'what the workers do: heartbeats, units of work, errors; empty unless pgtsdb is in shared_preload_libraries';
COMMENT ON COLUMN tsdb.worker_status.database IS 'null for the launcher and the gateway, which serve all';
COMMENT ON COLUMN tsdb.worker_status.slot IS 'number among the workers of its kind in the database';
COMMENT ON COLUMN tsdb.worker_status.state IS 'starting, idle, working or waiting to restart';
COMMENT ON COLUMN tsdb.worker_status.last_heartbeat IS 'at most a second old, or two, unless the worker is in the middle of a unit of work';
COMMENT ON COLUMN tsdb.worker_status.units_done IS 'units of work (transactions) that succeeded';
COMMENT ON COLUMN tsdb.worker_status.errors IS 'units of work that failed';
COMMENT ON COLUMN tsdb.worker_status.last_error IS 'shown to members of pgtsdb_admin and pg_read_all_stats only';
COMMENT ON COLUMN tsdb.worker_status.restart_at IS 'when the launcher starts it again, while it waits for that';

-- Statistics views differ between majors; whatever numbers they have become metrics of their names.
CREATE FUNCTION tsdb.postgres_metrics() RETURNS text
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH samples (metric, labels, value) AS (
        SELECT 'pg_up', '', '1'
        UNION ALL
        SELECT 'pg_postmaster_start_time_seconds', '', extract(epoch FROM pg_postmaster_start_time())::text
        UNION ALL
        SELECT 'pg_stat_database_' || n.key, format('{datname="%s"}', replace(replace(d.datname, '\', '\\'), '"', '\"')), n.value
          FROM pg_stat_database d, jsonb_each_text(to_jsonb(d) - '{datid,datname,stats_reset,checksum_last_failure}'::text[]) n
         WHERE d.datname IS NOT NULL AND n.value IS NOT NULL
        UNION ALL
        SELECT 'pg_database_size_bytes', format('{datname="%s"}', replace(replace(datname, '\', '\\'), '"', '\"')),
               pg_database_size(oid)::text
          FROM pg_database WHERE datallowconn
        UNION ALL
        SELECT 'pg_stat_bgwriter_' || n.key, '', n.value
          FROM pg_stat_bgwriter b, jsonb_each_text(to_jsonb(b) - 'stats_reset') n
        UNION ALL
        SELECT 'pg_stat_wal_' || n.key, '', n.value
          FROM pg_stat_wal w, jsonb_each_text(to_jsonb(w) - 'stats_reset') n
        UNION ALL
        SELECT 'pg_stat_activity_count', format('{state="%s"}', COALESCE(state, 'none')), count(*)::text
          FROM pg_stat_activity GROUP BY state
        UNION ALL
        SELECT n.key, format('{worker="%s",slot="%s",database="%s"}', w.worker, w.slot,
                             replace(replace(COALESCE(w.database, ''), '\', '\\'), '"', '\"')), n.value
          FROM tsdb.worker_statistics() w,
               LATERAL (VALUES ('pgtsdb_worker_units_total', w.units_done::text),
                               ('pgtsdb_worker_errors_total', w.errors::text)) n (key, value)
    ),
    families AS (
        SELECT metric, string_agg(metric || labels || ' ' || value || E'\n', '' ORDER BY labels) AS lines
          FROM samples GROUP BY metric
    )
    SELECT string_agg(format(E'# TYPE %s %s\n', metric,
                             CASE WHEN metric IN ('pg_up', 'pg_postmaster_start_time_seconds', 'pg_database_size_bytes',
                                              'pg_stat_database_numbackends', 'pg_stat_activity_count')
                                  THEN 'gauge' ELSE 'counter' END) || lines, '' ORDER BY metric)
      FROM families
$$;
COMMENT ON FUNCTION tsdb.postgres_metrics() IS 'metrics of this server in Prometheus text format, from its statistics views: what a target with scheme ''postgres'' and address ''self'' gives';
REVOKE ALL ON FUNCTION tsdb.postgres_metrics() FROM PUBLIC;

CREATE FUNCTION tsdb.tenant_counters() RETURNS TABLE (metric text, label text, label_value text, value float8)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_tenant_counters' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION tsdb.tenant_counters() IS
    'what the tenant of the session has stored, compacted and asked since the server started, as tsdb.api_metrics() shows it; empty unless pgtsdb is in shared_preload_libraries';

CREATE VIEW tsdb.targets WITH (security_invoker = true) AS
    SELECT t.tenant_id, t.job_name, t.address,
           pg_catalog.concat(COALESCE(t.scheme, c.scheme, 'http'), '://', t.address,
                             CASE WHEN t.scheme = 'postgres' THEN '' ELSE COALESCE(t.metrics_path, c.metrics_path, '/metrics') END)
               AS scrape_url,
           pg_catalog.jsonb_build_object('job', t.job_name, 'instance', t.address) OPERATOR(pg_catalog.||) t.labels AS labels,
           CASE WHEN t.status = 'PAUSED' OR c.status = 'PAUSED' THEN 'paused' ELSE COALESCE(s.health, 'unknown') END AS health,
           s.last_scrape, s.last_scrape_duration, s.samples, s.series, s.rejected, s.last_error,
           COALESCE(t.scrape_interval, c.scrape_interval,
                    tsdb.setting('pgtsdb.scrape_interval')::pg_catalog.interval) AS scrape_interval,
           t.target_id
      FROM tsdb.scrape_targets t
      LEFT JOIN tsdb.scrape_configs c ON c.tenant_id = t.tenant_id AND c.job_name = t.job_name
      LEFT JOIN LATERAL tsdb.target_status(t.target_id) s ON true;
COMMENT ON VIEW tsdb.targets IS 'every target with its health (up, down, unknown, paused) and what its last scrape brought';
COMMENT ON COLUMN tsdb.targets.health IS 'unknown until the first scrape since the server started';
COMMENT ON COLUMN tsdb.targets.last_scrape_duration IS 'seconds';
COMMENT ON COLUMN tsdb.targets.samples IS 'samples in the last body';
COMMENT ON COLUMN tsdb.targets.series IS 'series in the last body';
COMMENT ON COLUMN tsdb.targets.rejected IS 'lines of the last body that could not be read or stored';

CREATE FUNCTION tsdb.metric_label(name text, value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT name || '="' || replace(replace(replace(value, '\', '\\'), E'\n', '\n'), '"', '\"') || '"'
$$;
COMMENT ON FUNCTION tsdb.metric_label(text, text) IS 'a label as Prometheus''s text format writes it; null when name or value is';

-- What is the tenant's has the label tenant; what has not is of the whole database, and no secret in PostgreSQL either.
CREATE FUNCTION tsdb.api_metrics() RETURNS text
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH families (metric, type, help) AS (
        VALUES
            ('build_info', 'gauge', 'Versions, as labels.'),
            ('writes_total', 'counter', 'Requests, scrapes and rule results that were stored, by commit.'),
            ('ingested_samples_total', 'counter', 'Samples that were stored, those included that were there already.'),
            ('duplicate_samples_total', 'counter', 'Samples that were there already with the same value.'),
            ('late_samples_total', 'counter', 'Samples that came when their window could have been compacted already.'),
            ('rejected_samples_total', 'counter', 'Samples that were not stored, by reason; invalid ones are counted as series or lines.'),
            ('created_series_total', 'counter', 'Series that were made.'),
            ('head_inserted_rows_total', 'counter', 'Rows that were written to tsdb.head.'),
            ('ingest_wal_bytes_total', 'counter', 'WAL that storing samples has written.'),
            ('compacted_head_rows_total', 'counter', 'Rows of tsdb.head that became chunks.'),
            ('compacted_samples_total', 'counter', 'Samples that were written to chunks, each time.'),
            ('written_chunk_rows_total', 'counter', 'Rows that were written to tsdb.chunks by compaction.'),
            ('written_chunk_bytes_total', 'counter', 'Bytes of the chunks in these rows.'),
            ('queries_total', 'counter', 'PromQL queries that were begun, those of rules included.'),
            ('failed_queries_total', 'counter', 'Queries that ended with an error of PromQL or a limit.'),
            ('query_samples_total', 'counter', 'Samples that queries have read.'),
            ('query_duration_seconds', 'histogram', 'Time of queries that were answered.'),
            ('head_groups', 'gauge', 'Groups of series that have samples in tsdb.head.'),
            ('head_oldest_timestamp_seconds', 'gauge', 'Time of the oldest sample in tsdb.head.'),
            ('head_newest_timestamp_seconds', 'gauge', 'Time of the newest sample in tsdb.head.'),
            ('compaction_lag_seconds', 'gauge', 'How long the oldest samples of tsdb.head could have been compacted.'),
            ('table_size_bytes', 'gauge', 'Size of the storage tables of all tenants, indexes included.'),
            ('table_rows', 'gauge', 'Rows of the storage tables of all tenants, as the statistics of the server estimate them.'),
            ('table_dead_rows', 'gauge', 'Rows that wait for VACUUM, likewise.'),
            ('chunk_partitions', 'gauge', 'Partitions of tsdb.chunks.'),
            ('budget_sample_age_seconds', 'gauge', 'How late samples may come; 0: without limit.'),
            ('targets', 'gauge', 'Targets by health.'),
            ('scraped_samples', 'gauge', 'Samples in the last scrapes of all targets.'),
            ('rules', 'gauge', 'Alerting rules by health.'),
            ('rule_evaluations_total', 'counter', 'Evaluations of rules.'),
            ('rule_failures_total', 'counter', 'Evaluations that failed.'),
            ('rule_missed_evaluations_total', 'counter', 'Evaluations that were left out because the ruler was late.'),
            ('alerts', 'gauge', 'Alerts by state.'),
            ('worker_up', 'gauge', 'Whether the worker runs.'),
            ('worker_units_total', 'counter', 'Units of work (transactions) that succeeded.'),
            ('worker_errors_total', 'counter', 'Units of work that failed.'),
            ('worker_heartbeat_timestamp_seconds', 'gauge', 'When the worker was last heard of.'),
            ('worker_start_time_seconds', 'gauge', 'When the worker was started.')
    ),
    of_tenant (metric, label, label_value, value) AS (
        SELECT metric, label, label_value, value FROM tsdb.tenant_counters()
        UNION ALL
        SELECT n.metric, NULL, NULL, n.value
          FROM tsdb.tenant_statistics(false) s,
               LATERAL (VALUES ('head_groups', s.head_groups::float8),
                               ('head_oldest_timestamp_seconds', extract(epoch FROM s.head_oldest)::float8),
                               ('head_newest_timestamp_seconds', extract(epoch FROM s.head_newest)::float8),
                               ('compaction_lag_seconds', extract(epoch FROM s.compaction_lag)::float8)) n (metric, value)
        UNION ALL
        SELECT 'budget_sample_age_seconds', NULL, NULL, extract(epoch FROM COALESCE(
                   (SELECT max_sample_age FROM tsdb.tenant_budgets WHERE tenant_id = tsdb.setting('pgtsdb.tenant')), interval '1 hour'))
        UNION ALL
        SELECT 'targets', 'health', health, count(*) FROM tsdb.targets
         WHERE tenant_id = tsdb.setting('pgtsdb.tenant') GROUP BY health
        UNION ALL
        SELECT 'scraped_samples', NULL, NULL, COALESCE(sum(samples), 0) FROM tsdb.targets
         WHERE tenant_id = tsdb.setting('pgtsdb.tenant')
        UNION ALL
        SELECT 'rules', 'health', health, count(*) FROM tsdb.rule_status
         WHERE tenant_id = tsdb.setting('pgtsdb.tenant') GROUP BY health
        UNION ALL
        SELECT n.metric, NULL, NULL, n.value
          FROM (SELECT COALESCE(sum(evaluations), 0) AS evaluations, COALESCE(sum(failures), 0) AS failures,
                       COALESCE(sum(missed), 0) AS missed
                  FROM tsdb.rule_status WHERE tenant_id = tsdb.setting('pgtsdb.tenant')) r,
               LATERAL (VALUES ('rule_evaluations_total', evaluations), ('rule_failures_total', failures),
                               ('rule_missed_evaluations_total', missed)) n (metric, value)
        UNION ALL
        SELECT 'alerts', 'state', s.state, count(a.state)
          FROM unnest(ARRAY['pending', 'firing']) s (state)
          LEFT JOIN tsdb.alerts a ON a.state = s.state AND a.tenant_id = tsdb.setting('pgtsdb.tenant')
         GROUP BY s.state
    ),
    storage (name, relation) AS (
        SELECT t.name, to_regclass('tsdb.' || t.name)
          FROM unnest(ARRAY['chunks', 'head', 'metric_definitions', 'series', 'series_groups']) t (name)
    ),
    heaps (name, relation) AS (
        SELECT s.name, i.inhrelid FROM storage s JOIN pg_inherits i ON i.inhparent = s.relation WHERE s.name = 'chunks'
        UNION ALL
        SELECT name, relation::oid FROM storage WHERE name <> 'chunks' AND relation IS NOT NULL
    ),
    tables AS (
        SELECT name, count(*) AS partitions, sum(pg_total_relation_size(relation)) AS bytes,
               sum(pg_stat_get_live_tuples(relation)) AS rows, sum(pg_stat_get_dead_tuples(relation)) AS dead
          FROM heaps GROUP BY name
    ),
    samples (metric, labels, value) AS (
        SELECT metric, concat_ws(',', tsdb.metric_label('tenant', tsdb.setting('pgtsdb.tenant')),
                                 tsdb.metric_label(label, label_value)), value
          FROM of_tenant WHERE value IS NOT NULL
        UNION ALL
        SELECT 'build_info', concat_ws(',', tsdb.metric_label('version', (SELECT extversion FROM pg_extension WHERE extname = 'pgtsdb')),
                                       tsdb.metric_label('postgres', current_setting('server_version'))), 1
        UNION ALL
        SELECT n.metric, tsdb.metric_label('table', t.name), n.value
          FROM tables t, LATERAL (VALUES ('table_size_bytes', bytes), ('table_rows', rows), ('table_dead_rows', dead)) n (metric, value)
        UNION ALL
        SELECT 'chunk_partitions', '', partitions FROM tables WHERE name = 'chunks'
        UNION ALL
        SELECT n.metric, concat_ws(',', tsdb.metric_label('worker', w.worker), tsdb.metric_label('slot', w.slot::text)), n.value
          FROM tsdb.worker_statistics() w,
               LATERAL (VALUES ('worker_up', (w.pid IS NOT NULL)::int4::float8), ('worker_units_total', w.units_done::float8),
                               ('worker_errors_total', w.errors::float8),
                               ('worker_heartbeat_timestamp_seconds', extract(epoch FROM w.last_heartbeat)::float8),
                               ('worker_start_time_seconds', extract(epoch FROM w.started_at)::float8)) n (metric, value)
         WHERE COALESCE(w.database = current_database(), true) AND n.value IS NOT NULL
    ),
    lines AS (
        SELECT f.metric, format(E'pgtsdb_%s%s %s\n', s.metric, '{' || NULLIF(s.labels, '') || '}', s.value) AS line,
               row_number() OVER () AS n
          FROM samples s
          JOIN families f ON f.metric = s.metric OR
               (f.type = 'histogram' AND s.metric IN (f.metric || '_bucket', f.metric || '_sum', f.metric || '_count'))
    )
    SELECT string_agg(text, '' ORDER BY metric)
      FROM (SELECT metric, format(E'# HELP pgtsdb_%1$s %2$s\n# TYPE pgtsdb_%1$s %3$s\n', metric, help, type)
                   || string_agg(line, '' ORDER BY n) AS text
              FROM lines JOIN families USING (metric) GROUP BY metric, help, type) t
$$;
COMMENT ON FUNCTION tsdb.api_metrics() IS
    'metrics of pgtsdb itself in Prometheus text format: ingest, head, compaction, queries, targets, rules of the tenant of the session, storage and workers of the database; what the gateway''s /metrics shows';

-- ==== rules, alerts and targets for the HTTP API ======================================================
-- Row policies tell what the caller may see; of that, the session's tenant is answered.

-- Go's format 'e' with the shortest digits, as Prometheus writes the value of an alert: 1.5e+01.
CREATE FUNCTION tsdb.api_value(value float8) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH parts AS (
        SELECT split_part(split_part(abs(value)::text, 'e', 1), '.', 1) AS whole,
               split_part(split_part(abs(value)::text, 'e', 1), '.', 2) AS fraction,
               COALESCE(NULLIF(split_part(abs(value)::text, 'e', 2), ''), '0')::int4 AS exponent
         WHERE value NOT IN ('NaN', 'Infinity', '-Infinity', 0)
    ),
    normal AS (
        SELECT rtrim(ltrim(whole || fraction, '0'), '0') AS digits,
               exponent + CASE WHEN whole <> '0' THEN length(whole) - 1
                               ELSE length(ltrim(fraction, '0')) - length(fraction) - 1 END AS exponent
          FROM parts
    )
    SELECT CASE value WHEN 'NaN' THEN 'NaN' WHEN 'Infinity' THEN '+Inf' WHEN '-Infinity' THEN '-Inf' WHEN 0 THEN '0e+00'
           ELSE (SELECT CASE WHEN value < 0 THEN '-' ELSE '' END || left(digits, 1) || COALESCE('.' || NULLIF(substr(digits, 2), ''), '')
                        || 'e' || CASE WHEN exponent < 0 THEN '-' ELSE '+' END || lpad(abs(exponent)::text, greatest(2, length(abs(exponent)::text)), '0')
                   FROM normal) END
$$;
COMMENT ON FUNCTION tsdb.api_value(float8) IS 'a number as Prometheus writes the value of an alert';

CREATE FUNCTION tsdb.api_time(at timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT COALESCE(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '0001-01-01T00:00:00Z')
$$;
COMMENT ON FUNCTION tsdb.api_time(timestamptz) IS 'a time as Prometheus writes it; null is its zero time';

CREATE FUNCTION tsdb.api_alert(alert tsdb.alerts) RETURNS json
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT json_strip_nulls(json_build_object(
               'labels', alert.labels, 'annotations', alert.annotations, 'state', alert.state, 'activeAt', tsdb.api_time(alert.active_at),
               'keepFiringSince', CASE WHEN alert.keep_firing_since IS NOT NULL THEN tsdb.api_time(alert.keep_firing_since) END,
               'value', tsdb.api_value(alert.value)))
$$;
COMMENT ON FUNCTION tsdb.api_alert(tsdb.alerts) IS 'an alert as an object of the Prometheus API';

CREATE FUNCTION tsdb.api_alerts() RETURNS json
    LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    SELECT json_build_object('status', 'success', 'data', json_build_object(
               'alerts', COALESCE(json_agg(tsdb.api_alert(a) ORDER BY a.alert_name, a.labels), '[]')))
      FROM tsdb.alerts a
     WHERE a.tenant_id = tsdb.setting('pgtsdb.tenant') AND a.state IN ('pending', 'firing')
$$;
COMMENT ON FUNCTION tsdb.api_alerts() IS 'answer of the Prometheus API: the pending and firing alerts';

CREATE FUNCTION tsdb.api_rules(type text DEFAULT '', exclude_alerts boolean DEFAULT false, names text[] DEFAULT '{}', groups text[] DEFAULT '{}',
                               files text[] DEFAULT '{}', matches text[] DEFAULT '{}', group_limit int4 DEFAULT 0,
                               group_next_token text DEFAULT '') RETURNS json
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH rules AS (
        SELECT extract(epoch FROM r.evaluation_interval)::float8 AS seconds, r.rule_name, s.last_evaluation, s.duration,
               json_strip_nulls(json_build_object(
                   'state', CASE WHEN a.firing THEN 'firing' WHEN a.pending THEN 'pending' ELSE 'inactive' END,
                   'name', r.rule_name, 'query', r.promql_expression,
                   'duration', extract(epoch FROM r.for_duration)::float8,
                   'keepFiringFor', extract(epoch FROM r.keep_firing_for)::float8,
                   'labels', jsonb_strip_nulls(jsonb_build_object('severity', r.severity)) || r.labels, 'annotations', r.annotations,
                   'alerts', CASE WHEN exclude_alerts THEN NULL ELSE COALESCE(a.alerts, '[]') END,
                   'health', s.health, 'lastError', s.last_error, 'evaluationTime', COALESCE(s.duration, 0),
                   'lastEvaluation', tsdb.api_time(s.last_evaluation), 'type', 'alerting')) AS rule
          FROM tsdb.alert_rules r
          JOIN tsdb.rule_status s ON s.rule_id = r.rule_id
          LEFT JOIN LATERAL (
               SELECT bool_or(a.state = 'firing') AS firing, bool_or(a.state = 'pending') AS pending,
                      json_agg(tsdb.api_alert(a) ORDER BY a.labels) AS alerts
                 FROM tsdb.alerts a WHERE a.rule_id = r.rule_id AND a.state IN ('pending', 'firing')) a ON true
         WHERE r.tenant_id = tsdb.setting('pgtsdb.tenant') AND r.status = 'ACTIVE' AND type <> 'record'
           AND (names = '{}' OR r.rule_name = ANY (names)) AND (files = '{}' OR 'tsdb.alert_rules' = ANY (files))
           AND (matches = '{}' OR EXISTS (
                   SELECT FROM unnest(matches) m
                    WHERE tsdb.labels(jsonb_strip_nulls(jsonb_build_object('severity', r.severity)) || r.labels) OPERATOR(tsdb.@@) m::tsdb.selector))
    ),
    grouped AS (
        SELECT json_build_object('name', name, 'file', 'tsdb.alert_rules', 'rules', json_agg(rule ORDER BY rule_name),
                   'interval', seconds, 'limit', 0, 'evaluationTime', COALESCE(sum(duration), 0),
                   'lastEvaluation', tsdb.api_time(max(last_evaluation))) AS rule_group, seconds,
               encode(sha256(convert_to('tsdb.alert_rules;' || name, 'UTF8')), 'hex') AS token
          FROM rules, LATERAL (SELECT 'every ' || seconds || 's') n (name)
         WHERE api_rules.groups = '{}' OR name = ANY (api_rules.groups)
         GROUP BY seconds, name
    ),
    page AS (
        SELECT rule_group, token, row_number() OVER (ORDER BY seconds) AS n, seconds
          FROM grouped
         WHERE group_next_token = '' OR seconds >= (SELECT g.seconds FROM grouped g WHERE g.token = group_next_token)
    )
    SELECT CASE WHEN group_next_token <> '' AND NOT EXISTS (SELECT FROM page)
           THEN format('{"status":"error","errorType":"bad_data","error":%s}', to_json(format(
                    'invalid parameter "group_next_token": invalid group_next_token ''%s''. were rule groups changed?', group_next_token)))::json
           ELSE json_build_object('status', 'success', 'data', json_strip_nulls(json_build_object(
                    'groups', (SELECT COALESCE(json_agg(rule_group ORDER BY n), '[]') FROM page WHERE group_limit <= 0 OR n <= group_limit),
                    'groupNextToken', (SELECT token FROM page WHERE group_limit > 0 AND n = group_limit + 1)))) END
$$;
COMMENT ON FUNCTION tsdb.api_rules(text, boolean, text[], text[], text[], text[], int4, text) IS
    'answer of the Prometheus API: the active rules with their alerts, in one group for each evaluation interval; type may be alert or record, an empty array is no filter, matches are selectors of the labels of rules, and with a group_limit the answer has the token with which the next call goes on';

CREATE FUNCTION tsdb.api_targets(state text DEFAULT '', scrape_pool text DEFAULT '') RETURNS json
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH active AS (
        SELECT json_build_object(
                   'discoveredLabels', jsonb_build_object('__address__', t.address, 'job', t.job_name), 'labels', t.labels,
                   'scrapePool', t.job_name, 'scrapeUrl', t.scrape_url, 'globalUrl', t.scrape_url,
                   'lastError', COALESCE(t.last_error, ''), 'lastScrape', tsdb.api_time(t.last_scrape),
                   'lastScrapeDuration', COALESCE(t.last_scrape_duration, 0), 'health', t.health,
                   'scrapeInterval', extract(epoch FROM t.scrape_interval)::float8 || 's',
                   'scrapeTimeout', extract(epoch FROM least(t.scrape_interval, COALESCE(s.scrape_timeout, c.scrape_timeout,
                                                             tsdb.setting('pgtsdb.scrape_timeout')::interval)))::float8 || 's') AS target,
               t.job_name, t.address
          FROM tsdb.targets t
          JOIN tsdb.scrape_targets s ON s.target_id = t.target_id
          LEFT JOIN tsdb.scrape_configs c ON c.tenant_id = t.tenant_id AND c.job_name = t.job_name
         WHERE t.tenant_id = tsdb.setting('pgtsdb.tenant') AND t.health <> 'paused'
           AND lower(state) IN ('', 'any', 'active') AND scrape_pool IN ('', t.job_name)
    )
    SELECT json_build_object('status', 'success', 'data', json_build_object(
               'activeTargets', COALESCE(json_agg(target ORDER BY job_name, address), '[]'),
               'droppedTargets', '[]'::json, 'droppedTargetCounts', '{}'::json))
      FROM active
$$;
COMMENT ON FUNCTION tsdb.api_targets(text, text) IS
    'answer of the Prometheus API: the targets that are scraped; state may be active, dropped or any, scrape_pool is the name of a job';

-- Metadata is kept by metric: a target has that of the metrics of which it has series.
CREATE FUNCTION tsdb.api_targets_metadata(match_target text DEFAULT '', metric text DEFAULT '', "limit" int4 DEFAULT -1) RETURNS json
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH families AS (
        SELECT f.key AS family, f.value->0->>'type' AS type, f.value->0->>'help' AS help, f.value->0->>'unit' AS unit
          FROM json_each(tsdb.api_metadata(NULLIF(metric, ''))->'data') f
    ),
    targets AS (
        SELECT t.labels, row_number() OVER (ORDER BY t.job_name, t.address, t.target_id) AS n
          FROM tsdb.targets t
         WHERE t.tenant_id = tsdb.setting('pgtsdb.tenant') AND t.health <> 'paused'
           AND (match_target = '' OR tsdb.labels(t.labels) OPERATOR(tsdb.@@) NULLIF(match_target, '')::tsdb.selector)
    ),
    found AS (
        SELECT DISTINCT t.n, t.labels, f.family, f.type, f.help, f.unit
          FROM targets t,
               LATERAL json_array_elements_text(
                   tsdb.api_label_values('__name__', ARRAY[tsdb.series_name(t.labels)])->'data') s (name),
               LATERAL unnest(ARRAY[s.name, regexp_replace(s.name, '_(bucket|count|created|info|sum|total)$', '')]) c (name)
          JOIN families f ON f.family = c.name
    ),
    counted AS (
        SELECT *, rank() OVER (ORDER BY n) - 1 AS before FROM found
    )
    SELECT json_build_object('status', 'success', 'data', COALESCE(json_agg(json_strip_nulls(json_build_object(
               'target', labels, 'metric', CASE WHEN api_targets_metadata.metric = '' THEN family END,
               'type', type, 'help', help, 'unit', unit))
               ORDER BY n, family COLLATE "C"), '[]'))
      FROM counted WHERE "limit" < 0 OR before < "limit"
$$;
COMMENT ON FUNCTION tsdb.api_targets_metadata(text, text, int4) IS
    'answer of the Prometheus API: type, help and unit of the metrics of each target, of one metric or of all, of the targets whose labels match; behind limit entries no further target is begun, -1 means all';

CREATE FUNCTION tsdb.api_scrape_pools() RETURNS json
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT json_build_object('status', 'success', 'data', json_build_object(
               'scrapePools', COALESCE(json_agg(DISTINCT job_name), '[]')))
      FROM (SELECT job_name COLLATE "C" AS job_name FROM tsdb.scrape_targets WHERE tenant_id = tsdb.setting('pgtsdb.tenant')) t
$$;
COMMENT ON FUNCTION tsdb.api_scrape_pools() IS 'answer of the Prometheus API: the names of the jobs that have targets';

CREATE FUNCTION tsdb.remote_read(body bytea) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_remote_read' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tsdb.remote_read(bytea) IS 'answers a Prometheus remote-read request (protobuf, snappy) with samples';

CREATE FUNCTION tsdb.remote_read_stream(body bytea) RETURNS TABLE (streamed boolean, bytes bytea)
    AS 'MODULE_PATHNAME', 'pgtsdb_sql_remote_read_stream' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION tsdb.remote_read_stream(bytea) IS
    'answers a Prometheus remote-read request as the sender likes best: one row with samples as tsdb.remote_read(), or, streamed, the frames of STREAMED_XOR_CHUNKS in pieces, in order';

CREATE FUNCTION tsdb.federate(matches text[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH newest AS (
        SELECT DISTINCT ON (s.labels) s.labels, s.ts, s.value
          FROM unnest(matches) m,
               LATERAL tsdb.samples(m, now() - tsdb.setting('pgtsdb.query_lookback')::interval, now()) s
         ORDER BY s.labels, s.ts DESC
    ),
    lines AS (
        SELECT n.labels->>'__name__' AS metric,
               format('%s{%s} %s %s', CASE WHEN classic THEN n.labels->>'__name__' END, l.text,
                      CASE n.value WHEN 'NaN' THEN 'NaN' WHEN 'Infinity' THEN '+Inf' WHEN '-Infinity' THEN '-Inf' ELSE n.value::text END,
                      round(extract(epoch FROM n.ts) * 1000)) || E'\n' AS line
          FROM newest n
         CROSS JOIN LATERAL (SELECT n.labels->>'__name__' ~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' AS classic) c
         CROSS JOIN LATERAL (
               SELECT string_agg(CASE WHEN key = '__name__' THEN quoted
                                      WHEN key ~ '^[a-zA-Z_][a-zA-Z0-9_]*$' THEN key || '=' || quoted
                                      ELSE '"' || replace(replace(replace(key, '\', '\\'), E'\n', '\n'), '"', '\"') || '"=' || quoted END,
                                 ',' ORDER BY key COLLATE "C") AS text
                 FROM (SELECT key, '"' || replace(replace(replace(value, '\', '\\'), E'\n', '\n'), '"', '\"') || '"' AS quoted
                         FROM jsonb_each_text('{"instance": ""}'::jsonb || n.labels)
                        WHERE key <> '__name__' OR NOT classic) q) l
         WHERE float8send(n.value) <> '\x7ff0000000000002' AND n.labels ? '__name__'
    ),
    families AS (
        SELECT format(E'# TYPE %s untyped\n', CASE WHEN metric ~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' THEN metric
                                                    ELSE '"' || replace(replace(replace(metric, '\', '\\'), E'\n', '\n'), '"', '\"') || '"' END)
               || string_agg(line, '' ORDER BY line COLLATE "C") AS text, metric
          FROM lines GROUP BY metric
    )
    SELECT COALESCE(string_agg(text, '' ORDER BY metric COLLATE "C"), '') FROM families
$$;
COMMENT ON FUNCTION tsdb.federate(text[]) IS
    'the newest sample of each series that matches one of the selectors, in Prometheus text format, for a Prometheus that federates';

-- ==== grants =========================================================================================

GRANT USAGE ON SCHEMA tsdb TO PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.tenants, tsdb.tenant_parts, tsdb.tenant_members, tsdb.tenant_budgets TO pgtsdb_admin;
GRANT SELECT ON tsdb.tenant_budgets TO PUBLIC;
GRANT EXECUTE ON FUNCTION tsdb.create_tenant(text, text), tsdb.create_storage(), tsdb.drop_storage(),
    tsdb.ensure_chunk_partition(int2, int2, timestamptz) TO pgtsdb_admin;
GRANT EXECUTE ON FUNCTION tsdb.remote_write(bytea), tsdb.remote_write_v2(bytea), tsdb.push(jsonb), tsdb.push_text(text, jsonb, timestamptz) TO pgtsdb_admin;
GRANT EXECUTE ON FUNCTION tsdb.delete_series(text, timestamptz, timestamptz, boolean) TO pgtsdb_admin;
GRANT EXECUTE ON PROCEDURE tsdb.compact(boolean), tsdb.apply_retention() TO pgtsdb_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.retention_policies TO PUBLIC;
GRANT SELECT ON tsdb.retention TO PUBLIC;

GRANT SELECT ON tsdb.worker_status, tsdb.stats TO PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.replica_pairs TO PUBLIC;
GRANT SELECT, DELETE ON tsdb.replica_elections TO PUBLIC;
GRANT SELECT (held_id, received_at, newest, tenant_id, cluster, replica, samples, bytes, version), DELETE ON tsdb.held_writes TO PUBLIC;
GRANT SELECT ON tsdb.replicas TO PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.scrape_configs, tsdb.scrape_targets, tsdb.receivers, tsdb.routes TO PUBLIC;
GRANT SELECT (tenant_id, secret_name), INSERT, UPDATE, DELETE ON tsdb.secrets TO PUBLIC;
GRANT SELECT ON tsdb.targets, tsdb.notification_log TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.remote_write_targets TO PUBLIC;
GRANT SELECT ON tsdb.remote_write_status TO PUBLIC;
GRANT SELECT ON tsdb.secrets TO pgtsdb_admin;
GRANT EXECUTE ON FUNCTION tsdb.postgres_metrics() TO pgtsdb_admin, pg_monitor;

-- Row policies tell which rows.
GRANT SELECT, INSERT, UPDATE, DELETE ON tsdb.alert_rules TO PUBLIC;
GRANT SELECT ON tsdb.alert_evaluation_states, tsdb.alert_events, tsdb.alerts, tsdb.rule_status TO PUBLIC;
