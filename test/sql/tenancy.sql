-- Who may read and write which tenant.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_tenancy;
\c pgtsdb_tenancy
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
SET client_min_messages = warning;

CREATE ROLE regress_tsdb_writer LOGIN;
CREATE ROLE regress_tsdb_reader LOGIN;
CREATE ROLE regress_tsdb_team NOLOGIN;
CREATE ROLE regress_tsdb_heir LOGIN IN ROLE regress_tsdb_team;
CREATE ROLE regress_tsdb_no_heir LOGIN NOINHERIT IN ROLE regress_tsdb_team;
CREATE ROLE regress_tsdb_admin LOGIN IN ROLE pgtsdb_admin;
GRANT EXECUTE ON FUNCTION tsdb.push(jsonb)
   TO regress_tsdb_writer, regress_tsdb_reader, regress_tsdb_heir, regress_tsdb_no_heir;

-- The name of a tenant, one sample of it, and who asks.
CREATE FUNCTION push_one(name text, value float8) RETURNS jsonb LANGUAGE sql AS
$$ SELECT tsdb.push(jsonb_build_object('samples', jsonb_build_array(
       jsonb_build_object('metric', name, 'timestampMs', 1700000000000, 'value', value)))) $$;

-- Tenants are made by administrators, each with a part of its own.
SET ROLE regress_tsdb_admin;
SELECT tsdb.create_tenant('acme', 'makes everything');
SELECT tsdb.create_tenant('acme');
SELECT tsdb.create_tenant('');
SELECT tsdb.create_tenant(NULL);
INSERT INTO tsdb.tenant_members (role_name, tenant_id, may_write) VALUES
    ('regress_tsdb_writer', 'default', true),
    ('regress_tsdb_reader', 'default', false),
    ('regress_tsdb_team', 'acme', true),
    ('regress_tsdb_dropped', 'acme', true);
SELECT tenant_id, part FROM tsdb.tenant_parts ORDER BY part;
RESET ROLE;
SET ROLE regress_tsdb_writer;
SELECT tsdb.create_tenant('mine');
SELECT * FROM tsdb.tenants;
RESET ROLE;

-- Without EXECUTE nobody writes, member or not.
SET ROLE regress_tsdb_writer;
SELECT tsdb.push_text('x 1');
SELECT tsdb.remote_write('\x00');

-- A member may do what its row says, in its tenant only.
SELECT push_one('shared', 1);
SET pgtsdb.tenant = 'acme';
SELECT push_one('shared', 2);
SET pgtsdb.tenant = 'nobody';
SELECT push_one('shared', 2);
RESET pgtsdb.tenant;
RESET ROLE;
SET ROLE regress_tsdb_reader;
SELECT push_one('shared', 3);
RESET ROLE;

-- Membership is inherited as privileges are.
SET pgtsdb.tenant = 'acme';
SET ROLE regress_tsdb_heir;
SELECT push_one('shared', 4);
RESET ROLE;
SET ROLE regress_tsdb_no_heir;
SELECT push_one('shared', 5);
SET ROLE regress_tsdb_team;
SELECT push_one('shared', 5);
RESET ROLE;

-- Administrators may do everything, but a tenant must exist and have a part.
SET ROLE regress_tsdb_admin;
SELECT push_one('shared', 4);
SET pgtsdb.tenant = 'nobody';
SELECT push_one('shared', 6);
INSERT INTO tsdb.tenants VALUES ('nobody');
SELECT push_one('shared', 6);
RESET pgtsdb.tenant;
RESET ROLE;

-- A right that is taken away is gone with the next command.
BEGIN;
SET LOCAL ROLE regress_tsdb_writer;
SELECT push_one('fleeting', 1);
RESET ROLE;
UPDATE tsdb.tenant_members SET may_write = false WHERE role_name = 'regress_tsdb_writer';
SET LOCAL ROLE regress_tsdb_writer;
SELECT push_one('fleeting', 1);
ROLLBACK;

-- Each tenant has its own series, and none has rights on the tables.
SELECT p.tenant_id, s.part, s.labels FROM tsdb.series s JOIN tsdb.parts p USING (part) ORDER BY 1, 2, 3;
SET ROLE regress_tsdb_writer;
SELECT * FROM tsdb.head;
SELECT * FROM tsdb.series;
INSERT INTO tsdb.parts (part, tenant_id) VALUES (9, 'default');
RESET ROLE;

-- The caller is itself again afterwards, whatever happened.
SET ROLE regress_tsdb_writer;
DO $$
BEGIN
    PERFORM push_one('whoami', 1);
    ASSERT current_user = 'regress_tsdb_writer';
    BEGIN
        PERFORM tsdb.push('{"samples": 1}');
    EXCEPTION WHEN invalid_parameter_value THEN
        ASSERT current_user = 'regress_tsdb_writer';
    END;
    ASSERT current_user = 'regress_tsdb_writer';
END
$$;
RESET ROLE;

-- A schema that comes first in search_path changes nothing.
CREATE SCHEMA trap;
CREATE FUNCTION trap.unnest(anyarray, anyarray) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.eq(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.eq);
SET search_path = trap, public, pg_catalog;
SELECT push_one('trapped', 1);
RESET search_path;

\c :here
DROP DATABASE pgtsdb_tenancy;
DROP ROLE regress_tsdb_writer, regress_tsdb_reader, regress_tsdb_heir, regress_tsdb_no_heir, regress_tsdb_team, regress_tsdb_admin;
