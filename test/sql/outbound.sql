-- Targets and receivers: what is refused when it is written, and who sees what.
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', 'http://127.0.0.1:9100');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', '127.0.0.1:9100/metrics');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', '127.0.0.1:port');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', '[::1');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('', '127.0.0.1:9100');
INSERT INTO tsdb.scrape_targets (job_name, address, metrics_path) VALUES ('node', '127.0.0.1:9100', 'metrics');
INSERT INTO tsdb.scrape_targets (job_name, address, scheme) VALUES ('node', '127.0.0.1:9100', 'ftp');
INSERT INTO tsdb.scrape_targets (job_name, address, scheme) VALUES ('node', '127.0.0.1:5432', 'postgres');
INSERT INTO tsdb.scrape_targets (job_name, address, labels) VALUES ('node', '127.0.0.1:9100', '["a"]');
INSERT INTO tsdb.scrape_targets (job_name, address, labels) VALUES ('node', '127.0.0.1:9100', '{"": "a"}');
INSERT INTO tsdb.scrape_targets (job_name, address, params) VALUES ('node', '127.0.0.1:9100', '{"a": {"b": "c"}}');
INSERT INTO tsdb.scrape_targets (job_name, address, scrape_interval) VALUES ('node', '127.0.0.1:9100', '1 month');
INSERT INTO tsdb.scrape_targets (job_name, address, scrape_interval) VALUES ('node', '127.0.0.1:9100', '10 ms');
INSERT INTO tsdb.scrape_targets (job_name, address, sample_limit) VALUES ('node', '127.0.0.1:9100', -1);
INSERT INTO tsdb.scrape_targets (job_name, address, status) VALUES ('node', '127.0.0.1:9100', 'active');
INSERT INTO tsdb.scrape_configs (job_name, password_secret) VALUES ('node', 'p');
INSERT INTO tsdb.scrape_configs (job_name, basic_auth_user, token_secret) VALUES ('node', 'u', 't');
INSERT INTO tsdb.receivers (receiver_name) VALUES ('team');
INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('team', 'example.com');
INSERT INTO tsdb.receivers (receiver_name, webhook_url, timeout) VALUES ('team', 'http://example.com', '0');
INSERT INTO tsdb.routes (receiver_name) VALUES ('nobody');
INSERT INTO tsdb.routes (receiver_name, group_by) VALUES ('team', '{...,a}');
INSERT INTO tsdb.routes (receiver_name, group_interval) VALUES ('team', '-1 s');
INSERT INTO tsdb.remote_write_targets (name) VALUES ('copy');
INSERT INTO tsdb.remote_write_targets (target_id, name, url) VALUES ('00000000-0000-0000-0000-000000000001', '', 'http://a/');
INSERT INTO tsdb.remote_write_targets (name, url) VALUES ('copy', 'a:9090/api/v1/write');
INSERT INTO tsdb.remote_write_targets (name, url, url_secret) VALUES ('copy', 'http://a/', 's');
INSERT INTO tsdb.remote_write_targets (name, url, headers) VALUES ('copy', 'http://a/', '{"X-A": ["a"]}');
INSERT INTO tsdb.remote_write_targets (name, url, headers) VALUES ('copy', 'http://a/', '{"X A": "a"}');
INSERT INTO tsdb.remote_write_targets (name, url, headers) VALUES ('copy', 'http://a/', '{"": "a"}');
INSERT INTO tsdb.remote_write_targets (name, url, headers) VALUES ('copy', 'http://a/', '{"X-A": "a\r\nX-B: b"}');
INSERT INTO tsdb.remote_write_targets (name, url, headers) VALUES ('copy', 'http://a/', '{"content-Type": "text/plain"}');
INSERT INTO tsdb.remote_write_targets (name, url, timeout) VALUES ('copy', 'http://a/', '0');
INSERT INTO tsdb.remote_write_targets (name, url, max_age) VALUES ('copy', 'http://a/', '1 month');
INSERT INTO tsdb.remote_write_targets (target_id, name, url, max_bytes) VALUES ('00000000-0000-0000-0000-000000000001', 'copy', 'http://a/', 0);
INSERT INTO tsdb.remote_write_targets (name, url, status) VALUES ('copy', 'http://a/', 'paused');
INSERT INTO tsdb.remote_write_targets (name, url, basic_auth_user, token_secret) VALUES ('copy', 'http://a/', 'u', 't');

