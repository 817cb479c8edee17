-- pgtsdb: the whole SQL face.  Order: types, operators, configuration tables, storage, write functions,
-- query functions, workers and rules, notifications, views, grants.
\echo Use "CREATE EXTENSION pgtsdb" to load this file. \quit

-- ==== types ==========================================================================================


-- ==== configuration: tenants =========================================================================

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

INSERT INTO tsdb.tenants (tenant_id, note) VALUES ('default', 'made by CREATE EXTENSION');
INSERT INTO tsdb.tenant_parts (tenant_id, part) VALUES ('default', 1);

SELECT pg_catalog.pg_extension_config_dump('tsdb.tenants', $$WHERE tenant_id <> 'default'$$);
SELECT pg_catalog.pg_extension_config_dump('tsdb.tenant_parts', $$WHERE tenant_id <> 'default'$$);
SELECT pg_catalog.pg_extension_config_dump('tsdb.tenant_members', '');

-- ==== storage ========================================================================================
-- Not members of the extension: made by the first write, or by hand, so that a dump brings them back with
-- all data, partitions can be dropped, and a distributed engine can own their placement.

-- ==== write functions ================================================================================

-- ==== query functions ================================================================================

-- ==== scraping =======================================================================================

-- ==== rules and alerts ===============================================================================

-- ==== notifications ==================================================================================

-- ==== views ==========================================================================================

-- ==== grants =========================================================================================