-- Addresses of all kinds, and the defaults of a job.
INSERT INTO tsdb.scrape_configs (job_name, scrape_interval, scheme, metrics_path) VALUES ('probe', '5 s', 'https', '/probe');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', 'db.example.com:9100'), ('node', '[::1]:9100'), ('probe', 'example.com');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', '[::1]:9100');
INSERT INTO tsdb.scrape_targets (job_name, address, params, labels, status)
    VALUES ('probe', 'example.com', '{"module": "x", "n": 1, "list": ["a", true]}', '{"instance": "a", "n": 1}', 'PAUSED');
SELECT tenant_id, job_name, address, scrape_url, labels, health, scrape_interval FROM tsdb.targets ORDER BY 1, 2, 3, 5;

-- Each tenant for itself; secrets go in and are named, but do not come out.
SELECT tsdb.create_tenant('outbound') > 1 AS made;
CREATE ROLE outbound_reader;
CREATE ROLE outbound_administrator;
INSERT INTO tsdb.tenant_members (role_name, tenant_id, may_administer)
    VALUES ('outbound_reader', 'outbound', false), ('outbound_administrator', 'outbound', true);
SET ROLE outbound_administrator;
INSERT INTO tsdb.secrets (tenant_id, secret_name, value) VALUES ('outbound', 'token', 'opensesame');
INSERT INTO tsdb.secrets (secret_name, value) VALUES ('token', 'opensesame');
INSERT INTO tsdb.scrape_configs (tenant_id, job_name, token_secret) VALUES ('outbound', 'node', 'token');
INSERT INTO tsdb.scrape_targets (tenant_id, job_name, address) VALUES ('outbound', 'node', 'a:1');
INSERT INTO tsdb.scrape_targets (job_name, address) VALUES ('node', 'a:1');
INSERT INTO tsdb.scrape_targets (tenant_id, job_name, address, scheme) VALUES ('outbound', 'postgres', 'self', 'postgres');
INSERT INTO tsdb.receivers (tenant_id, receiver_name, webhook_url, token_secret) VALUES ('outbound', 'team', 'http://a/', 'token');
INSERT INTO tsdb.routes (tenant_id, receiver_name) VALUES ('outbound', 'team');
INSERT INTO tsdb.remote_write_targets (tenant_id, name, url, token_secret) VALUES ('outbound', 'copy', 'http://a/', 'token');
INSERT INTO tsdb.remote_write_targets (name, url) VALUES ('copy', 'http://a/');
SELECT tenant_id, name, status, sent_samples, waiting_requests, behind FROM tsdb.remote_write_status;
SELECT body FROM tsdb.remote_write_outbox;
SELECT tenant_id, secret_name FROM tsdb.secrets;
SELECT value FROM tsdb.secrets;
SELECT job_name, address, health FROM tsdb.targets;
SET ROLE outbound_reader;
SELECT job_name, address, health FROM tsdb.targets;
SELECT count(*) AS routes FROM tsdb.routes;
SELECT count(*) AS receivers FROM tsdb.receivers;
SELECT count(*) AS targets FROM tsdb.remote_write_targets;
SELECT tenant_id, name FROM tsdb.remote_write_status;
UPDATE tsdb.scrape_targets SET status = 'PAUSED';
INSERT INTO tsdb.scrape_targets (tenant_id, job_name, address) VALUES ('outbound', 'node', 'b:1');
RESET ROLE;

-- One that is made begins with what comes then; it goes with its position.
SELECT count(*) AS positions FROM tsdb.remote_write_positions;
DELETE FROM tsdb.remote_write_targets;
SELECT count(*) AS positions FROM tsdb.remote_write_positions;
DELETE FROM tsdb.routes;
DELETE FROM tsdb.receivers;
DELETE FROM tsdb.scrape_targets;
DELETE FROM tsdb.scrape_configs;
DELETE FROM tsdb.secrets;
DELETE FROM tsdb.tenant_members WHERE tenant_id = 'outbound';
DELETE FROM tsdb.tenant_parts WHERE tenant_id = 'outbound';
DELETE FROM tsdb.tenants WHERE tenant_id = 'outbound';
DROP ROLE outbound_reader, outbound_administrator;
